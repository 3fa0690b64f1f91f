"""What a window of edges says, as series that detectors score. Failures are counts and have a detector of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.histogram import quantile
from telemetry.call_graph import NodeKind
from telemetry.metrics import Point, Series

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
    """The points of one window's edges, one edge a key, at the end of the window."""
    points = []
    own: dict[tuple[str, int], tuple[int, int]] = {}
    for edge in edges:
        end = edge.start + edge.width
        key = edge.key
        labels = (("client", key.caller.name), ("operation", key.operation), ("server", key.callee.name))

        def point(name: str, value: float, labels: tuple[tuple[str, str], ...] = labels, end: int = end) -> None:
            points.append(Point(Series(name, labels), end, value))

        point(CALL_RATE, edge.calls * _SECOND / edge.width)
        if edge.calls >= LEAST_CALLS:
            point(LATENCY, quantile(edge.latency, 0.95))
        if key.callee.kind is NodeKind.SERVICE:
            calls, time = own.get((key.callee.name, end), (0, 0))
            own[key.callee.name, end] = calls + edge.calls, time + edge.self_time_sum
    points += [
        Point(Series(SELF_TIME, (("service", service),)), end, time / calls / _SECOND)
        for (service, end), (calls, time) in own.items()
        if calls >= LEAST_CALLS
    ]
    return points
