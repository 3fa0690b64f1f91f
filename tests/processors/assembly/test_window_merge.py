from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processors.assembly.edges import aggregate
from processors.assembly.window_merge import BEHIND, WindowMerge
from telemetry.call_graph import Edge, Hop, Node, NodeKind
from telemetry.documents import edge_body

WIDTH = 10
A, B = Node(NodeKind.SERVICE, "a"), Node(NodeKind.SERVICE, "b")


def hop(number: int, window: int) -> Hop:
    id_ = number.to_bytes(8, "big")
    return Hop(id_ * 2, id_, A, B, "GET /", "http", window * WIDTH, window * WIDTH + 5, client_duration=5)


NOW = 100 * WIDTH


def reported(partition: int, hops: list[Hop], *, correction: bool = False) -> list[dict[str, Any]]:
    return [edge_body(edge) | {"partition": partition, "correction": correction} for edge in aggregate(hops, WIDTH).values()]


def calls(windows: list[list[Edge]]) -> list[tuple[int, int]]:
    return [(edges[0].start // WIDTH, sum(edge.calls for edge in edges)) for edges in windows]


def test_a_window_is_given_when_every_partition_has_reported_its_part() -> None:
    merge = WindowMerge()
    assert calls(merge.add(reported(0, [hop(1, 0)]), NOW)) == [(0, 1)]
    assert calls(merge.add(reported(1, [hop(2, 1)]), NOW)) == []  # partition 0 has not come so far
    assert calls(merge.add(reported(0, [hop(3, 1), hop(4, 1)]), NOW)) == [(1, 3)]


def test_a_partition_that_always_comes_second_is_waited_for_from_its_first_window_on() -> None:
    merge, given = WindowMerge(), []
    for number in range(10):
        given += calls(merge.add(reported(0, [hop(number, number)]), NOW))
        given += calls(merge.add(reported(1, [hop(100 + number, number)]), NOW))
    assert given == [(0, 1), *((number, 2) for number in range(1, 10))]
    assert merge.late == 1


def test_a_partition_without_traffic_is_not_waited_for() -> None:
    merge = WindowMerge()
    merge.add(reported(0, [hop(0, 0)]), NOW)
    merge.add(reported(1, [hop(1, 0)]), NOW)
    given_later = [
        window for number in range(1, BEHIND + 3) for window in merge.add(reported(1, [hop(10 + number, number)]), NOW)
    ]
    assert calls(given_later)[-1][0] == BEHIND + 2


def test_corrections_and_what_comes_after_its_window_was_given_are_left_aside_and_counted() -> None:
    merge = WindowMerge()
    merge.add(reported(0, [hop(1, 5)]), NOW)
    assert merge.add(reported(0, [hop(2, 5)]), NOW) == []
    assert merge.add(reported(0, [hop(3, 9)], correction=True), NOW) == []
    assert merge.late == 2


def test_windows_that_have_not_begun_are_left_aside_and_counted() -> None:
    merge = WindowMerge()
    ahead = reported(0, [hop(1, 101), hop(2, 102)])
    assert merge.add([*ahead, *reported(0, [hop(3, 100)])], NOW)
    assert (merge.ahead, merge.late) == (2, 0)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8)), max_size=40))
def test_every_call_is_given_once_or_counted_as_late(arrivals: list[tuple[int, int]]) -> None:
    merge = WindowMerge()
    found = [
        window
        for number, (partition, at) in enumerate(arrivals)
        for window in merge.add(reported(partition, [hop(number, at)]), NOW)
    ]
    found += merge.close()
    assert sum(count for _, count in calls(found)) + merge.late == len(arrivals)
    starts = [start for start, _ in calls(found)]
    assert starts == sorted(set(starts))


def test_what_is_left_aside_stops_nothing_that_comes_with_it() -> None:
    merge = WindowMerge()
    again = [body | {"again": True} for body in reported(1, [hop(1, 5)])]
    corrected = reported(0, [hop(2, 5)], correction=True)
    assert calls(merge.add([*again, *corrected, *reported(0, [hop(3, 5), hop(4, 5)])], NOW)) == [(5, 2)]
    assert merge.late == 1
    assert calls(merge.add([*reported(0, [hop(5, 5)]), *again, *reported(0, [hop(6, 6)])], NOW)) == [(6, 1)]
    assert (merge.late, merge.ahead) == (2, 0), "what is sent again is not counted"
