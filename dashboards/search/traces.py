"""Traces by what their spans are: a page of them, how many there are, and what was counted of their spans."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from dashboards.read_models.waterfall import service_of
from dashboards.search.asked import query_of
from stores.aggregates import MAX_DEPTH
from stores.store import Equals, OneOf, Query
from telemetry.documents import Kind, latest
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import InputError
from telemetry.findings import AnomalyKind
from telemetry.sentences import with_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboards.search.asked import Asked
    from stores.aggregates import Bucket, Distinct, Group
    from stores.store import Reads
    from telemetry.documents import Body

MAX_REVISIONS = 5_000
"""Documents read for the newest revisions of a page of traces."""

MAX_OPEN_SPANS = 10_000
"""Spans read of those traces of a page that have no document yet."""

MAX_ANOMALIES = 1_000
"""Anomalies read for those that name a trace of a page, the highest scores first."""

FEW_ANOMALIES = 100
"""Anomalies of whole traces that are read without naming the traces of a page."""

_MILLISECOND = 1_000_000


class TraceAnomaly(NamedTuple):
    """Of the anomalies of whole traces that name a trace the one of the highest score."""

    score: float
    why: str


@dataclass(frozen=True, slots=True)
class FoundTrace:
    """A trace of which spans match: as its document says, or, while it has none, as its spans do."""

    trace_id: str
    start: int
    duration: int
    root: tuple[str, str] | None
    services: Sequence[str]
    span_count: int
    errors: int
    environment: str
    completeness: float
    open: bool
    matched: Group
    anomaly: TraceAnomaly | None = None


@dataclass(frozen=True, slots=True)
class TracePage:
    """Some of the traces, how many there are, and where the next page begins; None after the last one that can be reached."""

    traces: list[FoundTrace]
    total: Distinct
    following: int | None


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Spans by time and duration: `counts[column][row]`, where a row is between two of the `bounds`."""

    since: int
    until: int
    step: int
    bounds: list[int]
    counts: list[list[int]]


