"""The audit trail of policies, copied to where the product keeps its own: `spanloom audit verify` then reads both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from governance.revisions import RevisionStore
    from telemetry.documents import Document

log = structlog.get_logger(__name__)

EVERY_SECONDS = 5.0
BATCH = 500
"""Records that are copied at a time."""


class Trail:
    """Copies records in order; a document's id is its number, so that one copied twice is there once."""

    def __init__(self, store: RevisionStore, write: Callable[[Sequence[Document]], Awaitable[object]]) -> None:
        self._store, self._write = store, write
        self._after = 0

    async def run(self) -> None:
        """Copy what is new, until it is cancelled. A store that is away is tried again."""
        while True:
            try:
                while await self.copy():
                    pass
            except StoreError as error:
                log.warning("audit_copy_failed", reason=str(error), retry_in_seconds=EVERY_SECONDS)
            await asyncio.sleep(EVERY_SECONDS)

    async def copy(self) -> int:
        """Copy the next records; how many there were.

        Raises:
            StoreError: they could not be written, and come again.
        """
        records = await self._store.audit(self._after, BATCH)
        if records:
            await self._write([each.document() for each in records])
            self._after = records[-1].sequence
        return len(records)
