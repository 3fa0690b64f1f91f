"""The series that count edges say what the hops say, however they are grouped into documents."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from processors.assembly.edges import aggregate, merge, subtract
from processors.series.edge_counts import POWERS, edge_counts
from telemetry.call_graph import Edge, EdgeKey, Hop, Node, NodeKind
from telemetry.metrics import ExponentialBuckets

SECOND = 1_000_000_000
A, B = Node(NodeKind.SERVICE, "a"), Node(NodeKind.SERVICE, "b")
DURATIONS = st.integers(0, 60 * SECOND) | st.sampled_from([2**k * SECOND // 1024 for k in range(16)])


def edge_of(durations: list[int]) -> Edge:
    (edge,) = aggregate([hop(i, duration) for i, duration in enumerate(durations)], SECOND).values()
    return edge


def hop(number: int, duration: int) -> Hop:
    return Hop(
        number.to_bytes(16, "big"), number.to_bytes(8, "big"), A, B, "GET /", "http", 0, duration, client_duration=duration
    )


def numbers(*edges: Edge) -> dict[tuple[str, str], float]:
    total: dict[tuple[str, str], float] = {}
    for point in (point for edge in edges for point in edge_counts(edge)):
        key = point.series.name, point.series.label("le")
        total[key] = total.get(key, 0.0) + point.value
    return {key: value for key, value in total.items() if value}


@given(st.lists(DURATIONS, min_size=1, max_size=30), st.lists(DURATIONS, min_size=1, max_size=30))
def test_buckets_are_exact_and_a_correction_gives_what_was_missing(some: list[int], others: list[int]) -> None:
    whole = edge_of(some + others)
    expected: dict[tuple[str, str], float] = {
        ("spanloom_edge_calls", ""): len(some + others),
        ("spanloom_edge_duration_seconds_sum", ""): sum(some + others) / 1e9,
        ("spanloom_edge_duration_seconds_bucket", "+Inf"): len(some + others),
    }
    for power in POWERS:
        below = sum(duration / SECOND <= 2.0**power for duration in some + others)
        expected["spanloom_edge_duration_seconds_bucket", repr(2.0**power)] = below
    expected = {key: value for key, value in expected.items() if value}
    assert_near(numbers(whole), expected)
    assert_near(numbers(edge_of(some), subtract(whole, edge_of(some))), expected)
    assert_near(numbers(merge(edge_of(some), edge_of(others))), expected)


def assert_near(found: dict[tuple[str, str], float], expected: dict[tuple[str, str], float]) -> None:
    found = {key: value for key, value in found.items() if abs(value) > 1e-9}
    expected = {key: value for key, value in expected.items() if abs(value) > 1e-9}
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert abs(found[key] - value) < 1e-6, key


def test_calls_of_an_environment_name_it_and_wide_buckets_are_left_to_the_last() -> None:
    key = EdgeKey(A, B, "GET", "http", "staging")
    edge = replace(edge_of([SECOND]), key=key, latency=ExponentialBuckets(-1, 0, 0.0, 0, (1,)))
    points = edge_counts(edge)
    assert [(point.series.name, point.series.label("le")) for point in points][3:] == [
        ("spanloom_edge_duration_seconds_bucket", "+Inf")
    ]
    assert dict(points[0].series.labels) == {"client": "a", "environment": "staging", "operation": "GET", "server": "b"}
    assert {point.time for point in points} == {SECOND}
