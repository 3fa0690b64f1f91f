"""New log records as they are stored, for a bounded number of followers.

A record is new when the store has it and had it not a moment before; it may be up to WINDOW old by then, since logs come late.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge

from dashboards.search.asked import query_of
from stores.store import BusyError, QueryTimeoutError
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from dashboards.search.asked import Asked
    from stores.store import Reads
    from telemetry.documents import Body

MAX_FOLLOWERS = 20
"""Each asks the store once a PAUSE."""

PAUSE = 1.0
"""Seconds between two looks."""

WINDOW = 30_000_000_000
"""Nanoseconds before the present, and after it, in which new records are looked for."""

MOST = 200
"""Records that a follower gets for each look; the rest is counted as dropped."""

MAX_WINDOW = 5_000
"""Records of the window that are looked at, the newest."""

MAX_LOOKS = 3_600
"""Looks for one follower, an hour: a browser that is still there connects again."""


@dataclass(frozen=True, slots=True)
class TailEvent:
    """A new record, or how many were not sent; neither: nothing is new."""

    record: Body | None = None
    dropped: int = 0


class LogTail:
    """Follows new records.

    Args:
        reads: what is asked.
        now: nanoseconds since the epoch.
        registry: shows followers and dropped records.
        pause: waits until the next look.
        looks: for one follower, at most.
    """

    def __init__(
        self,
        reads: Reads,
        now: Callable[[], int],
        registry: CollectorRegistry | None = None,
        pause: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(PAUSE),
        looks: int = MAX_LOOKS,
    ) -> None:
        self._reads, self._now, self._pause = reads, now, pause
        self._followers, self._looks = 0, looks
        registry = registry or CollectorRegistry()
        self._following = Gauge("spanloom_log_tail_followers", "Browsers that follow new log records", registry=registry)
        self._dropped = Counter("spanloom_log_tail_dropped", "New log records that were too many to show", registry=registry)

    async def follow(self, asked: Asked) -> AsyncIterator[TailEvent]:
        """New records that match, from now on. Raises as `query_of` does.

        Raises:
            BusyError: too many follow already.
        """
        if self._followers >= MAX_FOLLOWERS:
            raise BusyError(f"{MAX_FOLLOWERS} browsers follow the logs already: close one, or try again later")
        seen = await self._new(asked, {})
        return self._events(asked, {body["_id"]: body["@timestamp"] for body in seen})

    async def _events(self, asked: Asked, seen: dict[str, int]) -> AsyncIterator[TailEvent]:
        self._followers += 1
        self._following.set(self._followers)
        try:
            for _ in range(self._looks):
                await self._pause()
                try:
                    fresh = await self._new(asked, seen)
                except (BusyError, QueryTimeoutError):
                    yield TailEvent()
                    continue
                since = self._now() - WINDOW
                seen = {id_: time for id_, time in seen.items() if time >= since} | {
                    one["_id"]: one["@timestamp"] for one in fresh
                }
                for record in reversed(fresh[:MOST]):
                    yield TailEvent(record)
                if len(fresh) > MOST:
                    self._dropped.inc(len(fresh) - MOST)
                    yield TailEvent(dropped=len(fresh) - MOST)
                if not fresh:
                    yield TailEvent()
        finally:
            self._followers -= 1
            self._following.set(self._followers)

    async def _new(self, asked: Asked, seen: dict[str, int]) -> list[Body]:
        """Records of the window that were not seen, the newest first."""
        present = self._now()
        query = await query_of(self._reads, replace(asked, since=max(0, present - WINDOW), until=present + WINDOW), Kind.LOG)
        found = await self._reads.find(replace(query, descending=True, limit=MAX_WINDOW))
        return [body for body in found if body["_id"] not in seen]
