"""Hops gathered into edges by window, and the arithmetic of edges: merging, corrections, reading back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from processors.series import histogram
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.metrics import ExponentialBuckets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.call_graph import Hop
    from telemetry.documents import Body

MAX_EXEMPLARS = 4
"""Trace ids kept of an edge: enough to look at, few enough to store with every window."""

EDGE_BYTES, BUCKET_BYTES = 1400, 80
"""Bytes of an edge under construction without its texts, and a bucket of its latency. Measured, see docs/memory.md."""

_NANOSECONDS = 1_000_000_000


def aggregate(hops: Iterable[Hop], width: int) -> dict[tuple[EdgeKey, int], Edge]:
    """The edges of these hops, by key and start of their window of `width` nanoseconds; a hop counts where it starts.

    The caller bounds how many operations there are; `processors.call_graph.operations.normalised` removes ids from their names.
    """
    sums: dict[tuple[EdgeKey, int], EdgeSum] = {}
    for hop in hops:
        place = key_of(hop), hop.start - hop.start % width
        known = sums.get(place)
        if known is None:
            known = sums[place] = EdgeSum(*place, width)
        known.add(hop)
    return {place: known.edge() for place, known in sums.items()}


def key_of(hop: Hop) -> EdgeKey:
    """The edge that counts a hop."""
    return EdgeKey(hop.caller, hop.callee, hop.operation, hop.protocol, hop.environment)


class EdgeSum:
    """The hops of one key and window, added one by one: a tenth of what making and merging an edge for each costs."""

    __slots__ = (
        *("_calls", "_critical", "_failed", "_failures", "_key", "_latency", "_self", "_slowest", "_start", "_total", "_width"),
    )

    def __init__(self, key: EdgeKey, start: int, width: int) -> None:
        self._key, self._start, self._width = key, start, width
        self._calls = self._failures = self._total = self._self = self._critical = 0
        self._latency = histogram.Histogram()
        self._slowest: dict[bytes, int] = {}
        self._failed: set[bytes] = set()

    @property
    def memory(self) -> int:
        """Bytes of memory that it uses."""
        key = self._key
        texts = len(key.operation) + len(key.caller.name) + len(key.callee.name) + len(key.environment)
        return EDGE_BYTES + BUCKET_BYTES * len(self._latency) + texts

    def add(self, hop: Hop) -> int:
        """Count a hop, which has this key and starts in this window. Returns how many bytes of memory it uses more now."""
        duration = hop.duration
        buckets = len(self._latency)
        self._calls += 1
        self._failures += hop.failed
        self._total += duration
        self._latency.record(duration / _NANOSECONDS)
        self._self += hop.self_time or 0
        self._critical += hop.critical_path_time
        slowest = self._slowest
        slowest[hop.trace_id] = max(duration, slowest.get(hop.trace_id, 0))
        if len(slowest) > MAX_EXEMPLARS:
            del slowest[max(slowest, key=lambda trace_id: (-slowest[trace_id], trace_id))]
        if hop.failed:
            self._failed = set(_least([*self._failed, hop.trace_id]))
        return BUCKET_BYTES * (len(self._latency) - buckets)

    def edge(self) -> Edge:
        """The edge so far."""
        slowest = _slowest((duration, trace_id) for trace_id, duration in self._slowest.items())
        return Edge(
            self._key,
            self._start,
            self._width,
            self._calls,
            self._failures,
            self._total,
            self._latency.buckets(),
            self._self,
            self._critical,
            tuple(trace_id for _, trace_id in slowest),
            tuple(duration for duration, _ in slowest),
            _least(self._failed),
        )


def _least(trace_ids: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(sorted(set(trace_ids))[:MAX_EXEMPLARS])


def _slowest(hops: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The slowest hop of each of the slowest traces."""
    longest: dict[bytes, int] = {}
    for duration, trace_id in hops:
        longest[trace_id] = max(duration, longest.get(trace_id, 0))
    ranked = sorted((-duration, trace_id) for trace_id, duration in longest.items())
    return [(-negative, trace_id) for negative, trace_id in ranked[:MAX_EXEMPLARS]]


