"""What people ask of the store, within bounds: so that no question of theirs holds up what is stored, or fills the memory.

Few questions are answered at once and few wait; each has a time and a size that its answer may have. The pipeline's own
reads do not come this way.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import BaseModel, ConfigDict, Field

from dashboards.read_models.bounded_aggregates import Answer, BoundedAggregates
from stores.store import AnswerTooLargeError, BusyError, QueryTimeoutError
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from stores.store import Aggregates, Aggregation, Query, Reads, Totals
    from telemetry.documents import Body

LEAST = 100
"""Documents of which the answer to `newest` is not cut further."""


class QueryLimits(BaseModel):
    """What questions over the API and the console may cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_once: int = Field(default=2, ge=1, le=100, description="queries that run at the same time")
    waiting: int = Field(
        default=32, ge=0, le=10_000, description="queries that may wait for their turn; further ones are refused with 503"
    )
    seconds: float = Field(default=30.0, gt=0, le=600, description="seconds that a query may wait, and as many that it may run")
    max_bytes: int = Field(default=32 << 20, ge=1 << 20, description="largest answer, as bytes of JSON")


class BoundedReads:
    """Reads a store within limits.

    Args:
        store: what is read.
        limits: of all queries together and of each.
        registry: shows what was refused.
    """

    def __init__(self, store: Reads, limits: QueryLimits | None = None, registry: CollectorRegistry | None = None) -> None:
        self._store = store
        self._limits = limits or QueryLimits()
        self._slots = asyncio.Semaphore(self._limits.at_once)
        self._waiting = 0
        registry = registry or CollectorRegistry()
        self._running = Gauge("spanloom_queries_running", "API and console queries running", registry=registry)
        self._refused = Counter(
            "spanloom_queries_refused",
            "API and console queries refused or ended, by the limit they reached",
            ["limit"],
            registry=registry,
        )
        self._cut = Counter(
            "spanloom_searches_cut", "Span searches that returned only part of the result, and said so", registry=registry
        )

    async def find(self, query: Query) -> list[Body]:
        """The documents of a query.

        Raises:
            BusyError: too many queries wait already, or this one has waited too long.
            QueryTimeoutError: it took too long.
            AnswerTooLargeError: ask for fewer documents.
            StoreError: the store does not answer.
        """
        async with self._slot():
            return await self._store.find(self._bounded(query))

    async def count(self, query: Query) -> int:
        """How many documents a query has. Raises as `find` does."""
        async with self._slot():
            return await self._store.count(self._bounded(query))

    async def environments(self, query: Query) -> list[str]:
        """The environments of a query's documents. Raises as `find` does."""
        async with self._slot():
            return await self._store.environments(self._bounded(query))

    async def values(self, query: Query, field: str) -> list[str]:
        """The values of a keyword field in a query's documents. Raises as `find` does."""
        async with self._slot():
            return await self._store.values(self._bounded(query), field)

    async def totals(self, asked: Aggregation) -> list[Totals]:
        """What a query's documents add up to. Raises as `find` does."""
        async with self._slot():
            return await self._store.totals(replace(asked, query=self._bounded(asked.query)))

    async def as_many(self, query: Query) -> tuple[list[Body], bool]:
        """The first documents of a query, as many as an answer may have, and whether there are more. Raises as `find` does."""
        while True:
            try:
                # One more than wanted: a trace of just the limit is whole, and must not be said to be a part.
                found = await self.find(replace(query, limit=query.limit + 1))
                return found[: query.limit], len(found) > query.limit
            except AnswerTooLargeError:
                if query.limit <= LEAST:
                    raise
                query = replace(query, limit=max(LEAST, query.limit // 4))

    @property
    def aggregates(self) -> Aggregates:
        """Counts over documents, within the same bounds."""
        return BoundedAggregates(self._store.aggregates, self._ask)

    async def _ask(self, query: Query, ask: Callable[[Query], Awaitable[Answer]], /) -> Answer:
        async with self._slot():
            return await ask(self._bounded(query))

    def cut(self, why: str) -> str:
        """Count an answer that is only a part, and return why."""
        self._cut.inc()
        return why

    def _bounded(self, query: Query) -> Query:
        return replace(query, seconds=self._limits.seconds, max_bytes=self._limits.max_bytes)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        limits = self._limits
        if self._slots.locked() and self._waiting >= limits.waiting:
            self._refused.labels("waiting").inc()
            raise BusyError(Wording.QUERIES_WAIT(queries=self._waiting))
        self._waiting += 1
        try:
            async with asyncio.timeout(limits.seconds):
                await self._slots.acquire()
        except TimeoutError:
            self._refused.labels("waiting").inc()
            raise BusyError(Wording.QUERY_WAITED(seconds=f"{limits.seconds:g}")) from None
        finally:
            self._waiting -= 1
        self._running.inc()
        try:
            yield
        except QueryTimeoutError:
            self._refused.labels("seconds").inc()
            raise
        except AnswerTooLargeError:
            self._refused.labels("bytes").inc()
            raise
        finally:
            self._running.dec()
            self._slots.release()
