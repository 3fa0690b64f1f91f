"""What the API and the console read of a store: documents in their newest revision, whole traces, the service map."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from components.durations import SECOND
from dashboards.read_models.alerts import standing
from dashboards.read_models.anomaly_scores import anomaly_scores
from dashboards.read_models.bounded_reads import BoundedReads
from dashboards.read_models.clocks import with_adjusted_times
from dashboards.read_models.edge_sums import MAX_KINDS, edge_of, edges_by_kind
from dashboards.read_models.service_map import ServiceMap, service_map
from dashboards.read_models.shared_ids import with_own_ids
from stores.layout import ENVIRONMENT
from stores.store import Aggregation, Equals, OneOf, Query
from telemetry.documents import Kind, latest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry

    from dashboards.read_models.bounded_reads import QueryLimits
    from stores.store import Reads
    from telemetry.documents import Body

REVISED = frozenset({Kind.TRACE, Kind.HOP})
"""Kinds of which a reader sees the newest revision only."""

MAX_IDS = 500
"""Ids named in one query."""

MAX_REVISIONS = 100_000
"""Most documents read to find the newest revisions of so many ids."""

MAX_TRACE = 20_000
"""Most spans, hops or logs read of one trace."""

STEPS = 300
"""Steps of time, at most about, into which the calls of a map are divided."""

LEAST_STEP = 5 * SECOND

MAX_CHANGES = 5_000
"""Most changes of alerts, or revisions of incidents, that are read, the newest: what has not changed for longer is not seen."""

MAX_ENVIRONMENTS = 100
"""Environments that a person may choose from."""

OBSERVED = (Kind.ANOMALY, Kind.ALERT, Kind.INCIDENT)
"""What there may be of an environment that sends no traces."""


def within(environment: str | None) -> tuple[Equals, ...]:
    """The condition of a query for what is of an environment; None and the empty one are all of them."""
    return (Equals(ENVIRONMENT, environment),) if environment else ()


class Reader:
    """Reads a store, within limits. Each method raises as `BoundedReads.find` does.

    Args:
        store: what is read.
        limits: of all queries together and of each.
        registry: shows what was refused.
    """

    def __init__(self, store: Reads, limits: QueryLimits | None = None, registry: CollectorRegistry | None = None) -> None:
        self._store = BoundedReads(store, limits, registry)

    @property
    def reads(self) -> BoundedReads:
        """The store, within the same limits, for questions of other kinds."""
        return self._store

    async def find(self, query: Query) -> list[Body]:
        """The documents of a query. A trace or hop is there only if its newest revision meets the conditions.

        Asked for all of a time, it returns the newest of the revisions that lie in that time.

        Raises:
            StoreError: the store does not answer.
        """
        found = await self._store.find(query)
        if query.kind not in REVISED:
            return found
        whole = not query.where and len(found) < query.limit  # then nothing that could replace one is omitted
        newest = {body["_id"] for body in latest(found)} if whole else await self._newest(query.kind, found)
        return [body for body in found if body["_id"] in newest]

    async def trace(self, trace_id: str) -> Body | None:
        """All that is stored of a trace; None if nothing is.

        `trace` (None while it is open), `spans`, `hops` and `logs` by time; `truncated` says that there is more than
        MAX_TRACE of a kind. Spans that share their id have ids of their own here: see `shared_ids`. Each span has its
        times as recorded and `adjusted` beside them: see `clocks`.

        Raises:
            StoreError: the store does not answer.
        """
        where = (Equals("trace_id", trace_id),)
        kinds = (Kind.TRACE, Kind.SPAN, Kind.HOP, Kind.LOG)
        found = await asyncio.gather(*(self._store.as_many(Query(kind, where, limit=MAX_TRACE)) for kind in kinds))
        (traces, _), (spans, _), (hops, _), (logs, _) = found
        if not any((traces, spans, hops, logs)):
            return None
        newest = latest(hops)
        spans, logs = with_own_ids(spans, logs)
        return {
            "trace": next(iter(latest(traces)), None),
            "spans": await with_adjusted_times(self._store, spans, newest),
            "hops": newest,
            "logs": logs,
            "truncated": any(more for _, more in found),
        }

    async def environments(self, since: int | None = None, until: int | None = None) -> list[str]:
        """The environments of what happened in a time, sorted: at most MAX_ENVIRONMENTS.

        Raises:
            StoreError: the store does not answer.
        """
        queries = (Query(kind, since=since, until=until, limit=MAX_ENVIRONMENTS) for kind in (Kind.TRACE, *OBSERVED))
        found = await asyncio.gather(*map(self._store.environments, queries))
        return sorted(set().union(*found))[:MAX_ENVIRONMENTS]

    async def service_map(
        self, since: int | None = None, until: int | None = None, environment: str | None = None
    ) -> ServiceMap:
        """The map of a time, of one environment or of all, side by side; all edges of it count.

        Raises:
            StoreError: the store does not answer.
        """
        where = within(environment)
        found, scores = await asyncio.gather(
            edges_by_kind(self._store, since, until, where), anomaly_scores(self._store, since, until, where)
        )
        edges = [edge_of(group) for group in found]
        covered = max((edge.start + edge.width for edge in edges), default=0) - min((edge.start for edge in edges), default=0)
        step = max(LEAST_STEP, -(-covered // (STEPS * SECOND)) * SECOND)
        by_step = await self._store.totals(
            Aggregation(Query(Kind.EDGE, where, since, until, limit=MAX_KINDS), step=step, sums=("calls", "failures"))
        )
        return await asyncio.to_thread(service_map, edges, {group.start: _two(group.sums) for group in by_step}, scores)

    async def alerts(self, environment: str | None = None) -> list[Body]:
        """Alerts as they stand, of one environment or of all: see `dashboards.read_models.alerts.standing`.

        Raises:
            StoreError: the store does not answer.
        """
        changes, _ = await self._store.as_many(Query(Kind.ALERT, within(environment), descending=True, limit=MAX_CHANGES))
        return standing(changes)

    async def incidents(self, environment: str | None = None) -> list[Body]:
        """Incidents as they are, of one environment or of all, the one opened last first.

        Raises:
            StoreError: the store does not answer.
        """
        revisions, _ = await self._store.as_many(Query(Kind.INCIDENT, within(environment), descending=True, limit=MAX_CHANGES))
        return sorted(latest(revisions), key=lambda body: (-body["opened"], body["id"]))

    async def _newest(self, kind: Kind, found: Sequence[Body]) -> set[str]:
        """The newest revision of each: one of these documents, or one that the query did not find."""
        ids = list(dict.fromkeys(body["id"] for body in found))
        newest: set[str] = set()
        for first in range(0, len(ids), MAX_IDS):
            where = (OneOf("id", ids[first : first + MAX_IDS]),)
            revisions = await self._store.find(Query(kind, where, limit=MAX_REVISIONS))
            newest.update(body["_id"] for body in latest(revisions))
        return newest


def _two(sums: tuple[int, ...]) -> tuple[int, int]:
    calls, failures = sums
    return calls, failures
