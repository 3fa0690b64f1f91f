"""Prefix acknowledgement: an offset is acknowledged when all before it are, and what it led to is stored.

Faust commits past a record in flight when later ones are acknowledged (faust#606), so records of a partition are
acknowledged strictly in their order, however their work ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.delivery.record_error import at_record
from pipeline.delivery.retry import RevokedError
from pipeline.record import TP

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from contextlib import AbstractContextManager

    from prometheus_client import Histogram

    from pipeline.record import Application, Record


MAX_BYTES = 32 << 20
"""Memory of what a stateless stage may have in flight: a second's worth at most, and what waits while the store is down."""

DOCUMENT_BYTES = 1300
"""What a document takes that a record led to, beside the texts that were in its value: thirty times a small metric point's size
there. Measured, see docs/memory.md."""


RECORD_BYTES = 1000
"""Bytes of a record in flight beside its value. Measured, see docs/memory.md."""


@dataclass(slots=True)
class InFlightRecord:
    """One record in flight."""

    event: Record
    references: int
    size: int


@dataclass(slots=True)
class _TrackedPartition:
    order: deque[int] = field(default_factory=deque)
    in_flight: dict[int, InFlightRecord] = field(default_factory=dict)
    next: int = 0  # offset after the last one delivered


class OffsetTracker:
    """Tracks the records in flight of one stream agent.

    Args:
        app: the Faust application; its generation identifies events of an earlier assignment.
        limit: how many records may be in flight before `wait_for_capacity` waits.
        max_bytes: how much memory they may take.
        values: whether the values of records in flight are still needed; otherwise they are freed.
        seconds: gets for how long the agent was busy with each record.
    """

    def __init__(
        self,
        app: Application,
        limit: int,
        max_bytes: int = MAX_BYTES,
        *,
        values: bool = True,
        seconds: Histogram | None = None,
    ) -> None:
        self._app = app
        self._values = values
        self._seconds = seconds
        self._limit = limit
        self._max_bytes = max_bytes
        self._partitions: dict[TP, _TrackedPartition] = {}
        self._in_flight = self._bytes = 0
        self.delivered = 0  # records delivered, those that were delivered again included
        self._capacity = asyncio.Event()
        self._capacity.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None
        self._ended: int | None = None  # the generation whose partitions were revoked; the next has yet to begin

    @property
    def in_flight(self) -> int:
        """Records delivered and not yet acknowledged."""
        return self._in_flight

    @property
    def in_flight_bytes(self) -> int:
        """Memory that they take."""
        return self._bytes

    @property
    def full(self) -> bool:
        """Whether more is in flight than the limits allow."""
        return self._in_flight >= self._limit or self._bytes >= self._max_bytes

    def timed(self) -> AbstractContextManager[object]:
        """Measures the work on one record."""
        return self._seconds.time() if self._seconds is not None else nullcontext()

    def is_stale(self, event: Record) -> bool:
        """Whether there is nothing to do for an event: its assignment has ended, or it was delivered before.

        What belongs to an assignment that has ended is delivered again to its new owner. Within an assignment Faust can
        deliver records twice, when a seek to the committed offset comes after the first fetch: the first one counts.
        """
        known = self._partitions.get(event.message.tp)
        return self.has_ended(event) or (known is not None and event.message.offset < known.next)

    def has_ended(self, event: Record) -> bool:
        """Whether the assignment has ended in which an event was delivered: what it led to is no longer wanted of us."""
        generation = event.message.generation_id
        return bool(generation == self._ended or generation != self._app.consumer_generation_id)

    def add(self, event: Record, references: int = 1) -> InFlightRecord:
        """Keep a record in flight until `release` was called `references` times for it. Call it in order of delivery."""
        message = event.message
        partition = self._partitions.setdefault(message.tp, _TrackedPartition())
        partition.order.append(message.offset)
        size = RECORD_BYTES
        if self._values:
            size += len(message.value or b"")
        else:
            event.value = message.value = None  # nobody reads it again
        in_flight = partition.in_flight[message.offset] = InFlightRecord(event, references, size)
        partition.next = message.offset + 1
        self.delivered += 1
        self._count(1, in_flight.size)
        return in_flight

    def _count(self, records: int, size: int) -> None:
        self._in_flight += records
        self._bytes += size
        if self.full:
            self._capacity.clear()
        else:
            self._capacity.set()

    def add_references(self, tp: TP, offsets: Iterable[int]) -> None:
        """One more reference for each of these records."""
        in_flight = self._partitions[tp].in_flight if tp in self._partitions else {}
        for offset in offsets:
            if offset in in_flight:
                in_flight[offset].references += 1

    def release(self, tp: TP, offsets: Iterable[int]) -> None:
        """One reference less for each; acknowledges what has none and nothing in flight before it."""
        partition = self._partitions.get(tp)
        if partition is None:
            return
        for offset in offsets:
            record = partition.in_flight.get(offset)
            if record is not None:
                record.references -= 1
        order, in_flight = partition.order, partition.in_flight
        while order and in_flight[order[0]].references <= 0:
            record = in_flight.pop(order.popleft())
            record.event.ack()
            self._count(-1, -record.size)

    async def done(self, event: Record, after: Iterable[Awaitable[object]], documents: int = 0) -> None:
        """Keep a record in flight until everything in `after` has succeeded; waits only while too many are in flight.

        `documents` is how many it led to, which wait in memory as it does.

        Raises:
            whatever work of an earlier record raised: the stream agent has to end.
        """
        in_flight = self.add(event)
        in_flight.size += DOCUMENT_BYTES * documents
        self._count(0, DOCUMENT_BYTES * documents)
        task = asyncio.create_task(self._when_done(event.message.tp, event.message.offset, in_flight, list(after)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await self.wait_for_capacity()

    async def _when_done(self, tp: TP, offset: int, in_flight: InFlightRecord, after: list[Awaitable[object]]) -> None:
        try:
            with at_record(tp, offset):
                for work in after:
                    await work
                # After a rebalance the same record may be here a second time, with its work still to do.
                if tp in self._partitions and self._partitions[tp].in_flight.get(offset) is in_flight:
                    self.release(tp, (offset,))
        except RevokedError:
            pass  # its new owner does it
        except Exception as error:  # noqa: BLE001 - it ends the application, and the stream agent by `wait_for_capacity`
            self._failed = error
            self._capacity.set()
            await self._app.crash(error)  # the next record may never come, and with it nobody would know

    async def wait_for_capacity(self) -> None:
        """Wait until fewer records than the limit are in flight.

        Raises:
            whatever work of an earlier record raised.
        """
        await self._capacity.wait()
        if self._failed is not None:
            raise self._failed

    def next_of(self, topic: str, partition: int) -> int:
        """The offset after the last one delivered from a partition; 0 before the first."""
        known = self._partitions.get(TP(topic, partition))
        return known.next if known else 0

    def revoke(self, partitions: Iterable[TP]) -> None:
        """Drop the records of a rebalance's partitions; what its streams still hold of them is stale until `assign`.

        Faust raises the generation only with the next assignment, seconds later.
        """
        self._ended = self._app.consumer_generation_id
        self.drop(partitions)

    def assign(self) -> None:
        """The next assignment has begun."""
        self._ended = None

    def drop(self, partitions: Iterable[TP]) -> None:
        """Drop the records of partitions that were revoked."""
        for tp in partitions:
            partition = self._partitions.pop(tp, None)
            if partition is not None:
                self._count(-len(partition.in_flight), -sum(record.size for record in partition.in_flight.values()))
