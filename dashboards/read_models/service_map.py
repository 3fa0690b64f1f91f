"""The service map: kinds of calls added up by their two ends, over all operations; what costs most."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processors.assembly.edges import by_cost
from processors.series import histogram
from telemetry.documents import node_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from telemetry.call_graph import Edge, Node
    from telemetry.documents import Body
    from telemetry.metrics import ExponentialBuckets

_NANOSECONDS = 1_000_000_000

MAX_COSTS = 50
"""Kinds of hops whose cost is shown: the others hold up little."""


@dataclass(slots=True)
class MapEdge:
    """All calls from one node to another. Exemplars are trace ids, those of the slowest hops first."""

    caller: Node
    callee: Node
    environment: str
    calls: int = 0
    failures: int = 0
    latency: ExponentialBuckets = histogram.EMPTY
    operations: dict[str, int] = field(default_factory=dict)  # calls of each
    protocols: set[str] = field(default_factory=set)
    exemplars: dict[str, int] = field(default_factory=dict)  # trace id -> duration of its hop

    def quantile(self, share: float) -> int | None:
        """The latency below which this share of the calls lies, in nanoseconds; None where nothing was measured."""
        return _quantile(self.latency, share)


@dataclass(slots=True)
class MapNode:
    """A node of the map, in its environment: what has the same name in another one is another node.

    `calls` and `failures` are of the calls that it receives; `anomaly` is its highest score, 0 for none.
    """

    node: Node
    environment: str
    calls: int = 0
    failures: int = 0
    anomaly: float = 0.0


@dataclass(frozen=True, slots=True)
class ServiceMap:
    """Nodes by name and calls between them, the busiest first. `since` and `until` are what the edges cover.

    `costs` has an edge of each kind of hop, by operation, the one with the most time on critical paths first. `windows` are
    the calls and failures of all edges by the start of their step of time.
    """

    nodes: tuple[MapNode, ...]
    calls: tuple[MapEdge, ...]
    costs: tuple[Edge, ...]
    since: int
    until: int
    windows: Mapping[int, tuple[int, int]]

    @property
    def critical_path_time(self) -> int:
        """Nanoseconds that hops were on the critical paths of their traces, all together."""
        return sum(edge.critical_path_sum for edge in self.costs)

    @property
    def seconds(self) -> float:
        """How long it covers."""
        return (self.until - self.since) / _NANOSECONDS


def service_map(
    edges: Iterable[Edge], windows: Mapping[int, tuple[int, int]], anomalies: Mapping[tuple[str, str], float] | None = None
) -> ServiceMap:
    """The map of these edges.

    Args:
        edges: over all of the time, corrections included.
        windows: see `ServiceMap`.
        anomalies: environment and service to the score to show for it.
    """
    sums: dict[tuple[Node, Node, str], MapEdge] = {}
    costs = by_cost(edges)
    since = min((edge.start for edge in costs), default=0)
    until = max((edge.start + edge.width for edge in costs), default=0)
    for edge in costs:
        ends = edge.key.caller, edge.key.callee, edge.key.environment
        call = sums.get(ends)
        if call is None:
            call = sums[ends] = MapEdge(*ends)
        call.calls += edge.calls
        call.failures += edge.failures
        call.latency = histogram.merge(call.latency, edge.latency)
        call.operations[edge.key.operation] = call.operations.get(edge.key.operation, 0) + edge.calls
        call.protocols.add(edge.key.protocol)
        call.exemplars.update(zip((trace_id.hex() for trace_id in edge.exemplars), edge.exemplar_durations, strict=True))
    busy = sorted(
        (call for call in sums.values() if call.calls > 0),
        key=lambda call: (-call.calls, call.caller, call.callee, call.environment),
    )
    left = tuple(edge for edge in costs if edge.calls > 0)
    return ServiceMap(_nodes(busy, anomalies or {}), tuple(busy), left, since, until, windows)


def _nodes(calls: Iterable[MapEdge], anomalies: Mapping[tuple[str, str], float]) -> tuple[MapNode, ...]:
    nodes: dict[tuple[str, Node], MapNode] = {}
    for call in calls:
        for node in (call.caller, call.callee):
            anomaly = anomalies.get((call.environment, node.name), 0.0)
            nodes.setdefault((call.environment, node), MapNode(node, call.environment, anomaly=anomaly))
        called = nodes[call.environment, call.callee]
        called.calls += call.calls
        called.failures += call.failures
    return tuple(sorted(nodes.values(), key=lambda place: (place.node.name, place.environment)))


def latency_of(edge: Edge, share: float) -> int | None:
    """The latency below which this share of an edge's calls lies, in nanoseconds; None where nothing was measured."""
    return _quantile(edge.latency, share)


def _quantile(latency: ExponentialBuckets, share: float) -> int | None:
    return round(histogram.quantile(latency, share) * _NANOSECONDS) if histogram.count(latency) > 0 else None


def service_map_body(shown: ServiceMap, exemplars: int = 4) -> Body:
    """The map as the API returns it. `rate` is calls a second, latencies and times are nanoseconds.

    `costs` are the `MAX_COSTS` kinds of hops that held up traces for longest. Their shares are of what all hops did.
    """
    whole = shown.critical_path_time
    return {
        "since": shown.since,
        "until": shown.until,
        "nodes": [
            {
                "environment": place.environment,
                "kind": place.node.kind.value,
                "name": place.node.name,
                "calls": place.calls,
                "failures": place.failures,
                "anomaly": place.anomaly,
            }
            for place in shown.nodes
        ],
        "edges": [
            {
                "environment": call.environment,
                "caller": node_body(call.caller),
                "callee": node_body(call.callee),
                "protocols": sorted(call.protocols - {""}),
                "operations": dict(sorted(call.operations.items(), key=lambda item: (-item[1], item[0]))),
                "calls": call.calls,
                "failures": call.failures,
                "rate": call.calls / shown.seconds,
                "p50": call.quantile(0.5),
                "p95": call.quantile(0.95),
                "exemplars": sorted(call.exemplars, key=lambda trace_id: -call.exemplars[trace_id])[:exemplars],
            }
            for call in shown.calls
        ],
        "costs": [
            {
                "environment": edge.key.environment,
                "caller": node_body(edge.key.caller),
                "callee": node_body(edge.key.callee),
                "operation": edge.key.operation,
                "protocol": edge.key.protocol,
                "calls": edge.calls,
                "failures": edge.failures,
                "critical_path_time": edge.critical_path_sum,
                "critical_path_share": edge.critical_path_sum / whole if whole else 0.0,
                "self_time": edge.self_time_sum,
                "p50": latency_of(edge, 0.5),
                "p95": latency_of(edge, 0.95),
                "exemplars": [trace_id.hex() for trace_id in edge.exemplars],
            }
            for edge in shown.costs[:MAX_COSTS]
        ],
    }
