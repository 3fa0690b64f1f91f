"""Dead letters of a real Kafka: a document that the store refuses again is a dead letter again."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from pipeline.dead_letter_topic import replay_dead_letters
from pipeline.dead_letters import REASON, STORE, TOPIC
from pipeline.dead_letters_on_kafka import dead_letters_on_kafka
from pipeline.kafka_access import client_settings
from pipeline.topics import Topic
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
