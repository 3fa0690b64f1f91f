"""What counters say of drawn traces: the edges of windows, the service graph and clock skew, whoever counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.assembly.edge_windows import EdgeWindows
from processors.call_graph.clock_skew import ClockSkew
from processors.kernels.drawn import DrawnHops
from processors.series.cumulative import SeriesBudget
from processors.series.service_graph import ServiceGraphMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.kernels.protocol import DrawnTrace, HopPlace, Kernels

NOW = 1 << 62


def counters(kernels: Kernels, drawn: Sequence[DrawnTrace], place: HopPlace, budget: int = 1 << 30) -> tuple[int, object]:
    """All that is counted of traces, with what their bounds refused, and before it the memory that windows use."""
    windows, skew, samples = EdgeWindows(place.width, 0), ClockSkew(), SeriesBudget(budget)
    graph = ServiceGraphMetrics(1, budget=samples, kernels=kernels)
    held = []
    for number, trace in enumerate(drawn):
        hops = trace.graph.hops
        held.append(sorted(windows.add(hops, place.revision, {number // 2})))
        graph.add(hops)
        if isinstance(hops, DrawnHops):
            for said in hops.counted.clocks():
                skew.learn(*said, NOW)
        else:
            for hop in hops:
                skew.add(hop, NOW)
    memory = windows.memory
    sealed = [(window.start, window.sources, window.edges()) for window in windows.seal_all()]
    skews = [(pair, skew.estimate(*pair)) for pair in skew.pairs()]
    return memory, (held, sealed, graph.metrics(NOW), graph.samples, samples.overflow, skews)
