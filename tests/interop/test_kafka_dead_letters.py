"""Dead letters of a real Kafka: a document that the store refuses again is a dead letter again."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from pipeline.dead_letters.letters import replay_dead_letters
from pipeline.dead_letters.limits import REASON, STORE, TOPIC
from pipeline.dead_letters.on_kafka import dead_letters_on_kafka, load_skips, place_on_kafka
from pipeline.dead_letters.skip import skip
from pipeline.exchange.topics import Topic
from pipeline.runtime.kafka_access import client_settings
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
        assert [letter async for letter in dead.read(replayed=False)] == []
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
        shown = await skip(place, topic, 0, offsets[0], look=True)
        assert (shown["bytes"], shown["headers"]) == (9, {"a": "b"})
        assert await load_skips(settings) == set(), "it was only looked at"
        for offset in offsets:
            await skip(place, topic, 0, offset)
        with pytest.raises(SkipError, match=rf"offset {offsets[1] + 9}: the partition has offsets"):
            await skip(place, topic, 0, offsets[1] + 9)
        with pytest.raises(SkipError, match="there is no such partition"):
            await skip(place, topic, 77, 0)
    assert await load_skips(settings) == {(TP(topic, 0), offset) for offset in offsets}
    async with dead_letters_on_kafka(settings) as dead:
        letters = [(letter.topic, letter.offset) async for letter in dead.read(replayed=True) if "dlq skip" in letter.reason]
    assert letters == [(topic, offset) for offset in offsets]
