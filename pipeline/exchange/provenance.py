"""From re-key on: stage 4 learns which source feeds the telemetry before anything that comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.sender import HEADER, sender_of_record
from pipeline.exchange.codec import BatchKind, encode_bodies

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.exchange.environment_topic import EnvironmentTopic
    from pipeline.record import Record

ANNOUNCE_EVERY = 60_000_000_000
"""Nanoseconds after which a source that goes on to send is announced again: far less than it counts for."""

MAX_SOURCES = 1000
"""Sources remembered as announced; beyond, the oldest is evicted and announced once more when it sends again."""


class Sources:
    """Announces the senders of records to stage 4, each once in a while.

    Args:
        signals: the way to stage 4.
        now: by the clock, ns.
        unmarked: who sends records without the header.
    """

    def __init__(self, signals: EnvironmentTopic, now: Callable[[], int], unmarked: str) -> None:
        self._signals, self._now, self._unmarked = signals, now, unmarked
        self._announced: dict[str, int] = {}  # oldest first

    async def announce(self, event: Record) -> None:
        """Return when stage 4's log has the sender of a record; only then may its content go on."""
        source = sender_of_record(dict(event.headers or {}).get(HEADER), self._unmarked)
        now = self._now()
        at = self._announced.get(source)
        if at is not None and 0 <= now - at < ANNOUNCE_EVERY:
            return
        await self._signals.send_everywhere(BatchKind.SOURCES, encode_bodies([{"source": source}]))
        self._announced.pop(source, None)
        self._announced[source] = now
        if len(self._announced) > MAX_SOURCES:
            del self._announced[next(iter(self._announced))]
