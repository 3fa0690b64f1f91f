"""The search for culprits beside the event loop: a ranking takes up to a second, and nothing may wait for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from processors.root_cause.ranking import CulpritRanker
    from telemetry.findings import Suspect


class Diagnosis:
    """Ranks in a thread; what comes to be learned meanwhile waits and is learned right after, in its order.

    So a ranking sees the memory as it was when it was asked for. What waits is bounded by the records that may be in flight.
    """

    def __init__(self, culprits: CulpritRanker) -> None:
        self._culprits = culprits
        self._ranking: asyncio.Future[tuple[Suspect, ...]] | None = None
        self._waiting: list[Callable[[CulpritRanker], None]] = []

    @property
    def dropped(self) -> dict[str, int]:
        """What the bounds of the memory have cost."""
        return self._culprits.dropped

    def learn(self, change: Callable[[CulpritRanker], None]) -> None:
        """Change what is remembered, now or as soon as no ranking reads it."""
        if self._ranking is None:
            change(self._culprits)
        else:
            self._waiting.append(change)

    async def rank(self, event_time: int) -> tuple[Suspect, ...]:
        """The suspects at an event time, likeliest first; empty when nothing has changed."""
        if self._ranking is not None:
            await asyncio.wait([self._ranking])
        ranking = self._ranking = asyncio.get_running_loop().run_in_executor(None, self._culprits.rank, event_time)
        ranking.add_done_callback(self._catch_up)
        return await asyncio.shield(ranking)  # a thread cannot be cancelled, and reads until it ends

    def _catch_up(self, _: Future[tuple[Suspect, ...]] | asyncio.Future[tuple[Suspect, ...]]) -> None:
        self._ranking = None
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            change(self._culprits)
