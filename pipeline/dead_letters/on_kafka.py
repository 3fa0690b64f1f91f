"""The topic of dead letters on Kafka."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from components.kafka import KafkaError, TopicPartition, admin_client, connected
from pipeline.dead_letters.letters import GROUP, dead_letter, gone
from pipeline.dead_letters.skip import Found, no_record
from pipeline.exchange.limits import MAX_REQUEST
from pipeline.exchange.topics import Topic
from pipeline.runtime.kafka_access import check_access
from pipeline.runtime.kafka_headers import read_any_header_names
from pipeline.runtime.kafka_topics import TopicsError, count_partitions
from pipeline.runtime.skips import GROUP as SKIP_GROUP
from pipeline.runtime.skips import KafkaSkips, SkipError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from components.kafka import KafkaClients
    from pipeline.dead_letters.letters import DeadLetter
    from pipeline.record import TP
    from telemetry.json_object import JsonObject

_TOPIC = Topic.DEAD_LETTERS.value

log = structlog.get_logger(__name__)


class KafkaDeadLetters:
    """A `DeadLetterTopic`; made by `dead_letters_on_kafka`."""

    def __init__(self, kafka: KafkaClients, partitions: Mapping[str, int]) -> None:
        self._consumer, self._producer = kafka.consumer, kafka.producer
        self._partitions = partitions
        self._places = [TopicPartition(_TOPIC, number) for number in range(partitions[_TOPIC])]

    async def read(self, *, replayed: bool) -> AsyncIterator[DeadLetter]:
        """As `DeadLetterTopic.read`."""
        consumer = self._consumer
        consumer.assign(self._places)
        starts, ends = await consumer.beginning_offsets(self._places), await consumer.end_offsets(self._places)
        for place in self._places:
            done = 0 if replayed else await consumer.committed(place) or 0
            consumer.seek(place, max(starts[place], done))
            while (await consumer.position(place)) < ends[place]:
                for record in (await consumer.getmany(place, timeout_ms=1000)).get(place, []):
                    if record.offset < ends[place]:
                        yield dead_letter(place.partition, record)

    async def put_back(self, letter: DeadLetter) -> None:
        """As `DeadLetterTopic.put_back`."""
        # The client would wait for a topic that is not there, or have Kafka create it.
        if (letter.partition or 0) >= self._partitions.get(letter.topic, 0):
            raise gone(letter)
        await self._producer.send_and_wait(
            letter.topic, letter.value, key=letter.key, partition=letter.partition, headers=list(letter.headers)
        )

    async def mark_replayed(self, letter: DeadLetter) -> None:
        """As `DeadLetterTopic.mark_replayed`."""
        await self._consumer.commit({self._places[letter.place]: letter.number + 1})


class KafkaPlace:
    """A `Place`; made by `place_on_kafka`."""

    def __init__(self, kafka: KafkaClients) -> None:
        self._consumer, self._producer, self._admin = kafka.consumer, kafka.producer, kafka.admin
        self.skips = KafkaSkips(kafka.admin, kafka.consumer)

    async def find(self, tp: TP, offset: int) -> Found:
        """As `Place.find`."""
        place, consumer = TopicPartition(*tp), self._consumer
        if tp.partition >= (await count_partitions(self._admin)).get(tp.topic, 0):
            raise SkipError(f"{tp.topic}[{tp.partition}]: there is no such partition")
        consumer.assign([place])
        start, end = (await consumer.beginning_offsets([place]))[place], (await consumer.end_offsets([place]))[place]
        consumer.seek(place, offset)
        while start <= offset < end and (await consumer.position(place)) < end:
            for record in (await consumer.getmany(place, timeout_ms=1000)).get(place, []):
                if record.offset == offset:
                    headers = tuple((name, value or b"") for name, value in record.headers)
                    return Found(tp, offset, record.timestamp, record.key, record.value, headers)
                break
            else:
                continue
            break
        raise no_record(tp, offset, start, end)

    async def last_of(self, found: Found) -> int:
        """As `Place.last_of`."""
        place, consumer, last = TopicPartition(*found.tp), self._consumer, found.offset
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        consumer.seek(place, found.offset)
        while (await consumer.position(place)) < end:
            records = (await consumer.getmany(place, timeout_ms=1000)).get(place, [])
            last = max([last, *(record.offset for record in records if record.key == found.key)])
        return last

    async def delete(self, tp: TP, key: bytes) -> None:
        """As `Place.delete`."""
        await self._producer.send_and_wait(tp.topic, None, key=key, partition=tp.partition)

    async def note(self, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]) -> None:
        """As `Place.note`."""
        await self._producer.send_and_wait(_TOPIC, value, key=key, headers=list(headers))


@asynccontextmanager
async def place_on_kafka(settings: JsonObject) -> AsyncIterator[KafkaPlace]:
    """Where a record can be skipped, from connecting to leaving. Raises what `dead_letters_on_kafka` does."""
    await check_access(settings)
    read_any_header_names()
    try:
        async with connected(settings, SKIP_GROUP, MAX_REQUEST) as kafka:
            yield KafkaPlace(kafka)
    except KafkaError as error:
        raise TopicsError(f"{settings['bootstrap_servers'][0]}: {error}") from error


async def load_skips(settings: Mapping[str, object]) -> set[tuple[TP, int]]:
    """Records to pass over, as Kafka keeps them; none where it does not let us ask."""
    try:
        async with admin_client(settings) as admin:
            return await KafkaSkips(admin).load()
    except (KafkaError, OSError) as error:
        log.warning("skips_unknown", group=SKIP_GROUP, reason=str(error), hint="records that were skipped are read")
        return set()


@asynccontextmanager
async def dead_letters_on_kafka(settings: JsonObject) -> AsyncIterator[KafkaDeadLetters]:
    """The topic, from connecting to leaving.

    Args:
        settings: of the client, see `kafka_access.client_settings`.

    Raises:
        AccessRefusedError: Kafka does not let us in, or we do not trust it.
        UnreachableError: no broker answers.
        TopicsError: the topic is not there, or Kafka does not do as asked.
    """
    await check_access(settings)
    read_any_header_names()
    try:
        async with connected(settings, GROUP, MAX_REQUEST) as kafka:
            partitions = await count_partitions(kafka.admin)
            if _TOPIC not in partitions:
                raise TopicsError(f"topic {_TOPIC}: it is not there; spanloom setup kafka makes it")
            yield KafkaDeadLetters(kafka, partitions)
    except KafkaError as error:
        raise TopicsError(f"{settings['bootstrap_servers'][0]}: {error}") from error
