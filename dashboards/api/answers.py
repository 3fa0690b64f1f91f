"""Answers that all viewers share: one is made at a time for a question, and kept for as long as it is nearly new."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi.responses import Response
from prometheus_client import CollectorRegistry, Counter, Gauge

from components.durations import MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from pydantic import BaseModel

CAPACITY = 256
"""Answers kept."""

MAX_BYTES = 32 << 20
"""Bytes of all answers that are kept; one alone may have more, and is not kept."""

FRESH, OLD = 5 * SECOND, MINUTE
"""For how long an answer is kept: one about a time that goes on, and one about a time that has ended a while ago."""

SETTLED = 5 * MINUTE
"""After its end a time hardly changes any more: late spans are corrections."""


@dataclass(slots=True)
class _SharedAnswer:
    expires: int
    made: asyncio.Task[bytes]
    size: int = 0


class Answers:
    """A cache of answers as JSON. Errors are not kept.

    Args:
        now: nanoseconds since the epoch.
        registry: counts what was given, by where from.
        capacity: answers kept at most; the one that was asked for least recently goes.
        max_bytes: of all.
    """

    def __init__(
        self,
        now: Callable[[], int],
        registry: CollectorRegistry | None = None,
        capacity: int = CAPACITY,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        registry = registry or CollectorRegistry()
        self._now, self.capacity, self._max_bytes = now, capacity, max_bytes
        self._kept: OrderedDict[Hashable, _SharedAnswer] = OrderedDict()
        self._size = 0
        self.counts = {"made": 0, "shared": 0, "evicted": 0}
        self._given = Counter(
            "spanloom_console_answers", "Answers of the console's API, by whether they were computed or shared", ["source"],
            registry=registry,
        )  # fmt: skip
        self._evicted = Counter(
            "spanloom_console_answers_evicted", "Shared answers evicted to make room for newer ones", registry=registry
        )
        entries = Gauge("spanloom_console_answers_kept", "Answers that are kept to be shared", registry=registry)
        entries.set_function(lambda: len(self._kept))

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    async def give(self, question: Hashable, until: int, make: Callable[[], Awaitable[BaseModel]]) -> Response:
        """The answer to a question, made by `make` where none is kept. Raises what that raises.

        Args:
            question: equal for questions with one answer.
            until: the end of the time that it is about.
            make: makes it; goes on when nobody waits any more, for others may.
        """
        now = self._now()
        known = self._kept.get(question)
        if known is not None and now < known.expires:
            self._kept.move_to_end(question)
            self._count("shared")
        else:
            self._count("made")
            self._forget(question)
            made = asyncio.create_task(_json(make), name="answer")
            known = self._kept[question] = _SharedAnswer(now + (OLD if until < now - SETTLED else FRESH), made)
            made.add_done_callback(lambda task: self._done(question, task))
        return Response(await asyncio.shield(known.made), media_type="application/json")

    def drop(self, name: str) -> None:
        """Keep no answer to a question whose first part is this name: what it is about has just changed."""
        for question in [each for each in self._kept if isinstance(each, tuple) and each[:1] == (name,)]:
            self._forget(question)

    def _done(self, question: Hashable, made: asyncio.Task[bytes]) -> None:
        failed = made.cancelled() or made.exception() is not None
        kept = self._kept.get(question)
        if kept is None or kept.made is not made:
            return
        if failed:
            self._forget(question)
            return
        kept.size = len(made.result())
        self._size += kept.size
        while self._kept and (len(self._kept) > self.capacity or self._size > self._max_bytes):
            self._forget(next(iter(self._kept)))
            self._evicted.inc()
            self.counts["evicted"] += 1

    def _forget(self, question: Hashable) -> None:
        gone = self._kept.pop(question, None)
        if gone is not None:
            self._size -= gone.size

    def _count(self, source: str) -> None:
        self._given.labels(source).inc()
        self.counts[source] += 1


async def _json(make: Callable[[], Awaitable[BaseModel]]) -> bytes:
    return (await make()).model_dump_json().encode()
