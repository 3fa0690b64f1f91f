"""Writes documents of many records at once, and waits while the store cannot take them (see pipeline/delivery/retry.py)."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.delivery.retry import RevokedError, StoreAvailability, always

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stores.store import Rejected, Store, Written
    from telemetry.documents import Document, Kind

SETTLE_SECONDS = 5.0
"""How long a rebalance may wait for requests under way; it has to end before the group's patience does."""


class RejectedSink(Protocol):
    """Takes documents that the store will never take."""

    def count(self, kind: Kind, *, refused: bool) -> None:
        """One write had documents of this kind, and the store refused some or none of them."""
        ...

    async def reject(self, rejected: Sequence[Rejected]) -> None:
        """Return when they are safe.

        Raises:
            StoreError: too many were refused lately for the fault to be theirs; the writer asks the store again.
        """
        ...


@dataclass(slots=True)
class WriterCounts:
    """What the writer did."""

    created: int = 0
    existing: int = 0
    rejected: int = 0


@dataclass(slots=True)
class _Write:
    documents: Sequence[Document]
    wanted: Callable[[], bool]
    stored: asyncio.Future[None]


class DocumentWriter:
    """Gathers documents of concurrent callers into batches of about `batch` documents.

    Attributes:
        availability: of the store, which those who read it share.
    """

    def __init__(self, store: Store, rejected: RejectedSink, batch: int = 2000, concurrency: int = 2) -> None:
        self._store = store
        self._sink = rejected
        self._batch = batch
        self._waiting: deque[_Write] = deque()
        self._slots = asyncio.Semaphore(concurrency)
        self._flushing: set[asyncio.Task[None]] = set()
        self._under_way: set[asyncio.Task[Written]] = set()
        self._scheduled = False
        self.availability = StoreAvailability(store)
        self.counts = WriterCounts()

    def write(self, documents: Sequence[Document], wanted: Callable[[], bool] = always) -> asyncio.Future[None]:
        """A future that ends when the documents are stored (or safely rejected). Tries again until then.

        Args:
            documents: to store.
            wanted: whether they should still be written; asked before each try.

        Raises (the future):
            RevokedError: they were not wanted any more.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not documents:
            stored.set_result(None)
            return stored
        self._waiting.append(_Write(documents, wanted, stored))
        if not self._scheduled:
            self._schedule()
        return stored

    def _schedule(self) -> None:
        self._scheduled = True
        task = asyncio.create_task(self._flush())
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)

    async def _flush(self) -> None:
        async with self._slots:
            # While all slots were busy, more callers came: they share this batch.
            self._scheduled = False
            taken: list[_Write] = []
            size = 0
            while self._waiting and size < self._batch:
                taken.append(self._waiting.popleft())
                size += len(taken[-1].documents)
            if self._waiting:
                self._schedule()
            try:
                await self.availability.ask("write", lambda: self._store_all(taken), lambda: _any_wanted(taken))
            except BaseException as error:  # noqa: BLE001 - each caller gets it
                for write in taken:
                    if not write.stored.done():
                        write.stored.set_exception(error)
            else:
                for write in taken:
                    if not write.stored.done():
                        write.stored.set_result(None)

    async def _store_all(self, writes: list[_Write]) -> None:
        task = asyncio.create_task(self._store.write([document for write in writes for document in write.documents]))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        written = await task
        self.counts.created += written.created
        self.counts.existing += written.existing
        refused = {(item.document.kind, item.document.id) for item in written.rejected}
        for write in writes:
            for kind in {document.kind for document in write.documents}:
                ids = (document.id for document in write.documents if document.kind is kind) if refused else ()
                self._sink.count(kind, refused=any((kind, id_) in refused for id_ in ids))
        if refused:
            await self._sink.reject(written.rejected)
            self.counts.rejected += len(written.rejected)

    async def settle(self) -> None:
        """Wait for the requests under way, within bounds: after that nothing unwanted is written."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=SETTLE_SECONDS)

    async def close(self) -> None:
        """Wait for what is being written. Callers that still wait for a store that is down are cancelled."""
        for task in list(self._flushing):
            task.cancel()
        await asyncio.gather(*self._flushing, return_exceptions=True)
        await self.availability.close()


def _any_wanted(writes: list[_Write]) -> bool:
    """Take out what nobody wants any more; whether anything is left."""
    for write in writes[:]:
        if not write.wanted():
            writes.remove(write)
            if not write.stored.done():
                write.stored.set_exception(RevokedError("the partition was taken away; its new owner writes"))
                write.stored.exception()  # it need not be asked for: nobody may wait any more
    return bool(writes)
