"""Writes documents of many records at once, and waits while the store cannot take them (see pipeline/delivery/retry.py).

What the store refuses of a batch holds up nothing else of it. A refused document goes to the dead letters. Where those admit
no more of its kind, it waits here and is offered to the store again and again, and only the record that it came from waits too.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from pipeline.delivery import retry
from pipeline.delivery.retry import RevokedError, StoreAvailability, always

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from prometheus_client import Histogram

    from stores.store import Rejected, Store, Written
    from telemetry.documents import Document, Kind

log = structlog.get_logger(__name__)

SETTLE_SECONDS = 5.0
"""How long a rebalance may wait for requests in flight; it has to end before the group's session does."""


class RejectedSink(Protocol):
    """Takes documents that the store will never take."""

    def count(self, kind: Kind, *, refused: bool) -> None:
        """One write had documents of this kind, and the store refused some or none of them."""
        ...

    def objection(self, rejected: Sequence[Rejected], /) -> str:
        """Why they should wait and be offered to the store again: too many were refused lately for the fault to be theirs."""
        ...

    async def reject(self, rejected: Sequence[Rejected]) -> None:
        """Return when they are safe."""
        ...


@dataclass(slots=True)
class WriterCounts:
    """What the writer did."""

    created: int = 0
    existing: int = 0
    rejected: int = 0
    retried: int = 0  # refused documents, each time


@dataclass(slots=True)
class _Write:
    documents: Sequence[Document]
    wanted: Callable[[], bool]
    stored: asyncio.Future[frozenset[str]]
    rejected: frozenset[str] = frozenset()  # ids of documents that the store will never take

    def end(self, error: BaseException | None = None) -> None:
        """Answer the caller, unless it no longer waits."""
        if self.stored.done():
            return
        if error is None:
            self.stored.set_result(self.rejected)
        else:
            self.stored.set_exception(error)


