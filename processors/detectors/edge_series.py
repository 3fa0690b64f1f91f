"""What a window of edges says, as series that detectors score. Failures are counts and have a detector of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.assembly.edges import merge
from processors.series.histogram import quantile
from telemetry.call_graph import NodeKind
from telemetry.environment import with_environment
from telemetry.metrics import Point, Series
from telemetry.resource import service_labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.call_graph import Edge

CALL_RATE = "spanloom_edge_call_rate_per_second"
LATENCY = "spanloom_edge_latency_p95_seconds"
SELF_TIME = "spanloom_service_self_time_seconds"

_SECOND = 1_000_000_000
LEAST_CALLS = 3
"""Calls in a window from which a ratio or a quantile of it says anything."""


def edge_points(edges: Iterable[Edge]) -> list[Point]:
    """The points of one window's edges, at the end of the window: those of one name, but of another protocol, together."""
    points = []
    named: dict[tuple[tuple[tuple[str, str], ...], int], Edge] = {}
    own: dict[tuple[str, str, int], tuple[int, int]] = {}
    for edge in edges:
        end, key = edge.start + edge.width, edge.key
        labels = (("client", key.caller.name), ("operation", key.operation), ("server", key.callee.name))
        place = with_environment(labels, key.environment), end
        named[place] = merge(named[place], edge) if place in named else edge
        if key.callee.kind is NodeKind.SERVICE:
            calls, time = own.get((key.callee.name, key.environment, end), (0, 0))
            own[key.callee.name, key.environment, end] = calls + edge.calls, time + edge.self_time_sum
    for (of, end), edge in named.items():
        points.append(Point(Series(CALL_RATE, of), end, edge.calls * _SECOND / edge.width))
        if edge.calls >= LEAST_CALLS:
            points.append(Point(Series(LATENCY, of), end, quantile(edge.latency, 0.95)))
    points += [
        Point(Series(SELF_TIME, with_environment(service_labels(service), environment)), end, time / calls / _SECOND)
        for (service, environment, end), (calls, time) in own.items()
        if calls >= LEAST_CALLS
    ]
    return points
