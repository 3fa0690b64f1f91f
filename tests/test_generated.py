"""The input of the benchmark is what its table says, and its stages alone do all of it."""

from __future__ import annotations

from collections import Counter

from processors.call_graph import call_graph
from telemetry.call_graph import NodeKind
from tests.benchmarks import alone
from tests.generated import SERVICES, traces


def test_the_generated_shop_has_the_shape_that_the_benchmark_names() -> None:
    made = list(traces(50))
    assert {len(trace) for trace in made} == {12}
    assert {len(span.attributes) for trace in made for span in trace} == {20}
    assert len(SERVICES) == 8
    assert len({span.span_id for trace in made for span in trace}) == 600
    graphs = [call_graph(trace) for trace in made]
    assert all(graph.completeness == 1.0 and graph.root_service == "gateway" for graph in graphs)
    kinds = Counter(hop.callee.kind for hop in graphs[0].hops)
    assert kinds == {NodeKind.SERVICE: 6, NodeKind.DATABASE: 1}


def test_it_is_the_same_for_a_seed() -> None:
    assert list(traces(3, seed=7)) == list(traces(3, seed=7))
    assert list(traces(3, seed=7)) != list(traces(3, seed=8))


def test_each_stage_alone_is_measured_on_every_span() -> None:
    assert alone.index(alone.Input(240)).spans == 240
    assert alone.assemble(alone.Input(240)).cost > 0
