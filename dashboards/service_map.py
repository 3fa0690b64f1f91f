"""The service map: stored edges added up by their two ends, over all windows, operations and corrections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processors import histogram
from processors.edges import edge_from_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from telemetry.call_graph import Node
    from telemetry.documents import Body
    from telemetry.metrics import ExponentialBuckets

_NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class Call:
    """All calls from one node to another. Exemplars are trace ids, those of the slowest hops first."""

    caller: Node
    callee: Node
    calls: int = 0
    failures: int = 0
    latency: ExponentialBuckets = histogram.EMPTY
    operations: dict[str, int] = field(default_factory=dict)  # calls of each
    protocols: set[str] = field(default_factory=set)
    exemplars: dict[str, int] = field(default_factory=dict)  # trace id -> duration of its hop

    def quantile(self, share: float) -> int | None:
        """The latency below which this share of the calls lies, in nanoseconds; None where nothing was measured."""
        if histogram.count(self.latency) <= 0:
            return None
        return round(histogram.quantile(self.latency, share) * _NANOSECONDS)


@dataclass(slots=True)
class Place:
    """A node of the map. `calls` and `failures` are of the calls that it takes; `anomaly` its highest score, 0 for none."""

    node: Node
    calls: int = 0
    failures: int = 0
    anomaly: float = 0.0


@dataclass(frozen=True, slots=True)
class ServiceMap:
    """Nodes by name and calls between them, the busiest first. `since` and `until` are what the edges cover.

    `windows` are the calls and failures of all edges by the start of their window.
    """

    places: tuple[Place, ...]
    calls: tuple[Call, ...]
    since: int
    until: int
    windows: Mapping[int, tuple[int, int]]

    @property
    def seconds(self) -> float:
        """How long it covers."""
        return (self.until - self.since) / _NANOSECONDS


def service_map(edges: Iterable[Body], anomalies: Mapping[str, float] | None = None) -> ServiceMap:
    """The map of these edge documents, each counted once.

    Args:
        edges: their bodies, corrections included, in any order.
        anomalies: service to the score to show for it.
    """
    sums: dict[tuple[Node, Node], Call] = {}
    windows: dict[int, tuple[int, int]] = {}
    since, until = 0, 0
    for body in edges:
        edge = edge_from_body(body)
        since = min(since or edge.start, edge.start)
        until = max(until, edge.start + edge.width)
        ends = edge.key.caller, edge.key.callee
        call = sums.get(ends)
        if call is None:
            call = sums[ends] = Call(*ends)
        calls, failures = windows.get(edge.start, (0, 0))
        windows[edge.start] = calls + edge.calls, failures + edge.failures
        call.calls += edge.calls
        call.failures += edge.failures
        call.latency = histogram.merge(call.latency, edge.latency)
        call.operations[edge.key.operation] = call.operations.get(edge.key.operation, 0) + edge.calls
        call.protocols.add(edge.key.protocol)
        call.exemplars.update(zip((trace_id.hex() for trace_id in edge.exemplars), edge.exemplar_durations, strict=True))
    busy = sorted((call for call in sums.values() if call.calls > 0), key=lambda call: (-call.calls, call.caller, call.callee))
    return ServiceMap(_places(busy, anomalies or {}), tuple(busy), since, until, windows)


def _places(calls: Iterable[Call], anomalies: Mapping[str, float]) -> tuple[Place, ...]:
    places: dict[Node, Place] = {}
    for call in calls:
        for node in (call.caller, call.callee):
            places.setdefault(node, Place(node, anomaly=anomalies.get(node.name, 0.0)))
        places[call.callee].calls += call.calls
        places[call.callee].failures += call.failures
    return tuple(sorted(places.values(), key=lambda place: place.node.name))


def service_map_body(shown: ServiceMap, exemplars: int = 4) -> Body:
    """The map as the API gives it. `rate` is calls a second, latencies are nanoseconds."""
    return {
        "since": shown.since,
        "until": shown.until,
        "nodes": [
            {
                "kind": place.node.kind.value,
                "name": place.node.name,
                "calls": place.calls,
                "failures": place.failures,
                "anomaly": place.anomaly,
            }
            for place in shown.places
        ],
        "edges": [
            {
                "caller": {"kind": call.caller.kind.value, "name": call.caller.name},
                "callee": {"kind": call.callee.kind.value, "name": call.callee.name},
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
    }
