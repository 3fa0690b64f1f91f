"""Group commit: what many callers append while the disk is busy becomes durable with one write and one fsync a partition.

A thread writes, because fsync blocks. Callers wait on futures of their own event loops.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from durable_log.errors import LogError
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from durable_log.partition import Partition
    from durable_log.record_format import Record
    from durable_log.stats import LogStats

_RETRY_AFTER_SECONDS = 1.0


class _Outcome(NamedTuple):
    future: asyncio.Future[Any]
    value: int
    error: BaseException | None = None


class _Round:
    """What is made durable together."""

    def __init__(self) -> None:
        self.records: defaultdict[Partition, list[tuple[Record, asyncio.Future[int]]]] = defaultdict(list)
        self.barriers: list[asyncio.Future[None]] = []
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self.records or self.barriers)


class GroupCommit:
    """Appends to partitions, in order, each append done when it is durable.

    Args:
        max_unflushed_bytes: how much may wait for the disk.
        now: nanoseconds since the epoch.
        stats: what to count in.
    """

    def __init__(self, max_unflushed_bytes: int, now: Callable[[], int], stats: LogStats) -> None:
        self._limit = max_unflushed_bytes
        self._now = now
        self._stats = stats
        self._wake = threading.Condition()
        self._next = _Round()
        self._busy = False
        self._closing = False
        self._failed: LogError | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._listeners: dict[object, tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = {}
        self._thread = threading.Thread(target=self._run, name="log-group-commit", daemon=True)
        self._thread.start()

    def append(self, partition: Partition, record: Record) -> asyncio.Future[int]:
        """A future of the record's offset, done when it is durable. The record's own offset is not read.

        Raises:
            OverloadedError: too much waits for the disk.
            LogError: the log is closed or has failed.
        """
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        size = record.size
        with self._wake:
            self._check()
            if self._stats.unflushed_bytes >= self._limit:
                self._stats.refused += 1
                raise OverloadedError(
                    f"{partition.directory}: {self._stats.unflushed_bytes} bytes wait for the disk, the bound is {self._limit}",
                    _RETRY_AFTER_SECONDS,
                )
            self._next.records[partition].append((record, future))
            self._next.size += size
            self._stats.unflushed_bytes += size
            self._wake.notify()
        return future

    async def wait_for_capacity(self) -> None:
        """Wait until an append would not be refused for want of room."""
        while self._stats.unflushed_bytes >= self._limit:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            with self._wake:
                self._check()
                self._waiting.append(future)
                self._wake.notify()
            await future

    async def flush(self) -> None:
        """Wait until everything appended so far is durable or has failed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._wake:
            if not (self._next or self._busy):
                return
            self._next.barriers.append(future)
            self._wake.notify()
        await future

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back in this event loop whenever records became visible; returns what ends that."""
        key = object()
        with self._wake:
            self._listeners[key] = (asyncio.get_running_loop(), callback)

        def stop() -> None:
            with self._wake:
                self._listeners.pop(key, None)

        return stop

    def close(self) -> None:
        """Make durable what was appended, then end. Safe twice."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed
        if self._closing:
            raise LogError("the log is closed: nothing can be appended")

    def _run(self) -> None:
        while True:
            with self._wake:
                self._busy = False
                self._wake.wait_for(lambda: self._next or self._waiting or self._closing)
                if self._closing and not (self._next or self._waiting):
                    return
                appended_round, self._next = self._next, _Round()
                self._busy = True
            outcomes = self._write(appended_round)
            with self._wake:
                self._stats.unflushed_bytes -= appended_round.size
                waiting, self._waiting = self._waiting, []
                listeners = list(self._listeners.values())
            outcomes += [_Outcome(future, 0) for future in waiting]
            outcomes += [_Outcome(future, 0) for future in appended_round.barriers]
            _notify(outcomes, listeners if appended_round.records else [])

    def _write(self, appended_round: _Round) -> list[_Outcome]:
        """Offsets are given here, where it is known what was written: a failed write leaves no hole."""
        written: list[tuple[Partition, list[_Outcome]]] = []
        outcomes: list[_Outcome] = []
        for partition, appended in appended_round.records.items():
            first = partition.end
            records = [record._replace(offset=first + i) for i, (record, _) in enumerate(appended)]
            try:
                if self._failed is not None:
                    raise self._failed
                partition.write(records, self._now())
            except LogError as error:
                self._stats.failed += len(appended)
                outcomes += [_Outcome(future, 0, error) for _, future in appended]
            else:
                written.append((partition, [_Outcome(future, first + i) for i, (_, future) in enumerate(appended)]))
        for partition, offsets in written:
            try:
                if self._failed is not None:
                    raise self._failed
                partition.sync()
            except OSError as error:
                # After a failed fsync the kernel may have dropped the pages, and the next fsync would say that all is well.
                self._failed = LogError(
                    f"{partition.directory}: fsync failed: {error.strerror}; nothing more is accepted: check the disk, restart"
                )
                self._failed.__cause__ = error
            except LogError:
                pass
            if self._failed is not None:
                self._stats.failed += len(offsets)
                outcomes += [_Outcome(future, 0, self._failed) for future, _, _ in offsets]
            else:
                self._stats.appended += len(offsets)
                outcomes += offsets
        self._stats.flushes += 1
        self._stats.fsyncs += len(written)
        self._stats.appended_bytes += appended_round.size
        return outcomes


def _notify(outcomes: Iterable[_Outcome], listeners: Iterable[tuple[asyncio.AbstractEventLoop, Callable[[], None]]]) -> None:
    """One call a loop, however many records."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, tuple[list[_Outcome], list[Callable[[], None]]]]
    by_loop = defaultdict(lambda: ([], []))
    for outcome in outcomes:
        by_loop[outcome.future.get_loop()][0].append(outcome)
    for loop, callback in listeners:
        by_loop[loop][1].append(callback)
    for loop, (done, callbacks) in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, done, callbacks)


def _settle(outcomes: Iterable[_Outcome], callbacks: Iterable[Callable[[], None]]) -> None:
    for future, value, error in outcomes:
        if future.done():  # its caller was cancelled
            continue
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)
    for callback in callbacks:
        callback()
