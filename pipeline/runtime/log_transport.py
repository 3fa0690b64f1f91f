"""Faust transport on the embedded log: `log:///var/lib/spanloom/log`, `log://./relative`.

There is one process, so a rebalance never takes anything away: a consumer is assigned every partition of its topics.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from aiokafka.partitioner import DefaultPartitioner
from faust.transport import base
from faust.types import TP, ConsumerMessage
from faust.types.tuples import RecordMetadata

from durable_log.errors import LogError
from pipeline.runtime.in_order import FAUST_LOG, InOrderConsumer
from pipeline.runtime.log_url import directory_of, topic_settings
from pipeline.runtime.shared_log import membership, open_log, shared_log
from pipeline.runtime.skips import LogSkips

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from durable_log.log import DurableLog
    from durable_log.record_format import Record
    from telemetry.json_object import JsonObject

FETCH_BYTES = 8 << 20
"""Bytes that one fetch reads of all partitions together; Faust holds it in memory until the agents have room."""

LEAST_FETCH_BYTES = 64 << 10
"""Bytes that it reads of a partition however many there are."""

_default_partitioner = DefaultPartitioner()  # Kafka's: the same key goes to the same partition there and here


class Consumer(base.Consumer):  # type: ignore[misc] # mypy skips faust
    """Reads all partitions of the topics that the application subscribes to; its group is the application's id."""

    transport: Transport

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._positions: dict[TP, int] = {}
        self._wakeup = asyncio.Event()

    async def on_start(self) -> None:
        """Open the log, and claim the group."""
        await super().on_start()
        self._log: DurableLog = self.exit_stack.enter_context(self.transport.opened())
        self.exit_stack.enter_context(membership(self.transport.directory, self.app.conf.id))
        self.exit_stack.callback(self._log.listen(self._wakeup.set))

    async def on_stop(self) -> None:
        """Commit, and end a fetch that waits for news."""
        await super().on_stop()
        self._wakeup.set()

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Take all partitions of the topics; those that nobody declared are created."""
        channels = {name: channel for channel in self.app.topics for name in channel.topics}
        for topic in topics:
            if self._log.partitions(topic) is None:
                self.transport.declare(topic, channels.get(topic))
        assigned = {TP(topic, partition) for topic in topics for partition in range(self._log.partitions(topic) or 0)}
        if assigned != self.assignment():
            await self._rebalance(assigned)

    async def _rebalance(self, assigned: set[TP]) -> None:
        app = self.app
        app.on_rebalance_start()
        await self.on_partitions_revoked(self.assignment())
        self._positions = {tp: self._first_position(tp) for tp in assigned}
        self._notify_assignor(assigned)
        app.consumer_generation_id += 1  # events of an earlier generation are skipped by streams
        # Waits for `subscribe` to return, so it cannot be awaited here.
        self.add_future(self.on_partitions_assigned(assigned, app.consumer_generation_id))

    def _notify_assignor(self, assigned: set[TP]) -> None:
        """What Kafka's group coordinator would: recovery asks the assignor for the changelogs of this worker."""
        by_topic: dict[str, list[int]] = {}
        for topic, partition in sorted(assigned):
            by_topic.setdefault(topic, []).append(partition)
        assignor, changelogs = self.app.assignor, self.app.tables.changelog_topics
        assignor._assignment.actives = by_topic  # noqa: SLF001 - it has no other entrance
        assignor._active_tps = set(assigned)  # noqa: SLF001 - as above
        assignor._topic_groups = dict.fromkeys(by_topic, 0)  # noqa: SLF001 - as above
        assignor.changelog_distribution = {
            str(self.app.conf.canonical_url): {topic: numbers for topic, numbers in by_topic.items() if topic in changelogs}
        }

    def _committed(self, tp: TP) -> int | None:
        return self._log.committed(self.app.conf.id, tp.topic, tp.partition)

    def _first_position(self, tp: TP) -> int:
        committed = self._committed(tp)
        return committed if committed is not None else self._log.start_offset(*tp)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Record]]:
        if not self.flow_active:
            return {}
        self._wakeup.clear()
        records = self._fetch(active_partitions)
        if not records and not self.should_stop:
            try:
                await asyncio.wait_for(self._wakeup.wait(), timeout)
            except TimeoutError:
                return {}
            if self.flow_active:
                records = self._fetch(active_partitions)
        return records

    def _fetch(self, active_partitions: set[TP] | None) -> dict[TP, list[Record]]:
        # Read in the loop's thread: as a rule it is copied from the page cache, and a thread would wait for the GIL longer.
        active = self._positions.keys() if active_partitions is None else self._positions.keys() & active_partitions
        behind = [tp for tp in active if self._positions[tp] < self.highwater(tp)]
        fetched = {}
        for tp in behind:
            share = min(self.app.conf.consumer_max_fetch_size, max(LEAST_FETCH_BYTES, FETCH_BYTES // len(behind)))
            records = self._log.read(tp.topic, tp.partition, self._positions[tp], share)
            if records:
                fetched[tp] = records
                self._positions[tp] = records[-1].offset + 1
        return fetched

    def _to_message(self, tp: TP, record: Record) -> ConsumerMessage:
        key, value = record.key, record.value
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp / 1000,
            0,  # the producer's time
            list(record.headers),
            key,
            value,
            None,  # checksum: the log has checked it
            0 if key is None else len(key),
            0 if value is None else len(value),
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        await self._log.commit(self.app.conf.id, {(tp.topic, tp.partition): offset for tp, offset in offsets.items()})
        return True

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        """Move every partition to where the group committed, or to where a new group begins."""
        self._positions = {tp: self._first_position(tp) for tp in self._positions}
        return {tp: self._committed(tp) for tp in self._positions}

    async def _seek(self, partition: TP, offset: int) -> None:
        self._positions[partition] = offset

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Move partitions; the next record read of each has at least its offset."""
        for tp, offset in partitions.items():
            await self.seek(tp, offset)

    def assignment(self) -> set[TP]:
        """All partitions of the topics subscribed to."""
        return set(self._positions)

    async def position(self, tp: TP) -> int | None:
        """The offset of the next record to be read."""
        return self._positions.get(tp)

    def highwater(self, tp: TP) -> int:
        """The offset that the next record written will get."""
        return self._log.end_offset(tp.topic, tp.partition)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """`highwater` of each."""
        return {tp: self.highwater(tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The first offset that is kept of each."""
        return {tp: self._log.start_offset(tp.topic, tp.partition) for tp in partitions}

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions a topic has."""
        return self._log.partitions(topic)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        """The partition a key goes to; None for an unknown topic."""
        count = self._log.partitions(topic)
        if partition is not None or count is None:
            return partition
        numbers = list(range(count))
        return int(_default_partitioner(key, numbers, numbers))

    async def create_topic(self, topic: str, partitions: int, replication: int, **kept: Any) -> None:
        """Create a topic, or change how it is kept."""
        self.transport.create(topic, partitions, replication, **kept)

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)


class InOrderLogConsumer(InOrderConsumer, Consumer):
    """The same, and no record is missing."""

    logger = FAUST_LOG

    async def on_start(self) -> None:
        """Open the log, and know which of its records are to be skipped."""
        await super().on_start()
        self.skips.learn(await LogSkips(self._log).load())


class FaustProducer(base.Producer):  # type: ignore[misc] # mypy skips faust
    """Appends to the log. What is sent is confirmed when it is durable."""

    logger = FAUST_LOG
    transport: Transport
    partitioner: Callable[[bytes | None, list[int], list[int]], int] | None  # what the application configures
    _log: DurableLog | None = None

    async def on_start(self) -> None:
        """Open the log."""
        await super().on_start()
        self._log = self.exit_stack.enter_context(self.transport.opened())

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,
    ) -> Awaitable[RecordMetadata]:
        """Append a record once there is room; a future that is done when it is durable. An unknown topic is created.

        Raises:
            UnknownTopicError: the topic has no such partition.
            LogError: transactions are asked for, or the log has failed.
        """
        if transactional_id:
            raise LogError('log:// has no transactions: set processing_guarantee="at_least_once"')
        pairs = tuple(headers.items() if isinstance(headers, Mapping) else headers or ())
        self.app.on_produce_message.send(key=key, value=value, partition=partition, timestamp=timestamp, headers=list(pairs))
        log = self._log or self.transport.log
        if log.partitions(topic) is None:
            self.transport.declare(topic, None)
        if partition is None:
            partition = self.key_partition(topic, key).partition
        await log.wait_for_capacity()
        appended = log.append(topic, partition, key, value, pairs, int(timestamp * 1000) if timestamp else None)
        sent: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        appended.add_done_callback(partial(_confirm, sent, TP(topic, partition), timestamp))
        return sent

    async def send_and_wait(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: object,
        *,
        transactional_id: str | None = None,
    ) -> RecordMetadata:
        """Append a record and wait until it is durable."""
        return await (await self.send(topic, key, value, partition, timestamp, headers, transactional_id=transactional_id))

    async def flush(self) -> None:
        """Wait until all that was sent is durable."""
        await self.buffer.flush()
        if self._log is not None:  # the application flushes when it stops, also when it could not start
            await self._log.flush()

    def key_partition(self, topic: str, key: bytes | None) -> TP:
        """The partition a key goes to; any for no key."""
        numbers = list(range((self._log or self.transport.log).partitions(topic) or 1))
        return TP(topic, (self.partitioner or _default_partitioner)(key, numbers, numbers))

    async def create_topic(self, topic: str, partitions: int, replication: int, **kept: Any) -> None:
        """Create a topic, or change how it is kept."""
        self.transport.create(topic, partitions, replication, **kept)

    def supports_headers(self) -> bool:
        """Records have headers."""
        return True


def _confirm(sent: asyncio.Future[RecordMetadata], tp: TP, timestamp: float | None, appended: asyncio.Future[int]) -> None:
    if sent.done():
        return
    if appended.cancelled():
        sent.cancel()
    elif (error := appended.exception()) is not None:
        sent.set_exception(error)
    else:
        sent.set_result(RecordMetadata(tp.topic, tp.partition, tp, appended.result(), timestamp, 0))


class Transport(base.Transport):  # type: ignore[misc] # mypy skips faust
    """Faust's way to the log of a directory. Registered as `log` in the entry points `faust.transports`.

    Attributes:
        directory: of the log.
        now: nanoseconds since the epoch.
    """

    Consumer: ClassVar[type[Consumer]] = InOrderLogConsumer
    Producer: ClassVar[type[FaustProducer]] = FaustProducer
    driver_version = f"spanloom={version('spanloom')}"

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.directory = directory_of(self.url[0]).resolve()
        self.now: Callable[[], int] = time.time_ns  # noqa: TID251 - Faust makes it from a URL: no clock comes in

    @property
    def log(self) -> DurableLog:
        """The log; for its offsets, lag and counts.

        Raises:
            LogError: the application has not started.
        """
        return open_log(self.directory)

    def opened(self) -> object:
        """Context in which the log is open."""
        return shared_log(self.directory, self.now)

    def declare(self, topic: str, channel: Any) -> None:
        """Create a topic as an `app.topic(...)` describes it; with the application's defaults where there is none."""
        partitions = channel.partitions if channel is not None else None
        kept = (
            {name: getattr(channel, name) for name in ("retention", "compacting", "deleting", "config")}
            if channel is not None
            else {}
        )
        self.log.create_topic(topic, topic_settings(partitions or self.app.conf.topic_partitions, **kept))

    def create(
        self,
        topic: str,
        partitions: int,
        replication: int,  # noqa: ARG002 - one copy: it is one machine
        *,
        config: JsonObject | None = None,
        timeout: object = None,  # noqa: ARG002 - nobody is waited for
        retention: object = None,
        compacting: bool | None = None,
        deleting: bool | None = None,
        ensure_created: bool = False,  # noqa: ARG002 - it always is
    ) -> None:
        """Create a topic, or change how it is kept. The number of partitions of a known topic stays."""
        kept = topic_settings(partitions, retention=retention, compacting=compacting, deleting=deleting, config=config)
        self.log.create_topic(topic, kept)
