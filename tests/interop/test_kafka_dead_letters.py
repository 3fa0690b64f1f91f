"""Dead letters of a real Kafka: a document that the store refuses again is a dead letter again."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.producer import message_accumulator
from aiokafka.producer import producer as aiokafka_producer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from pipeline.dead_letters.letters import replay_dead_letters
from pipeline.dead_letters.limits import PARTITION, REASON, STORE, TOPIC
from pipeline.dead_letters.on_kafka import dead_letters_on_kafka, load_skips, place_on_kafka
from pipeline.dead_letters.skip import skip
from pipeline.exchange.topics import Topic
from pipeline.record import TP
from pipeline.runtime.kafka_access import client_settings
from pipeline.runtime.skips import GROUP as SKIP_GROUP
from pipeline.runtime.skips import SkipError
from spanloom.config import load_config
from spanloom.wiring import Log
from stores.store import Rejected, Written
from telemetry.documents import Document, Kind
from tests.pipeline.parts import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.system


class Refusing(MemoryStore):
    """Refuses all documents, in other words than before."""

    async def write(self, documents: Sequence[Document]) -> Written:
        return Written(0, 0, tuple(Rejected(document, "still bad") for document in documents))


async def test_a_document_that_is_refused_again_is_a_dead_letter_again(kafka: str, tmp_path: Path) -> None:
    pipeline = Log(load_config(log=f"kafka://{kafka}", data_dir=tmp_path))
    await pipeline.make_topics()
    document = Document(Kind.TRACE, uuid.uuid4().hex, 5, {"trace_id": "t1"})
    kept = orjson.dumps({"kind": document.kind, "id": document.id, "time": document.time, "body": document.body})
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        headers = [(REASON, b"bad"), (TOPIC, STORE.encode())]
        await producer.send_and_wait(Topic.DEAD_LETTERS.value, kept, key=document.id.encode(), headers=headers)
    store = MemoryStore()
    async with dead_letters_on_kafka(client_settings(pipeline.app)) as dead:
        assert (await replay_dead_letters(dead, Refusing()))[Topic.DEAD_LETTERS.value] >= 1
        reasons = [letter.reason async for letter in dead.read(replayed=True) if letter.key == document.id.encode()]
        assert reasons == ["bad", "still bad"]
        assert (await replay_dead_letters(dead, store))[STORE] >= 1
        assert [letter async for letter in dead.read(replayed=False) if letter.key == document.id.encode()] == []
    assert document in store.documents.values()


async def test_a_record_is_shown_skipped_and_known_to_the_next_start(kafka: str, tmp_path: Path) -> None:
    pipeline = Log(load_config(log=f"kafka://{kafka}", data_dir=tmp_path))
    await pipeline.make_topics()
    settings = client_settings(pipeline.app)
    topic = Topic.SIGNALS.value
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        sent = [await producer.send_and_wait(topic, b"?" * 9, headers=[("a", b"b")], partition=0) for _ in range(2)]
    offsets = [record.offset for record in sent]
    async with place_on_kafka(settings) as place:
        shown = await skip(place, topic, 0, offsets[0], dry_run=True)
        assert (shown["bytes"], shown["headers"]) == (9, {"a": "b"})
        assert not {(TP(topic, 0), offset) for offset in offsets} & await load_skips(settings), "it was only looked at"
        for offset in offsets:
            await skip(place, topic, 0, offset)
        with pytest.raises(SkipError, match=rf"offset {offsets[1] + 9}: the partition has offsets"):
            await skip(place, topic, 0, offsets[1] + 9)
        with pytest.raises(SkipError, match="there is no such partition"):
            await skip(place, topic, 77, 0)
    assert {skipped for skipped in await load_skips(settings) if skipped[0].topic == topic} == {
        (TP(topic, 0), offset) for offset in offsets
    }
    async with dead_letters_on_kafka(settings) as dead:
        letters = [(letter.topic, letter.offset) async for letter in dead.read(replayed=True) if "dlq skip" in letter.reason]
    assert [letter for letter in letters if letter[0] == topic] == [(topic, offset) for offset in offsets]


class Raw(str):
    """The name of a header, of bytes that are no UTF-8: producers of librdkafka write what they are given."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"\xff\xfe"