class DocumentWriter:
    """Gathers documents of concurrent callers into batches.

    Args:
        batch: documents of one, about; by default what the store asks for.
        seconds: gets what the store took.

    Attributes:
        availability: of the store, which those who read it share.
    """

    def __init__(
        self,
        store: Store,
        rejected: RejectedSink,
        batch: int | None = None,
        concurrency: int = 2,
        seconds: Histogram | None = None,
    ) -> None:
        self._store = store
        self._sink = rejected
        self._batch = batch or store.capabilities().write
        self._waiting: deque[_Write] = deque()
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight: set[asyncio.Task[Written]] = set()
        self._scheduled = False
        self._refused: list[_Write] = []  # what waits until the store takes it; bounded by what its callers have in flight
        self._offering: asyncio.Task[None] | None = None
        self.availability = StoreAvailability(store, seconds)
        self.counts = WriterCounts()

    @property
    def refused_waiting(self) -> Counter[Kind]:
        """Documents by kind that the store refuses and the dead letters do not admit."""
        return Counter(document.kind for write in self._refused for document in write.documents)

    def write(self, documents: Sequence[Document], wanted: Callable[[], bool] = always) -> asyncio.Future[frozenset[str]]:
        """A future that ends when the documents are stored; its result are the ids of those that were safely rejected instead.

        It tries again until then.

        Args:
            documents: to store.
            wanted: whether they should still be written; asked before each try.

        Raises (the future):
            RevokedError: they were not wanted any more.
        """
        stored: asyncio.Future[frozenset[str]] = asyncio.get_running_loop().create_future()
        if not documents:
            stored.set_result(frozenset())
            return stored
        self._waiting.append(_Write(documents, wanted, stored))
        if not self._scheduled:
            self._schedule()
        return stored

    def _schedule(self) -> None:
        self._scheduled = True
        self._start(self._flush())

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _flush(self) -> None:
        async with self._slots:
            # While all slots were busy, more callers came: they share this batch.
            self._scheduled = False
            accepted: list[_Write] = []
            size = 0
            while self._waiting and size < self._batch:
                accepted.append(self._waiting.popleft())
                size += len(accepted[-1].documents)
            if self._waiting:
                self._schedule()
            for write, refused in await self._offer(accepted):
                for kind, of_kind in _by_kind(write.documents, refused).items():
                    if of_kind.by_store or of_kind.accepted:
                        self._sink.count(kind, refused=of_kind.by_store)
                if refused:
                    self._set_aside(write, refused)
                else:
                    write.end()

    async def _offer(self, writes: list[_Write]) -> list[tuple[_Write, list[Rejected]]]:
        """Each write that is still wanted with what the store refuses of it. Those that fail are ended."""
        try:
            written = await self.availability.ask("write", lambda: self._store_all(writes), lambda: _any_wanted(writes))
        except BaseException as error:  # noqa: BLE001 - each caller gets it
            for write in writes:
                write.end(error)
            return []
        refused = {id(item.document): item for item in written.rejected}
        if not refused:
            return [(write, []) for write in writes]
        return [(write, [refused[id(one)] for one in write.documents if id(one) in refused]) for write in writes]

    async def _store_all(self, writes: list[_Write]) -> Written:
        task = asyncio.create_task(self._store.write([document for write in writes for document in write.documents]))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        written = await task
        self.counts.created += written.created
        self.counts.existing += written.existing
        return written

    def _set_aside(self, write: _Write, refused: Sequence[Rejected]) -> None:
        """Send what was refused to the dead letters, or keep it until they admit it or the store takes it."""
        if reason := self._sink.objection(refused):
            write.documents = [item.document for item in refused]
            self._refused.append(write)
            if self._offering is None:
                log.error("refused_documents_wait", kinds=sorted({one.kind for one in write.documents}), reason=reason)
                self._offering = self._start(self._retry_rejected())
        else:
            self._start(self._reject(write, refused))  # which may take long: the slot is free for others

    async def _reject(self, write: _Write, refused: Sequence[Rejected]) -> None:
        try:
            await self._sink.reject(refused)
        except BaseException as error:  # noqa: BLE001 - its caller gets it
            write.end(error)
        else:
            self.counts.rejected += len(refused)
            write.rejected |= {item.document.id for item in refused}
            write.end()

    async def _retry_rejected(self) -> None:
        """Offer what waits to the store until nothing does. A refusal was counted when it came first; that it ends, counts."""
        wait = retry.FIRST_WAIT
        while self._refused:
            await asyncio.sleep(wait)
            wait = min(wait * 2, retry.LONGEST_WAIT)
            for batch in _batches(self._refused, self._batch):
                self.counts.retried += sum(len(write.documents) for write in batch)
                for write, refused in await self._offer(batch):
                    for kind, of_kind in _by_kind(write.documents, refused).items():
                        if of_kind.accepted:
                            self._sink.count(kind, refused=False)
                    write.documents = [item.document for item in refused]
                    if not refused:
                        write.end()
                    elif not self._sink.objection(refused):
                        await self._reject(write, refused)
            self._refused = [write for write in self._refused if not write.stored.done()]
        self._offering = None
        log.info("refused_documents_wait_no_more")

    async def settle(self) -> None:
        """Wait for the requests in flight, within bounds: after that nothing unwanted is written."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=SETTLE_SECONDS)

    async def close(self) -> None:
        """Wait for what is being written. Callers that still wait for a store that is down are cancelled."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for write in self._refused:
            write.stored.cancel()
        await self.availability.close()


class _OfKind(NamedTuple):
    """What became of the documents of a kind in one write."""

    accepted: bool  # any of them
    by_store: bool  # any was refused that another store, or this one set up otherwise, might take


_ACCEPTED = _OfKind(accepted=True, by_store=False)


def _by_kind(documents: Sequence[Document], refused: Sequence[Rejected]) -> Mapping[Kind, _OfKind]:
    if not refused:
        return dict.fromkeys({document.kind for document in documents}, _ACCEPTED)
    reasons = {id(item.document): item for item in refused}
    return {
        kind: _OfKind(
            any(one.kind is kind and id(one) not in reasons for one in documents),
            any(item.document.kind is kind and not item.unstorable for item in refused),
        )
        for kind in {document.kind for document in documents}
    }


def _batches(writes: Sequence[_Write], size: int) -> list[list[_Write]]:
    """The writes in batches of about so many documents."""
    batches: list[list[_Write]] = []
    remaining = 0
    for write in writes:
        if remaining <= 0:
            batches.append([])
            remaining = size
        batches[-1].append(write)
        remaining -= len(write.documents)
    return batches


def _any_wanted(writes: list[_Write]) -> bool:
    """Take out what nobody wants any more; whether anything is left."""
    for write in writes[:]:
        if not write.wanted():
            writes.remove(write)
            if not write.stored.done():
                write.stored.set_exception(RevokedError("the partition was revoked; its new owner writes"))
                write.stored.exception()  # it need not be asked for: nobody may wait any more
    return bool(writes)
