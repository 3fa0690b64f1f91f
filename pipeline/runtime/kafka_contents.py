"""What topics of ours have on Kafka, read by nobody's group: for who looks before a release is changed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from components.kafka import admin_client
from pipeline.runtime.kafka_access import check_access
from pipeline.runtime.kafka_headers import read_any_header_names
from pipeline.runtime.kafka_topics import TopicsError, count_partitions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiokafka.structs import ConsumerRecord

    from telemetry.json_object import JsonObject

GROUP_PREFIX = "spanloom"
"""Of the consumer groups of workers."""

SILENT_MS = 5000
"""How long Kafka may give no record of a partition that has some: the rest is of an open transaction, or was deleted."""


class KafkaContents:
    """Topics, committed offsets and records; made by `kafka_contents`.

    Attributes:
        partitions: of each topic.
    """

    def __init__(
        self, consumer: AIOKafkaConsumer, partitions: Mapping[str, int], committed: Mapping[tuple[str, int], int]
    ) -> None:
        self._consumer = consumer
        self.partitions = partitions
        self._committed = committed

    async def waiting(self, topic: str, most: int) -> AsyncIterator[ConsumerRecord]:
        """The records of a topic that no group of workers has committed, at most so many of each partition."""
        async for record in self._records(topic, most, committed=True):
            yield record

    async def all_of(self, topic: str) -> AsyncIterator[ConsumerRecord]:
        """Every record that is kept of a topic."""
        async for record in self._records(topic, None, committed=False):
            yield record

    async def _records(self, topic: str, most: int | None, *, committed: bool) -> AsyncIterator[ConsumerRecord]:
        consumer = self._consumer
        for number in range(self.partitions.get(topic, 0)):
            place = TopicPartition(topic, number)
            consumer.assign([place])
            start, end = (await consumer.beginning_offsets([place]))[place], (await consumer.end_offsets([place]))[place]
            position = max(start, self._committed.get((topic, number), 0)) if committed else start
            consumer.seek(place, position)
            stop = end if most is None else min(end, position + most)
            while (await consumer.position(place)) < stop:
                records = (await consumer.getmany(place, timeout_ms=SILENT_MS)).get(place, [])
                for record in records:
                    if record.offset < stop:
                        yield record
                if not records:
                    break


@asynccontextmanager
async def kafka_contents(settings: JsonObject) -> AsyncIterator[KafkaContents]:
    """From connecting to leaving.

    Raises:
        AccessRefusedError: Kafka does not let us in, or we do not trust it.
        UnreachableError: no broker answers.
        TopicsError: it refuses something else.
    """
    await check_access(settings)
    read_any_header_names()
    try:
        async with admin_client(settings) as admin:
            partitions = await count_partitions(admin)
            committed: dict[tuple[str, int], int] = {}
            for group, *_ in await admin.list_consumer_groups():
                if group.startswith(GROUP_PREFIX):
                    for place, known in (await admin.list_consumer_group_offsets(group)).items():
                        at = (place.topic, place.partition)
                        committed[at] = max(committed.get(at, 0), known.offset)
            consumer = AIOKafkaConsumer(**settings, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest")
            try:
                await consumer.start()
                await asyncio.sleep(0)  # a task of it that has not begun yet would raise its cancellation at the stop
                yield KafkaContents(consumer, partitions, committed)
            finally:
                await consumer.stop()
    except KafkaError as error:
        raise TopicsError(f"{settings['bootstrap_servers'][0]}: {error}") from error
