from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given

from processors.call_graph import call_graph
from tests.processors.oracle import Oracle
from tests.processors.traces import CLIENT, CONSUMER, INTERNAL, PRODUCER, SERVER, sid, span, traces

if TYPE_CHECKING:
    from telemetry.call_graph import CallGraph
    from telemetry.spans import Span


def pieces(graph: CallGraph) -> list[tuple[int, int, int]]:
    return [(int.from_bytes(part.span_id, "big"), part.start, part.end) for part in graph.critical_path]


@given(traces())
def test_the_path_is_that_of_the_blocking_rule(spans: list[Span]) -> None:
    expected: list[tuple[bytes, int, int]] = []
    for own, start, end in Oracle(spans).critical_path():
        if expected and expected[-1][0] == own:
            expected[-1] = (own, expected[-1][1], end)
        else:
            expected.append((own, start, end))
    assert [(part.span_id, part.start, part.end) for part in call_graph(spans).critical_path] == expected


@given(traces())
def test_segments_are_disjoint_in_order_and_cover_the_trace(spans: list[Span]) -> None:
    graph = call_graph(spans)
    path = graph.critical_path
    assert all(part.start < part.end for part in path)
    assert all(before.end == after.start for before, after in pairwise(path))
    assert (path[0].start, path[-1].end) == (graph.start, graph.end) if path else graph.duration == 0


@given(traces())
def test_each_moment_of_the_path_belongs_to_the_nearest_hop_above_it_or_to_the_root(spans: list[Span]) -> None:
    graph, oracle = call_graph(spans), Oracle(spans)
    reported: Counter[bytes] = Counter()
    for hop in graph.hops:
        reported[hop.server_span_id or hop.client_span_id] += hop.critical_path_time
    sides = {side for hop in graph.hops for side in (hop.client_span_id, hop.server_span_id)}
    expected: Counter[bytes] = Counter()
    for own, start, end in oracle.critical_path():
        at: Span | None = oracle.spans[own]
        while at is not None and at.span_id not in sides:
            at = oracle.parents[at.span_id]
        if at is None:
            reported[b""] += end - start
        expected[_answering(graph, at.span_id) if at is not None else b""] += end - start
    assert +reported == +expected
    assert reported.total() == graph.duration


def _answering(graph: CallGraph, side: bytes) -> bytes:
    """What tells the hop that a span is a side of: its server span, else its client span."""
    by_server = [hop for hop in graph.hops if hop.server_span_id == side]
    by_client = [hop for hop in graph.hops if hop.client_span_id == side]
    first = (by_server or by_client)[0]
    return first.server_span_id or first.client_span_id


def test_of_overlapping_siblings_the_last_to_end_is_on_the_path() -> None:
    graph = call_graph([span(1, 0, "a", SERVER, 0, 100), span(2, 1, "a", CLIENT, 10, 60), span(3, 1, "a", CLIENT, 40, 90)])
    assert pieces(graph) == [(1, 0, 40), (3, 40, 90), (1, 90, 100)]


def test_siblings_in_sequence_are_both_on_the_path() -> None:
    graph = call_graph([span(1, 0, "a", SERVER, 0, 100), span(2, 1, "a", CLIENT, 10, 40), span(3, 1, "a", CLIENT, 40, 90)])
    assert pieces(graph) == [(1, 0, 10), (2, 10, 40), (3, 40, 90), (1, 90, 100)]


def test_what_a_consumer_does_after_the_root_has_answered_is_on_the_path() -> None:
    graph = call_graph(
        [
            span(1, 0, "a", SERVER, 0, 50),
            span(2, 1, "a", PRODUCER, 20, 25),
            span(3, 2, "b", CONSUMER, 70, 100),
        ]
    )
    assert pieces(graph) == [(1, 0, 20), (2, 20, 70), (3, 70, 100)]


def test_a_child_that_starts_before_its_parent_counts_from_the_parents_start() -> None:
    graph = call_graph(
        [
            span(1, 0, "a", SERVER, 0, 100),
            span(2, 1, "a", CLIENT, 50, 90),
            span(3, 2, "b", SERVER, 30, 80),
        ]
    )
    assert pieces(graph) == [(1, 0, 50), (3, 50, 80), (2, 80, 90), (1, 90, 100)]


def test_a_second_root_hangs_below_the_first() -> None:
    graph = call_graph([span(1, 0, "a", INTERNAL, 0, 50), span(2, 0, "b", INTERNAL, 60, 90)])
    assert pieces(graph) == [(1, 0, 60), (2, 60, 90)]
    assert graph.root_span_id == sid(1)
