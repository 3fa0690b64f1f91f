"""`GET /api/v1/map`: who calls whom, how fast, and how far that is from what it was just before."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from dashboards.api.calls.span_counts import SpanCounts, span_counts
from dashboards.api.calls.sums import CallsAnswer, CallSums, Stats
from dashboards.read_models.anomaly_scores import anomaly_scores
from dashboards.read_models.edge_sums import KEY, edges_by_kind
from telemetry.call_graph import NodeKind
from telemetry.documents import digest
from telemetry.resource import namespace_of

if TYPE_CHECKING:
    from dashboards.api.asked import Asked, Covered
    from stores.store import Reads, Totals

OPERATIONS = 20
"""Operations named of an edge."""

ENOUGH = 20
"""Calls, now and before, from which on a deviation says something."""

SLOWER, FAILING = 3.0, 0.2
"""What counts as wholly unusual: a p95 of eight times (log2), and so much more of the calls failing."""

NOISE = 0.25
"""log2 of a change of the p95 that counts for nothing: two buckets of a histogram."""


class NodeRef(BaseModel):
    """One end of a call."""

    kind: NodeKind
    name: str


class MapNode(BaseModel):
    """A node of the map; one of the same name in another environment is another."""

    id: str
    kind: NodeKind
    name: str
    environment: str
    namespace: str = Field(description="what stands before the last slash of its name, or nothing")
    stats: Stats = Field(description="of the calls that it received")
    anomaly: float = Field(description="the highest score of its anomalies, 0..1; 0: none")
    spans: int = Field(description="that it sent")


class OperationCalls(BaseModel):
    """An operation of an edge."""

    operation: str
    calls: int


class Usual(BaseModel):
    """The same calls in the stretch of time of the same length just before."""

    rate: float
    error_rate: float | None
    p95: int | None


class MapEdge(BaseModel):
    """All calls from one node to another."""

    id: str
    source: str = Field(description="id of the caller's node")
    target: str
    caller: NodeRef
    callee: NodeRef
    environment: str
    protocols: list[str]
    stats: Stats
    self_time: int | None = Field(description="of the callee, of a call")
    critical_path_time: int = Field(description="nanoseconds that its calls held up their traces, all together")
    critical_path_share: float = Field(description="of that of all calls")
    operations: list[OperationCalls] = Field(description="the busiest, a few")
    exemplars: list[str] = Field(description="trace ids, the slowest call's first")
    usual: Usual | None = Field(description="null: it was not called then")
    deviation: float = Field(
        description="0: as usual, or too few calls to say; 1: a p95 of eight times, or a fifth more of the calls failing"
    )


class ServiceGraph(CallsAnswer):
    """The answer."""

    nodes: list[MapNode]
    edges: list[MapEdge]


End = tuple[str, str, str]
"""Environment, kind and name."""


@dataclass(slots=True)
class _Edge:
    sums: CallSums = field(default_factory=CallSums)
    operations: dict[str, int] = field(default_factory=dict)
    protocols: set[str] = field(default_factory=set)


def node_id(end: End) -> str:
    """Of a node: the same in every answer."""
    return digest(*end)[:16]


async def service_graph(reads: Reads, asked: Asked, covered: Covered) -> ServiceGraph:
    """The map of a time.

    Raises:
        StoreError: the store does not answer.
    """
    since, until, where = covered.since, covered.until, asked.where
    ends = (*KEY[:5],)
    now, before, spans, scores = await asyncio.gather(
        edges_by_kind(reads, since, until, where),
        edges_by_kind(reads, max(0, 2 * since - until), since, where, ends, samples=False),
        span_counts(reads, since, until, where),
        anomaly_scores(reads, since, until, where),
    )
    edges: dict[tuple[End, End], _Edge] = {}
    for group in now:
        edge = edges.setdefault(_ends(group), _Edge())
        edge.sums.add(group)
        operation, protocol = group.key[5:]
        edge.operations[operation] = edge.operations.get(operation, 0) + group.sums[0]
        edge.protocols.add(protocol)
    edges = {key: edge for key, edge in edges.items() if edge.sums.calls > 0}  # corrections have taken back the others
    usual: dict[tuple[End, End], CallSums] = {}
    for group in before:
        usual.setdefault(_ends(group), CallSums()).add(group)
    nodes: dict[End, CallSums] = {(environment, NodeKind.SERVICE.value, name): CallSums() for environment, name in spans}
    for (caller, callee), edge in edges.items():
        nodes.setdefault(caller, CallSums())
        _merge(nodes.setdefault(callee, CallSums()), edge.sums)
    whole = sum(edge.sums.critical for edge in edges.values())
    return ServiceGraph(
        since=since,
        until=until,
        nodes=[_node(end, sums.stats(covered.seconds), scores, spans) for end, sums in sorted(nodes.items())],
        edges=[
            _edge(key, edge, usual.get(key), covered.seconds, whole)
            for key, edge in sorted(edges.items(), key=lambda item: (-item[1].sums.calls, item[0]))
        ],
    )


def _ends(group: Totals) -> tuple[End, End]:
    environment, caller_kind, caller, callee_kind, callee = group.key[:5]
    return (environment, caller_kind, caller), (environment, callee_kind, callee)


def _merge(into: CallSums, more: CallSums) -> None:
    into.calls += more.calls
    into.failures += more.failures
    into.latency += more.latency
    for bucket, count in more.buckets.items():
        into.buckets[bucket] = into.buckets.get(bucket, 0) + count


def _node(end: End, stats: Stats, scores: dict[tuple[str, str], float], spans: dict[tuple[str, str], SpanCounts]) -> MapNode:
    environment, kind, name = end
    is_service = kind == NodeKind.SERVICE
    sent = spans.get((environment, name)) if is_service else None
    return MapNode(
        id=node_id(end),
        kind=NodeKind(kind),
        name=name,
        environment=environment,
        namespace=namespace_of(name),
        stats=stats,
        anomaly=scores.get((environment, name), 0.0) if is_service else 0.0,
        spans=sent.whole.spans if sent else 0,
    )


def _edge(key: tuple[End, End], edge: _Edge, usual: CallSums | None, seconds: float, whole: int) -> MapEdge:
    caller, callee = key
    sums = edge.sums
    stats, before = sums.stats(seconds), usual.stats(seconds) if usual is not None and usual.calls > 0 else None
    return MapEdge(
        id=digest(*caller, *callee)[:16],
        source=node_id(caller),
        target=node_id(callee),
        caller=NodeRef(kind=NodeKind(caller[1]), name=caller[2]),
        callee=NodeRef(kind=NodeKind(callee[1]), name=callee[2]),
        environment=caller[0],
        protocols=sorted(edge.protocols - {""}),
        stats=stats,
        self_time=sums.a_call(sums.self_time),
        critical_path_time=sums.critical,
        critical_path_share=sums.critical / whole if whole > 0 else 0.0,
        operations=[
            OperationCalls(operation=operation, calls=calls)
            for operation, calls in sorted(edge.operations.items(), key=lambda item: (-item[1], item[0]))[:OPERATIONS]
        ],
        exemplars=sums.slowest,
        usual=Usual(rate=before.rate, error_rate=before.error_rate, p95=before.p95) if before else None,
        deviation=deviation(stats, before),
    )


def deviation(now: Stats, before: Stats | None) -> float:
    """How far calls are from what they were, 0..1: by their p95, or by how many fail."""
    if before is None or now.calls < ENOUGH or before.calls < ENOUGH:
        return 0.0
    slower = 0.0
    if now.p95 and before.p95:
        slower = (abs(math.log2(now.p95 / before.p95)) - NOISE) / (SLOWER - NOISE)
    failing = ((now.error_rate or 0.0) - (before.error_rate or 0.0)) / FAILING
    return round(min(1.0, max(0.0, slower, failing)), 3)
