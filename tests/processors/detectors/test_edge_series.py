from __future__ import annotations

import pytest

from processors.assembly.edges import aggregate
from processors.detectors.edge_series import LEAST_CALLS, edge_points
from telemetry.call_graph import Hop, Node, NodeKind

SECOND = 1_000_000_000
A, B, DB = Node(NodeKind.SERVICE, "a"), Node(NodeKind.SERVICE, "b"), Node(NodeKind.DATABASE, "orders")


def hop(number: int, callee: Node = B, operation: str = "GET /") -> Hop:
    id_ = number.to_bytes(8, "big")
    took = 100_000_000
    return Hop(
        id_ * 2,
        id_,
        A,
        callee,
        operation,
        "http",
        SECOND,
        SECOND + took,
        client_duration=took,
        self_time=took // 4,
    )


def values(hops: list[Hop]) -> dict[tuple[str, str], float]:
    points = edge_points(aggregate(hops, 5 * SECOND).values())
    assert {point.time for point in points} <= {5 * SECOND}
    return {(point.series.name, point.series.label("server") or point.series.label("service")): point.value for point in points}


def test_an_edge_says_how_often_and_how_slow() -> None:
    found = values([hop(number) for number in range(10)])
    assert found["spanloom_edge_call_rate_per_second", "b"] == 2.0
    assert found["spanloom_edge_latency_p95_seconds", "b"] == pytest.approx(0.1, rel=0.1)
    assert found["spanloom_service_self_time_seconds", "b"] == pytest.approx(0.025)


def test_of_too_few_calls_only_their_rate_is_reported() -> None:
    found = values([hop(number) for number in range(LEAST_CALLS - 1)])
    assert set(found) == {("spanloom_edge_call_rate_per_second", "b")}


def test_calls_by_two_protocols_are_one_series_and_neither_is_passed_over() -> None:
    slow = [hop(number)._replace(protocol="grpc", client_duration=10 * SECOND) for number in range(10, 20)]
    for hops in ([*(hop(number) for number in range(10)), *slow], [*slow, *(hop(number) for number in range(10))]):
        points = edge_points(aggregate(hops, 5 * SECOND).values())
        assert len({point.series for point in points}) == len(points)
        assert values(hops)["spanloom_edge_call_rate_per_second", "b"] == 4.0
        assert values(hops)["spanloom_edge_latency_p95_seconds", "b"] == pytest.approx(10.0, rel=0.1)


def test_the_own_time_of_a_service_is_over_all_edges_into_it_and_only_of_services() -> None:
    found = values(
        [hop(1), hop(2, operation="PUT /"), hop(3, operation="DELETE /"), *(hop(number, DB) for number in range(4, 8))]
    )
    assert found["spanloom_service_self_time_seconds", "b"] == pytest.approx(0.025)
    assert ("spanloom_service_self_time_seconds", "orders") not in found
