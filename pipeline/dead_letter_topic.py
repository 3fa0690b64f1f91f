"""The dead letters read back: to look at them, and to send them to where they came from once the fault is mended."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from pipeline.dead_letters import OFFSET, PARTITION, REASON, STORE, TOPIC
from pipeline.kafka_topics import TopicsError
from pipeline.topics import Topic
from telemetry.documents import Document, Kind
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from stores.store import Store

GROUP = "spanloom-dlq"
"""Its committed offset is how far the dead letters have been replayed."""

_OURS = {REASON, TOPIC, PARTITION, OFFSET}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the topic. `topic`, `partition` and `offset` say where it came from; `place` where it lies now."""

    place: TopicPartition
    number: int
    time: int  # nanoseconds since the epoch
    topic: str
    partition: int | None
    offset: int | None
    reason: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]  # as they were

    def describe(self) -> dict[str, Any]:
        """What is known of it, without its value."""
        return {
            "number": self.number,
            "time": self.time,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "bytes": len(self.value or b""),
            "reason": self.reason,
        }


async def read_dead_letters(settings: Mapping[str, Any], *, replayed: bool = True) -> AsyncIterator[DeadLetter]:
    """The dead letters there are now, oldest first.

    Args:
        settings: of the client, see `kafka_access.client_settings`.
        replayed: whether to give those too that have been replayed.

    Raises:
        TopicsError: Kafka cannot be reached.
    """
    consumer = AIOKafkaConsumer(**settings, group_id=GROUP, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        places = await _places(settings)
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        for place in places:
            first = (await consumer.beginning_offsets([place]))[place]
            done = 0 if replayed else await consumer.committed(place) or 0
            consumer.seek(place, max(first, done))
            while (await consumer.position(place)) < ends[place]:
                for record in (await consumer.getmany(place, timeout_ms=1000)).get(place, []):
                    if record.offset < ends[place]:
                        yield _dead_letter(place, record)
    except KafkaError as error:
        raise TopicsError(f"{settings['bootstrap_servers']}: {error}: is Kafka running?") from error
    finally:
        await consumer.stop()


async def replay_dead_letters(settings: Mapping[str, Any], store: Store | None, *, again: bool = False) -> dict[str, int]:
    """Send what has not been replayed to where it came from: records to their topic, documents to the store.

    What is unusable still comes back as a dead letter. A replay that is cut short goes on where it ended.

    Args:
        settings: of the client.
        store: takes the documents that it had rejected; None where this process cannot reach it.
        again: replay all of them, also those that have been.

    Returns:
        How many went to each topic, and to the store.

    Raises:
        TopicsError: Kafka cannot be reached.
        ConfigError: there are documents and no store.
    """
    sent: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        producer = AIOKafkaProducer(**settings)
        committer = AIOKafkaConsumer(**settings, group_id=GROUP, enable_auto_commit=False)
        for client in (producer, committer):
            await client.start()
            stack.push_async_callback(client.stop)
        letters = [letter async for letter in read_dead_letters(settings, replayed=again)]
        committer.assign(sorted({letter.place for letter in letters}))
        for letter in letters:
            if letter.topic == STORE:
                if store is None:
                    raise ConfigError("store: rejected documents wait, and this store belongs to another process")
                document = orjson.loads(letter.value or b"{}")
                await store.write([Document(Kind(document["kind"]), document["id"], document["time"], document["body"])])
            else:
                await producer.send_and_wait(
                    letter.topic, letter.value, key=letter.key, partition=letter.partition, headers=list(letter.headers)
                )
            await committer.commit({letter.place: letter.number + 1})
            sent[letter.topic] = sent.get(letter.topic, 0) + 1
    return sent


async def _places(settings: Mapping[str, Any]) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(**settings)
    try:
        await admin.start()
        (described,) = await admin.describe_topics([Topic.DEAD_LETTERS.value])
    finally:
        await admin.close()
    return sorted(TopicPartition(described["topic"], part["partition"]) for part in described["partitions"])


def _dead_letter(place: TopicPartition, record: Any) -> DeadLetter:
    headers = dict(record.headers)
    partition, offset = (headers.get(name, b"").decode() for name in (PARTITION, OFFSET))
    return DeadLetter(
        place,
        record.offset,
        record.timestamp * 1_000_000,
        headers.get(TOPIC, b"").decode(),
        int(partition) if partition else None,
        int(offset) if offset else None,
        headers.get(REASON, b"").decode(),
        record.key,
        record.value,
        tuple((name, value) for name, value in record.headers if name not in _OURS),
    )