async def test_a_header_name_that_is_no_text_hides_neither_its_record_nor_those_behind_it(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (message_accumulator, aiokafka_producer):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    pipeline = Log(load_config(log=f"kafka://{kafka}", data_dir=tmp_path))
    await pipeline.make_topics()
    settings, topic = client_settings(pipeline.app), Topic.TRACED.value
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        batch = producer.create_batch()
        for number, headers in enumerate(([], [(Raw("ab"), b"x"), ("ok", b"y")], [])):
            batch.append(key=None, value=b"%d" % number, timestamp=None, headers=headers)
        first = (await (await producer.send_batch(batch, topic, partition=1))).offset
        own = await producer.send_and_wait(Topic.DEAD_LETTERS.value, b"z", headers=[(Raw("ab"), b"x"), (PARTITION, b"x\xff")])
    async with place_on_kafka(settings) as place:
        shown = [await skip(place, topic, 1, first + number, dry_run=True) for number in range(3)]
        assert [each["headers"] for each in shown] == [{}, {"\\xff\\xfe": "x", "ok": "y"}, {}]
        await skip(place, topic, 1, first + 1)
    assert (TP(topic, 1), first + 1) in await load_skips(settings)
    async with dead_letters_on_kafka(settings) as dead:
        letters = [letter async for letter in dead.read(replayed=True)]
    assert (topic, 1, first + 1, b"1") in [(each.topic, each.partition, each.offset, each.value) for each in letters]
    assert own.offset in [each.number for each in letters], "one that others wrote is listed too"


async def test_other_metadata_of_the_group_of_skips_skips_nothing(kafka: str, tmp_path: Path) -> None:
    pipeline = Log(load_config(log=f"kafka://{kafka}", data_dir=tmp_path))
    await pipeline.make_topics()
    settings, place = client_settings(pipeline.app), TopicPartition(Topic.TRACED.value, 2)
    async with AIOKafkaConsumer(bootstrap_servers=kafka, group_id=SKIP_GROUP, enable_auto_commit=False) as consumer:
        consumer.assign([place])
        for metadata in ("5", '{"a":1}', '["x"]', "[-1]", "[true]", "\x00"):
            await consumer.commit({place: OffsetAndMetadata(3, metadata)})
            assert [tp for tp, _ in await load_skips(settings) if tp.partition == 2] == []


async def test_a_value_of_a_changelog_is_given_up_by_a_record_that_deletes_its_key(kafka: str, tmp_path: Path) -> None:
    pipeline = Log(load_config(log=f"kafka://{kafka}", data_dir=tmp_path))
    await pipeline.make_topics()
    settings, topic = client_settings(pipeline.app), f"test-{uuid.uuid4().hex}-changelog"
    admin = AIOKafkaAdminClient(**settings)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"cleanup.policy": "compact"})])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for key, value in ((b"0/engine", b"old"), (b"0/engine", b"garbage"), (b"0/rules", b"{}")):
            await producer.send_and_wait(topic, value, key=key, partition=0)
    async with place_on_kafka(settings) as place:
        with pytest.raises(SkipError, match="the record at offset 1 has replaced it"):
            await skip(place, topic, 0, 0)
        await skip(place, topic, 0, 1)
        found = await place.find(TP(topic, 0), 3)
        assert (found.key, found.value) == (b"0/engine", None)
        with pytest.raises(SkipError, match="the record at offset 3 has replaced it"):
            await skip(place, topic, 0, 1)
        with pytest.raises(SkipError, match="nothing to pass over"):
            await skip(place, topic, 0, 3)
    async with dead_letters_on_kafka(settings) as dead:
        assert topic not in await replay_dead_letters(dead, MemoryStore(), again=True), "it would be damaged again"


async def test_a_letter_whose_topic_is_gone_is_passed_over_and_its_topic_is_not_made_again(kafka: str, tmp_path: Path) -> None:
    pipeline = Log(load_config(log=f"kafka://{kafka}", data_dir=tmp_path))
    await pipeline.make_topics()
    settings, gone = client_settings(pipeline.app), f"test-{uuid.uuid4().hex}"
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        headers = [(TOPIC, gone.encode()), (PARTITION, b"0")]
        await producer.send_and_wait(Topic.DEAD_LETTERS.value, b"1", headers=headers)
    async with dead_letters_on_kafka(settings) as dead:
        assert gone in [letter.topic async for letter in dead.read(replayed=True)]
        assert gone not in await replay_dead_letters(dead, MemoryStore(), again=True)
    admin = AIOKafkaAdminClient(**settings)
    await admin.start()
    assert gone not in await admin.list_topics()
    await admin.close()
