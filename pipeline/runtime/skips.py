"""Records that a person has decided to pass over: they reach no stage, and count as done.

They are kept as committed offsets of a group of their own, which both logs have: a topic named `TOPIC:OFFSET` on the embedded
log, and on Kafka the offset of the partition with the list in its metadata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import orjson
import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka import AIOKafkaConsumer
    from aiokafka.admin import AIOKafkaAdminClient

    from durable_log.log import DurableLog

GROUP = "spanloom-skip"

MAX_SKIPS = 100
"""Records of a partition that can be skipped at a time on Kafka, which keeps 4 KiB with an offset. The oldest go first."""

log = structlog.get_logger(__name__)


class SkipError(SpanloomError):
    """The record cannot be skipped."""


class KeepsSkips(Protocol):
    """Where they are kept; one for each kind of log."""

    async def load(self) -> set[tuple[TP, int]]:
        """All of them."""
        ...

    async def add(self, tp: TP, offset: int) -> None:
        """Return when one is kept."""
        ...


class Skips:
    """Those that this process knows."""

    def __init__(self) -> None:
        self._skips: set[tuple[TP, int]] = set()
        self.done = 0

    def learn(self, skips: Iterable[tuple[TP, int]]) -> None:
        """Know of some more."""
        self._skips |= set(skips)

    def has(self, tp: TP, offset: int) -> bool:
        """Whether a record is to be skipped."""
        return bool(self._skips) and (tp, offset) in self._skips

    def note(self, tp: TP, offset: int) -> None:
        """One was skipped."""
        self.done += 1
        log.warning("record_skipped", topic=tp.topic, partition=tp.partition, offset=offset, by="spanloom dlq skip")


class LogSkips:
    """On the embedded log."""

    def __init__(self, durable: DurableLog) -> None:
        self._log = durable

    async def load(self) -> set[tuple[TP, int]]:
        """As `KeepsSkips.load`."""
        return {(TP(name.rpartition(":")[0], number), offset) for (name, number), offset in self._log.commits(GROUP).items()}

    async def add(self, tp: TP, offset: int) -> None:
        """As `KeepsSkips.add`."""
        await self._log.commit(GROUP, {(f"{tp.topic}:{offset}", tp.partition): offset})


class KafkaSkips:
    """On Kafka.

    Args:
        admin: a client that has started.
        consumer: one of the group `GROUP` that has started, to add; without it they can only be loaded.
    """

    def __init__(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer = None) -> None:
        self._admin, self._consumer = admin, consumer

    async def load(self) -> set[tuple[TP, int]]:
        """As `KeepsSkips.load`."""
        kept = await self._admin.list_consumer_group_offsets(GROUP)
        return {
            (TP(place.topic, place.partition), offset) for place, known in kept.items() for offset in _offsets(known.metadata)
        }

    async def add(self, tp: TP, offset: int) -> None:
        """As `KeepsSkips.add`."""
        place = TopicPartition(*tp)
        known = {number for at, number in await self.load() if at == tp}
        newest = sorted(known | {offset})[-MAX_SKIPS:]
        try:
            await self._consumer.commit({place: OffsetAndMetadata(newest[-1], orjson.dumps(newest).decode())})
        except KafkaError as error:
            raise SkipError(f"group {GROUP}: Kafka does not keep it: {error}") from error


def _offsets(metadata: str | None) -> list[int]:
    """What is no list of offsets skips nothing: anybody who may commit for the group can leave other metadata there."""
    try:
        found = orjson.loads(metadata or "[]")
    except ValueError:
        found = None
    if isinstance(found, list) and all(type(offset) is int and offset >= 0 for offset in found):
        return found
    log.warning("skips_unknown", group=GROUP, reason=f"the metadata {str(metadata)[:40]!r} is no list of offsets")
    return []
