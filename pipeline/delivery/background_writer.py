"""Documents on their way to the store whose producer must not wait for it: alerts fire while the store is down."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.delivery.document_writer import DocumentWriter
    from telemetry.documents import Document

MAX_WAITING = 10_000
"""Documents that may wait. Past it there is no room, and the producer pauses: nothing is dropped."""

WAIT_SECONDS = 2.0
"""Seconds for which `PromptWriter` waits for the store. A repair can wait so long between two steps."""


class BackgroundWriter:
    """Writes in the background, in order."""

    def __init__(self, writer: DocumentWriter) -> None:
        self._writer = writer
        self._waiting: list[Document] = []
        self._writing: asyncio.Task[None] | None = None

    async def wait_for_capacity(self) -> None:
        """Return when fewer than `MOST` wait."""
        while self._writing is not None and len(self._waiting) >= MAX_WAITING:
            await asyncio.wait({self._writing})
            self._check()

    def put(self, documents: Sequence[Document]) -> None:
        """Take documents."""
        self._waiting += documents
        self._check()
        if self._waiting and self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="background-writer")

    def _check(self) -> None:
        if self._writing is not None and self._writing.done():
            self._writing.result()  # an error of ours ends the process
            self._writing = None

    async def settle(self, seconds: float) -> None:
        """Return when all are stored, or after so long."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=seconds)

    async def _write(self) -> None:
        while self._waiting:
            documents, self._waiting = self._waiting, []
            await self._writer.write(documents)


class PromptWriter:
    """Writes what the caller keeps until it is stored: the same documents again and again, and more behind them."""

    def __init__(self, writer: DocumentWriter) -> None:
        self._writer = writer
        self._in_flight: asyncio.Future[frozenset[str]] | None = None
        self._size = 0

    async def __call__(self, documents: Sequence[Document]) -> None:
        """Return when they are stored.

        Raises:
            StoreError: the store has not accepted them yet; call again.
        """
        while True:
            if self._in_flight is None:
                self._in_flight, self._size = self._writer.write(documents), len(documents)
            await asyncio.wait({self._in_flight}, timeout=WAIT_SECONDS)
            if not self._in_flight.done():
                raise StoreError(f"{self._size} documents wait for the store; they are offered again")
            self._in_flight.result()
            self._in_flight = None
            if self._size >= len(documents):
                return
