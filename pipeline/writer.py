"""Writes documents of many records at once, and waits while the store cannot take them.

This is what makes consumption pause when the store is down: nobody's write ends, so offsets stay held, the agents'
in-flight limits fill and they stop taking records.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stores.store import Rejected, Store
    from telemetry.documents import Document

log = structlog.get_logger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.25, 15.0
"""Seconds between tries while the store is down; doubled each time. A restart of a store takes seconds to a minute."""


class RejectedSink(Protocol):
    """Takes documents that the store will never take."""

    async def reject(self, rejected: Sequence[Rejected]) -> None:
        """Return when they are safe."""
        ...


@dataclass(slots=True)
class WriterCounts:
    """What the writer did."""

    created: int = 0
    existing: int = 0
    rejected: int = 0
    retries: int = 0


class DocumentWriter:
    """Gathers documents of concurrent callers into batches of about `batch` documents."""

    def __init__(self, store: Store, rejected: RejectedSink, batch: int = 2000, concurrency: int = 2) -> None:
        self._store = store
        self._sink = rejected
        self._batch = batch
        self._waiting: list[tuple[Sequence[Document], asyncio.Future[None]]] = []
        self._slots = asyncio.Semaphore(concurrency)
        self._flushing: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self.counts = WriterCounts()

    def write(self, documents: Sequence[Document]) -> asyncio.Future[None]:
        """A future that ends when the documents are stored (or safely rejected). Retries until then."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not documents:
            future.set_result(None)
            return future
        self._waiting.append((documents, future))
        if not self._scheduled:
            self._scheduled = True
            task = asyncio.create_task(self._flush())
            self._flushing.add(task)
            task.add_done_callback(self._flushing.discard)
        return future

    async def _flush(self) -> None:
        async with self._slots:
            # While all slots were busy, more callers came: they share this batch.
            self._scheduled = False
            taken: list[asyncio.Future[None]] = []
            documents: list[Document] = []
            while self._waiting and len(documents) < self._batch:
                batch, future = self._waiting.pop(0)
                documents.extend(batch)
                taken.append(future)
            if self._waiting:
                self._scheduled = True
                task = asyncio.create_task(self._flush())
                self._flushing.add(task)
                task.add_done_callback(self._flushing.discard)
            try:
                await self._store_all(documents)
            except BaseException as error:  # noqa: BLE001 - each caller gets it
                for future in taken:
                    if not future.done():
                        future.set_exception(error)
            else:
                for future in taken:
                    if not future.done():
                        future.set_result(None)

    async def _store_all(self, documents: list[Document]) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                written = await self._store.write(documents)
                break
            except StoreError as error:
                self.counts.retries += 1
                log.warning("store_unavailable", documents=len(documents), retry_in_seconds=wait, reason=str(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
        self.counts.created += written.created
        self.counts.existing += written.existing
        self.counts.rejected += len(written.rejected)
        if written.rejected:
            await self._sink.reject(written.rejected)

    async def close(self) -> None:
        """Wait for what is being written. Callers that still wait for a store that is down are cancelled."""
        for task in list(self._flushing):
            task.cancel()
        await asyncio.gather(*self._flushing, return_exceptions=True)
