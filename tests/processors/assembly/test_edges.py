from __future__ import annotations

from dataclasses import replace
from functools import reduce

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.assembly.edges import MAX_EXEMPLARS, aggregate, by_cost, edge_from_body, is_empty, merge, subtract
from processors.series.histogram import count
from telemetry.call_graph import Edge, EdgeKey, Hop, Node, NodeKind
from telemetry.documents import edge_body

A, B, DB = Node(NodeKind.SERVICE, "a"), Node(NodeKind.SERVICE, "b"), Node(NodeKind.DATABASE, "orders")


def hop(trace: int, callee: Node = B, start: int = 0, duration: int = 5, *, failed: bool = False) -> Hop:
    return Hop(
        trace.to_bytes(16, "big"),
        trace.to_bytes(8, "big"),
        A,
        callee,
        "GET /",
        "http",
        start,
        start + duration,
        client_duration=duration,
        self_time=duration // 2,
        critical_path_time=duration // 3,
        failed=failed,
    )


hops = st.lists(
    st.builds(
        hop, st.integers(0, 99), st.sampled_from([B, DB]), st.integers(0, 40), st.integers(0, 10**12), failed=st.booleans()
    )
)


def joined(parts: list[dict[tuple[EdgeKey, int], Edge]]) -> dict[tuple[EdgeKey, int], Edge]:
    keys = {key for part in parts for key in part}
    return {key: reduce(merge, [part[key] for part in parts if key in part]) for key in keys}


@given(hops, st.data())
def test_edges_of_parts_in_any_order_merge_to_the_edges_of_all(all_hops: list[Hop], data: st.DataObject) -> None:
    order = data.draw(st.permutations(all_hops))
    cut = data.draw(st.integers(0, len(order)))
    assert joined([aggregate(order[:cut], 10), aggregate(order[cut:], 10)]) == aggregate(all_hops, 10)
    assert joined([aggregate([one], 10) for one in order]) == aggregate(all_hops, 10)


@given(hops)
def test_an_edge_is_the_sum_of_the_hops_that_start_in_its_window(all_hops: list[Hop]) -> None:
    edges = aggregate(all_hops, 10)
    assert sum(edge.calls for edge in edges.values()) == len(all_hops)
    for (key, start), edge in edges.items():
        own = [one for one in all_hops if one.callee == key.callee and start <= one.start < start + 10]
        assert edge.calls == count(edge.latency) == len(own)
        assert edge.failures == sum(one.failed for one in own)
        assert edge.latency_sum == sum(one.duration for one in own)
        assert edge.exemplar_durations == tuple(sorted(edge.exemplar_durations, reverse=True))
        assert edge.exemplar_durations[0] == max(one.duration for one in own)
        assert len(edge.exemplars) <= MAX_EXEMPLARS


@given(hops, hops)
def test_a_correction_merged_into_what_was_published_gives_the_right_numbers(before: list[Hop], after: list[Hop]) -> None:
    old, new = aggregate(before, 10), aggregate(after, 10)
    for key in old.keys() & new.keys():
        corrected = merge(old[key], subtract(new[key], old[key]))
        for field in ("calls", "failures", "latency_sum", "self_time_sum", "critical_path_sum"):
            assert getattr(corrected, field) == getattr(new[key], field)
        assert count(corrected.latency) == new[key].calls


@given(hops, hops)
def test_a_difference_is_empty_where_the_numbers_are_the_same(one: list[Hop], other: list[Hop]) -> None:
    before, after = aggregate(one, 10), aggregate(other, 10)
    for key in before.keys() & after.keys():
        assert is_empty(subtract(before[key], before[key]))
        assert not is_empty(before[key])
        same = replace(before[key], exemplars=(), exemplar_durations=(), failed_traces=()) == replace(
            after[key], exemplars=(), exemplar_durations=(), failed_traces=()
        )
        assert is_empty(subtract(after[key], before[key])) == same


@given(hops)
def test_an_edge_read_back_from_its_document_is_the_same(all_hops: list[Hop]) -> None:
    for edge in aggregate(all_hops, 10).values():
        assert edge_from_body(orjson.loads(orjson.dumps(edge_body(edge)))) == edge
        negative = subtract(replace(edge, calls=0), edge)
        assert edge_from_body(edge_body(negative)) == negative


def test_a_window_begins_at_a_multiple_of_its_width() -> None:
    ((_, start),) = aggregate([hop(1, start=1_700_000_000_123_456_789)], 10_000_000_000)
    assert start == 1_700_000_000_000_000_000


def test_exemplars_are_the_slowest_traces_each_once() -> None:
    (edge,) = aggregate([hop(trace, duration=trace * 10) for trace in range(9)] + [hop(8, duration=1)], 10).values()
    assert [int.from_bytes(trace_id, "big") for trace_id in edge.exemplars] == [8, 7, 6, 5]
    assert edge.exemplar_durations == (80, 70, 60, 50)
    assert edge.latency_sum == pytest.approx(361)


def test_failed_traces_are_named_whatever_was_slow_and_in_whatever_order_edges_merge() -> None:
    failing = [hop(trace, duration=1, failed=True) for trace in range(9)]
    slow = [hop(trace, duration=100) for trace in range(20, 29)]
    (edge,) = aggregate([*slow, *failing], 10).values()
    assert [int.from_bytes(trace_id, "big") for trace_id in edge.failed_traces] == [0, 1, 2, 3]
    assert edge_from_body(edge_body(edge)) == edge
    parts = [next(iter(aggregate(part, 10).values())) for part in (failing[5:], slow, failing[:5])]
    assert merge(parts[0], merge(parts[1], parts[2])).failed_traces == edge.failed_traces


@given(hops)
def test_the_costliest_edge_over_all_windows_comes_first(all_hops: list[Hop]) -> None:
    ranking = by_cost(aggregate(all_hops, 10).values())
    spent = {node: sum(one.critical_path_time for one in all_hops if one.callee == node) for node in (B, DB)}
    assert [edge.critical_path_sum for edge in ranking] == sorted((spent[edge.key.callee] for edge in ranking), reverse=True)
    for edge in ranking:
        own = [one for one in all_hops if one.callee == edge.key.callee]
        assert edge.calls == len(own)
        assert all(edge.start <= one.start < edge.start + edge.width for one in own)


def test_hops_belong_together_that_are_alike_in_all_but_their_trace() -> None:
    one = hop(1)
    others = [
        one._replace(caller=B), one._replace(callee=DB), one._replace(operation="PUT /"), one._replace(protocol="grpc"),
        one._replace(environment="test"),
    ]  # fmt: skip
    edges = aggregate([one, hop(2), *others], 10)
    assert {key: edge.calls for (key, _), edge in edges.items()} == {
        EdgeKey(A, B, "GET /", "http", "default"): 2,
        EdgeKey(B, B, "GET /", "http", "default"): 1,
        EdgeKey(A, DB, "GET /", "http", "default"): 1,
        EdgeKey(A, B, "PUT /", "http", "default"): 1,
        EdgeKey(A, B, "GET /", "grpc", "default"): 1,
        EdgeKey(A, B, "GET /", "http", "test"): 1,
    }
