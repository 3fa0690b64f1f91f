"""How unusual traces are as a whole, by the anomalies that name them: `anomaly.score` in a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.durations import HOUR
from dashboards.search.filters import TooManyValuesError
from stores.store import Equals, Query
from telemetry.documents import Kind
from telemetry.findings import AnomalyKind

if TYPE_CHECKING:
    from stores.store import Reads

MAX_ANOMALIES = 5_000
"""Anomalies of whole traces that one search reads: each names at most a few traces."""

MAX_TRACES = 20_000
"""Traces that they may name: Elasticsearch takes 65,536 terms of a filter."""

LONGEST = HOUR
"""How long before a time a trace may begin that still has spans in it, and an anomaly for which it is named."""


async def scores_of(reads: Reads, since: int | None) -> dict[str, float]:
    """The highest score of each trace that an anomaly of kind `trace` names, from LONGEST before a time on.

    Raises:
        TooManyValuesError: there are more than are read; a search for less time has fewer.
        StoreError: the store does not answer.
    """
    begin = None if since is None else max(0, since - LONGEST)
    where = [Equals("kind", AnomalyKind.TRACE.value)]
    bodies = await reads.find(Query(Kind.ANOMALY, where, begin, sort="score", descending=True, limit=MAX_ANOMALIES + 1))
    found: dict[str, float] = {}
    for body in bodies:
        for trace_id in body["trace_ids"]:
            found.setdefault(trace_id, body["score"])
    if len(bodies) > MAX_ANOMALIES or len(found) > MAX_TRACES:
        raise TooManyValuesError(f"more than {MAX_ANOMALIES} anomalies name unusual traces since then: search for less time")
    return found
