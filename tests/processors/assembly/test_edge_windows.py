from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processors.assembly.edge_windows import SOURCE_BYTES, EdgeWindows
from processors.assembly.edges import aggregate
from telemetry.call_graph import Hop, Node, NodeKind

A, B = Node(NodeKind.SERVICE, "a"), Node(NodeKind.SERVICE, "b")


def hop(number: int, start: int, operation: str = "GET /") -> Hop:
    id_ = number.to_bytes(8, "big")
    return Hop(id_ * 2, id_, A, B, operation, "http", start, start + 5, client_duration=5)


hops = st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["GET /", "PUT /"])), max_size=30).map(
    lambda found: [hop(number, start, operation) for number, (start, operation) in enumerate(found)]
)


@given(hops, st.randoms(use_true_random=False))
def test_windows_count_what_one_count_of_all_hops_would_in_any_order(found: list[Hop], chance: Any) -> None:
    windows = EdgeWindows(10, 0)
    mixed = list(found)
    chance.shuffle(mixed)
    for item in mixed:
        windows.add([item], 1, {0})
    edges = {(edge.key, edge.start): edge for window in windows.seal_all() for edge, _ in window.edges()}
    assert edges == aggregate(found, 10)


@given(hops, st.randoms(use_true_random=False))
def test_the_name_of_what_was_counted_depends_on_the_hops_and_not_on_their_order(found: list[Hop], chance: Any) -> None:
    names = []
    for order in (found, chance.sample(found, len(found)), found[:-1]):
        windows = EdgeWindows(1000, 0)
        windows.add(order, 1, {0})
        names.append({edge.key: name for window in windows.seal_all() for edge, name in window.edges()})
    assert names[0] == names[1]
    assert not found or names[0] != names[2]


def test_a_window_is_sealed_when_time_has_passed_its_end_by_the_lateness() -> None:
    windows = EdgeWindows(10, 3)
    windows.add([hop(2, 7)], 1, {0})
    assert windows.seal(12) == []
    windows.add([hop(1, 25)], 1, {0})
    assert [window.start for window in windows.seal(13)] == [0]
    assert [window.start for window in windows.seal(33)] == [20]
    assert len(windows) == 0


def test_a_window_that_a_wrong_clock_made_is_not_held_until_its_time_has_come() -> None:
    windows = EdgeWindows(10, 3)
    windows.add([hop(1, 5000)], 1, {0})
    assert windows.seal(20) == []
    windows.add([hop(2, 5001)], 1, {1})
    assert windows.seal(32) == []
    assert [(window.start, window.sources) for window in windows.seal(33)] == [(5000, {0, 1})]
    windows.add([hop(3, 5002)], 1, {2})
    assert windows.seal(34) == []
    assert [(window.start, window.sources) for window in windows.seal(47)] == [(5000, {2})]


def test_a_record_is_held_once_by_each_window_that_it_is_part_of() -> None:
    windows = EdgeWindows(10, 0)
    assert sorted(windows.add([hop(1, 5), hop(2, 6), hop(3, 15)], 1, {7})) == [7, 7]
    assert windows.add([hop(4, 5)], 1, {7}) == []
    assert windows.recount([0], {7, 8}) == [8]
    first, second = windows.seal_all()
    assert (first.sources, second.sources) == ({7, 8}, {7})
    assert (first.recount, second.recount) == (True, False)


@given(st.lists(st.builds(hop, st.integers(0, 40), st.integers(0, 60)), max_size=20))
def test_the_memory_of_a_window_is_that_of_its_edges_and_records(found: list[Hop]) -> None:
    windows = EdgeWindows(10, 30)
    for number, one in enumerate(found):
        windows.add([one._replace(client_duration=1 << number)], 1, {number % 3})  # each in a bucket of its own
    memory = windows.memory
    sealed = windows.seal_all()
    assert memory == sum(
        SOURCE_BYTES * len(window.sources) + sum(known.memory for known in window.sums.values()) for window in sealed
    )
    assert windows.memory == 0