class TraceSearch:
    """Searches traces. Each method raises as `query_of` and `BoundedReads.find` do.

    Args:
        reads: what is asked.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def page(self, asked: Asked, limit: int, offset: int = 0, *, slowest: bool = False) -> TracePage:
        """A page of the traces, by their newest or by their slowest span that matches."""
        if offset + limit > MAX_DEPTH:
            raise InputError(f"the first {MAX_DEPTH} traces can be paged through: search for less")
        query = replace(
            await query_of(self._reads, asked), sort="duration" if slowest else "@timestamp", descending=True, limit=limit
        )
        counts = self._reads.aggregates
        groups = await counts.groups(query, "trace_id", "duration", offset)
        total = await counts.distinct(query, "trace_id")
        reached = offset + len(groups)
        more = len(groups) == limit and reached < total.count and reached < MAX_DEPTH
        return TracePage(await self._summaries(groups), total, reached if more else None)

    async def facets(
        self, asked: Asked, fields: Mapping[str, Sequence[str]], limit: int
    ) -> tuple[int, dict[str, list[Bucket]]]:
        """How many spans match, and the most frequent values of fields, each by the paths that it may be at."""
        query = await query_of(self._reads, asked)
        paths = list(dict.fromkeys(path for of_field in fields.values() for path in of_field))
        found = await self._reads.aggregates.facets(replace(query, limit=limit), paths)
        return await self._reads.count(query), {
            field: joined([found[path] for path in at], limit) for field, at in fields.items()
        }

    async def heatmap(self, asked: Asked, since: int, until: int, columns: int, rows: int) -> Heatmap:
        """How many spans there are by time and duration."""
        query = await query_of(self._reads, replace(asked, since=since, until=until))
        origin = since // _MILLISECOND * _MILLISECOND
        step = max(1, -(-(until - origin) // columns // _MILLISECOND)) * _MILLISECOND
        spread = next(iter(await self._reads.aggregates.spreads(query, [], "duration")), None)
        bounds = log_bounds(spread.least, spread.greatest, rows) if spread else log_bounds(0, 0, rows)
        found = await self._reads.aggregates.grid(query, origin, step, "duration", bounds[1:-1])
        counts = [
            [found.get((column, row), 0) for row in range(len(bounds) - 1)] for column in range(-(-(until - origin) // step))
        ]
        return Heatmap(origin, until, step, bounds, counts)

    async def _summaries(self, groups: Sequence[Group]) -> list[FoundTrace]:
        ids = [group.value for group in groups]
        if not ids:
            return []
        documents = await self._reads.find(Query(Kind.TRACE, [OneOf("trace_id", ids)], descending=True, limit=MAX_REVISIONS))
        traces = {body["trace_id"]: body for body in latest(documents)}
        still_open = [trace_id for trace_id in ids if trace_id not in traces]
        spans: dict[str, list[Body]] = defaultdict(list)
        if still_open:
            for span in await self._reads.find(Query(Kind.SPAN, [OneOf("trace_id", still_open)], limit=MAX_OPEN_SPANS)):
                spans[span["trace_id"]].append(span)
        found = [
            _closed(traces[group.value], group) if group.value in traces else _open(spans[group.value], group)
            for group in groups
            if group.value in traces or spans[group.value]
        ]
        anomalies = await self._anomalies(ids, min(trace.start for trace in found)) if found else {}
        return [replace(trace, anomaly=anomalies.get(trace.trace_id)) for trace in found]

    async def _anomalies(self, ids: Sequence[str], since: int) -> dict[str, TraceAnomaly]:
        """Of traces that begin at a time or after it."""
        of_traces = Equals("kind", AnomalyKind.TRACE.value)
        # Few traces are unusual as a whole, and to ask for the ids costs more than to read those few.
        query = Query(Kind.ANOMALY, [of_traces], since, sort="score", descending=True, limit=FEW_ANOMALIES)
        bodies = await self._reads.find(query)
        if len(bodies) == FEW_ANOMALIES:
            bodies = await self._reads.find(replace(query, where=[of_traces, OneOf("trace_ids", ids)], limit=MAX_ANOMALIES))
        found: dict[str, TraceAnomaly] = {}
        for body in bodies:
            for trace_id in body["trace_ids"]:
                found.setdefault(trace_id, TraceAnomaly(body["score"], with_parts(body["why"], body.get("why_parts"))))
        return found


def joined(buckets: Sequence[Sequence[Bucket]], limit: int) -> list[Bucket]:
    """Facets of several places as one."""
    if len(buckets) == 1:
        return list(buckets[0])
    counts: dict[str, Bucket] = {}
    for bucket in (one for facet in buckets for one in facet):
        known = counts.get(bucket.value)
        counts[bucket.value] = replace(bucket, documents=bucket.documents + (known.documents if known else 0))
    return sorted(counts.values(), key=lambda bucket: (-bucket.documents, bucket.value))[:limit]


def log_bounds(least: int, greatest: int, rows: int) -> list[int]:
    """Bounds of rows, each as many times the one before, from the least to beyond the greatest. They ascend strictly."""
    low, high = max(1, least), max(2, greatest + 1, least + 2)
    factor = (high / low) ** (1 / rows)
    bounds = [low]
    for row in range(1, rows + 1):
        bounds.append(max(bounds[-1] + 1, round(low * factor**row) if row < rows else high))
    return bounds


def _closed(trace: Body, group: Group) -> FoundTrace:
    root = trace["root"]
    return FoundTrace(
        trace["trace_id"],
        trace["start"],
        trace["duration"],
        (root["service"], root["operation"]) if root["span_id"] else None,
        trace["services"],
        trace["span_count"],
        trace["errors"],
        trace.get("environment") or DEFAULT_ENVIRONMENT,
        trace["completeness"],
        open=False,
        matched=group,
    )


def _open(spans: Sequence[Body], group: Group) -> FoundTrace:
    start = min(span["start"] for span in spans)
    known = {span["span_id"] for span in spans}
    roots = [span for span in spans if not span.get("parent_span_id")]
    attached = sum(span in roots or span.get("parent_span_id") in known for span in spans)
    return FoundTrace(
        group.value,
        start,
        max(span["start"] + span["duration"] for span in spans) - start,
        (service_of(roots[0]), roots[0]["name"]) if roots else None,
        sorted({service_of(span) for span in spans}),
        len(spans),
        sum(span["status"]["code"] == "Error" for span in spans),
        next((span["environment"] for span in spans if span.get("environment")), DEFAULT_ENVIRONMENT),
        attached / len(spans),
        open=True,
        matched=group,
    )