def slowest_traces(edges: Iterable[Edge]) -> tuple[bytes, ...]:
    """The traces of the slowest hops of all these edges, a few, slowest first."""
    return tuple(trace_id for _, trace_id in _slowest(pair for edge in edges for pair in _exemplars(edge)))


def merge(one: Edge, other: Edge) -> Edge:
    """The edge of the hops of both, which have one key and window. The order of merging does not matter."""
    slowest = _slowest([*_exemplars(one), *_exemplars(other)])
    return Edge(
        one.key,
        one.start,
        one.width,
        one.calls + other.calls,
        one.failures + other.failures,
        one.latency_sum + other.latency_sum,
        histogram.merge(one.latency, other.latency),
        one.self_time_sum + other.self_time_sum,
        one.critical_path_sum + other.critical_path_sum,
        tuple(trace_id for _, trace_id in slowest),
        tuple(duration for duration, _ in slowest),
        _least((*one.failed_traces, *other.failed_traces)),
    )


def subtract(one: Edge, other: Edge) -> Edge:
    """The correction that merged into the other yields the first; its numbers may be negative.

    Exemplars are samples, not sums: a correction adds those that are new and takes none away.
    """
    new = [pair for pair in _exemplars(one) if pair[1] not in other.exemplars]
    return Edge(
        one.key,
        one.start,
        one.width,
        one.calls - other.calls,
        one.failures - other.failures,
        one.latency_sum - other.latency_sum,
        histogram.subtract(one.latency, other.latency),
        one.self_time_sum - other.self_time_sum,
        one.critical_path_sum - other.critical_path_sum,
        tuple(trace_id for _, trace_id in new),
        tuple(duration for duration, _ in new),
        tuple(trace_id for trace_id in one.failed_traces if trace_id not in other.failed_traces),
    )


def by_cost(edges: Iterable[Edge]) -> list[Edge]:
    """One edge of each key over all windows, the one with the most time on critical paths first."""
    totals: dict[EdgeKey, Edge] = {}
    for edge in edges:
        known = totals.get(edge.key)
        if known is None:
            totals[edge.key] = edge
            continue
        start = min(known.start, edge.start)
        end = max(known.start + known.width, edge.start + edge.width)
        totals[edge.key] = replace(merge(known, edge), start=start, width=end - start)
    return sorted(totals.values(), key=lambda edge: (-edge.critical_path_sum, edge.key))


def is_empty(edge: Edge) -> bool:
    """Whether an edge adds nothing to another: every number of it is zero."""
    numbers = (edge.calls, edge.failures, edge.latency_sum, edge.self_time_sum, edge.critical_path_sum)
    latency = edge.latency
    return not (any(numbers) or latency.zero_count or any(latency.positive) or any(latency.negative))


def _exemplars(edge: Edge) -> Iterable[tuple[int, bytes]]:
    return zip(edge.exemplar_durations, edge.exemplars, strict=True)


def edge_from_body(body: Body) -> Edge:
    """The edge that `telemetry.documents.kinds.edge_body` wrote."""
    latency = body["latency"]
    exemplars = tuple(bytes.fromhex(trace_id) for trace_id in body["exemplars"])
    return Edge(
        EdgeKey(
            _node(body["caller"]),
            _node(body["callee"]),
            body["operation"],
            body["protocol"],
            body.get("environment", DEFAULT_ENVIRONMENT),  # 0.2.0 wrote none
        ),
        body["window"],
        body["width"],
        body["calls"],
        body["failures"],
        body["latency_sum"],
        ExponentialBuckets(
            latency["scale"], latency["zero_count"], 0.0, latency["positive_offset"], tuple(latency["positive"])
        ),
        body["self_time_sum"],
        body["critical_path_sum"],
        exemplars,
        tuple(body["exemplar_durations"]),
        tuple(bytes.fromhex(trace_id) for trace_id in body.get("failed_traces", ())),  # 0.2.0 wrote none
    )


def _node(body: Body) -> Node:
    return Node(NodeKind(body["kind"]), body["name"])
