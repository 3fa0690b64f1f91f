"""Holes in the offsets of a real Kafka: what is there is delivered once and in order, and all of it is committed."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from pipeline.delivery.offset_tracker import OffsetTracker
from pipeline.runtime.app import RAW, TopicLayout, build_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PATIENCE = 120.0


class Reader:
    """One stream agent on a topic of one partition, as those of the pipeline are made."""

    def __init__(self, kafka: str, topic: str, folder: Path) -> None:
        self.place = TopicPartition(topic, 0)
        self.group = f"{topic}-readers"
        self._kafka = kafka
        self.read: list[int] = []
        self.app = build_app(self.group, f"kafka://{kafka}", folder, TopicLayout(1), topic_allow_declare=False)
        offsets = OffsetTracker(self.app, 1000)
        inlet = self.app.topic(topic, partitions=1, **RAW)

        @self.app.agent(inlet)  # type: ignore[untyped-decorator]
        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                if not offsets.is_stale(event):
                    self.read.append(int(event.value))
                    await offsets.done(event, ())

        @self.app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
        async def revoked(_app: Any, revoked: Any, **_: Any) -> None:
            offsets.revoke(revoked)

        @self.app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
        async def assigned(_app: Any, _assigned: Any, **_: Any) -> None:
            offsets.assign()

    async def until_it_has(self, *numbers: int) -> None:
        """Return when these were read, and the group has committed up to the end."""
        async with AIOKafkaConsumer(bootstrap_servers=self._kafka, group_id=self.group, enable_auto_commit=False) as asking:
            asking.assign([self.place])
            try:
                async with asyncio.timeout(PATIENCE):
                    while True:
                        end = (await asking.end_offsets([self.place]))[self.place]
                        committed = await asking.committed(self.place)
                        if self.read == list(numbers) and committed == end:
                            return
                        await asyncio.sleep(0.2)
            except TimeoutError:
                raise AssertionError(f"read {self.read}, committed {committed} of {end}") from None


@asynccontextmanager
async def reading(kafka: str, topic: str, folder: Path) -> AsyncIterator[Reader]:
    reader = Reader(kafka, topic, folder)
    await reader.app.start()
    try:
        yield reader
    finally:
        await reader.app.stop()


async def make_topic(kafka: str, **kept: str) -> str:
    topic = f"holes-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=kept)])
    finally:
        await admin.close()
    return topic


async def in_a_transaction(kafka: str, topic: str, *numbers: int, keep: bool = True) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=uuid.uuid4().hex) as producer:
        await producer.begin_transaction()
        for number in numbers:
            await producer.send_and_wait(topic, str(number).encode(), partition=0)
        await (producer.commit_transaction() if keep else producer.abort_transaction())


async def together(kafka: str, topic: str, *numbers: int, key: bytes | None = None) -> None:
    """Records in one batch, so in one fetch."""
    async with AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=200) as producer:
        sent = [await producer.send(topic, str(number).encode(), key=key, partition=0) for number in numbers]
        await asyncio.gather(*sent)


async def test_transactions_committed_and_aborted_before_between_and_behind_records(kafka: str, tmp_path: Path) -> None:
    topic = await make_topic(kafka)
    await in_a_transaction(kafka, topic, 1)
    await together(kafka, topic, 2, 3, 4)
    await in_a_transaction(kafka, topic, 91, 92, keep=False)
    await in_a_transaction(kafka, topic, 93, keep=False)
    await in_a_transaction(kafka, topic, 5, 6)
    await together(kafka, topic, 7, 8)
    await in_a_transaction(kafka, topic, 94, keep=False)
    async with reading(kafka, topic, tmp_path) as reader:
        await reader.until_it_has(*range(1, 9))
        await in_a_transaction(kafka, topic, 9)
        await together(kafka, topic, 10, 11, 12)
        await in_a_transaction(kafka, topic, 95, keep=False)
        await reader.until_it_has(*range(1, 13))
        assert reader.app.consumer.rereads == 0
    async with reading(kafka, topic, tmp_path / "again") as reader:
        await together(kafka, topic, 13)
        await reader.until_it_has(13)


async def delete_before(kafka: str, topic: str, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


async def test_records_deleted_before_they_were_read(kafka: str, tmp_path: Path) -> None:
    topic = await make_topic(kafka)
    await together(kafka, topic, 0, 1, 2)
    async with reading(kafka, topic, tmp_path) as reader:
        await reader.until_it_has(0, 1, 2)
    await together(kafka, topic, *range(3, 10))
    await delete_before(kafka, topic, 6)
    async with reading(kafka, topic, tmp_path / "some") as reader:
        await reader.until_it_has(6, 7, 8, 9)
        assert reader.app.consumer.deleted == {topic: 3}
    await together(kafka, topic, *range(10, 15))
    await delete_before(kafka, topic, 15)
    async with reading(kafka, topic, tmp_path / "all") as reader:
        await reader.until_it_has()
        assert reader.app.consumer.deleted == {topic: 5}
        await together(kafka, topic, 15, 16)
        await reader.until_it_has(15, 16)


async def test_a_compacted_topic(kafka: str, tmp_path: Path) -> None:
    settings = {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.001",
        "delete.retention.ms": "0",
    }
    topic = await make_topic(kafka, **settings)
    for number in range(8):
        await together(kafka, topic, number, key=b"odd" if number % 2 else b"even")
        await asyncio.sleep(0.15)  # a segment each: the one that is written to is not compacted
    place = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False) as looking:
        looking.assign([place])
        async with asyncio.timeout(PATIENCE):
            while True:
                await looking.seek_to_beginning(place)
                left: list[int] = []
                while not left or left[-1] < 7:
                    left += [record.offset for record in (await looking.getmany(place, timeout_ms=500)).get(place, [])]
                if len(left) <= 4:
                    break
                await asyncio.sleep(1)
    async with reading(kafka, topic, tmp_path) as reader:
        await together(kafka, topic, 8, 9, key=b"new")
        await reader.until_it_has(*left, 8, 9)
