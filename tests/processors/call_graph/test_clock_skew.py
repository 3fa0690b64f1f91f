from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.call_graph import call_graph, clock_skew
from processors.call_graph.clock_skew import ClockSkew, Skew, marzullo
from telemetry.resource import Resource
from tests.processors.traces import CLIENT, INTERNAL, SERVER, span

if TYPE_CHECKING:
    from telemetry.call_graph import Hop

EPOCH = 1_700_000_000_000_000_000
LATER = EPOCH + 3600 * 1_000_000_000


def call(behind: int, out: int, work: int, back: int, *, at: int = 0, hosts: tuple[str, str] = ("x", "y")) -> Hop:
    """A hop whose callee's clock is behind by so much, with the times that request and answer were under way."""
    start = EPOCH + at
    client = span(1, 0, "a", CLIENT, start, start + out + work + back, host=hosts[0])
    served = start + out - behind
    server = span(2, 1, "b", SERVER, served, served + work, host=hosts[1])
    (hop,) = call_graph([client, server]).hops
    return hop


delays = st.integers(0, 10_000_000)
calls = st.lists(st.tuples(delays, delays, delays), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("attributes", "host"),
    [
        ({"k8s.node.name": "n1", "host.name": "h1"}, "n1"),
        ({"host.id": "i1", "host.name": "h1"}, "i1"),
        ({"host.name": "h1", "k8s.pod.name": "p1"}, "h1"),
        ({"k8s.pod.name": "p1"}, "p1"),
        ({}, ""),
    ],
)
def test_a_clock_belongs_to_the_node_or_host_else_to_the_instance(attributes: dict[str, str], host: str) -> None:
    assert Resource(attributes).host == host


@given(st.integers(-(10**10), 10**10), calls)
def test_the_true_skew_lies_within_the_bound(behind: int, times: list[tuple[int, int, int]]) -> None:
    skew = ClockSkew()
    for out, work, back in times:
        skew.add(call(behind, out, work, back), LATER)
    found = skew.estimate("x", "y")
    assert found is not None
    assert abs(found.offset - behind) <= found.error
    assert found.error <= min(out + back for out, _, back in times) // 2 + 1
    assert found.agreeing == found.samples


@given(st.integers(-(10**9), 10**9), calls, st.data())
def test_order_repetition_and_direction_do_not_matter(
    behind: int, times: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    hops = [call(behind, *time) for time in times] + [call(-behind, *time, hosts=("y", "x")) for time in times]
    one, other = ClockSkew(), ClockSkew()
    for hop in hops:
        one.add(hop, LATER)
    for hop in data.draw(st.permutations(hops + hops[:2])):
        other.add(hop, LATER)
    assert one.pairs() == other.pairs()
    assert one.estimate("x", "y") == other.estimate("x", "y")
    found, reverse = one.estimate("x", "y"), one.estimate("y", "x")
    assert found is not None
    assert reverse == Skew(-found.offset, found.error, found.samples, found.agreeing)


def test_calls_that_disagree_are_outvoted() -> None:
    skew = ClockSkew()
    for out in range(1, 6):
        skew.add(call(1000, out * 100, 50, 100), LATER)
    skew.add(call(900_000, 1, 50, 1), LATER)
    found = skew.estimate("x", "y")
    assert found is not None
    assert (found.agreeing, found.samples) == (5, 6)
    assert abs(found.offset - 1000) <= found.error < 101


def test_the_bound_of_an_old_window_widens_by_the_drift() -> None:
    skew = ClockSkew()
    skew.add(call(0, 10, 5, 10), LATER)
    skew.add(call(100_000, 1_000_000, 5, 1_000_000, at=5 * clock_skew.WINDOW), LATER)
    found = skew.estimate("x", "y")
    assert found is not None
    assert found.agreeing == 2
    assert found.error > 500_000


def test_old_windows_are_forgotten_and_later_hops_for_them_counted() -> None:
    skew = ClockSkew()
    skew.add(call(1000, 10, 5, 10), LATER)
    skew.advance(EPOCH + clock_skew.KEPT_WINDOWS * clock_skew.WINDOW)
    assert skew.pairs() == []
    assert skew.estimate("x", "y") is None
    skew.add(call(1000, 10, 5, 10), LATER)
    assert skew.ignored == 1


def test_in_the_middle_of_a_window_as_many_are_kept_as_at_its_beginning() -> None:
    skew = ClockSkew()
    skew.add(call(1000, 10, 5, 10), LATER)
    newest = EPOCH - EPOCH % clock_skew.WINDOW + (clock_skew.KEPT_WINDOWS - 1) * clock_skew.WINDOW
    skew.advance(newest + clock_skew.WINDOW - 1)
    assert skew.estimate("x", "y") is not None
    skew.advance(newest + clock_skew.WINDOW)
    assert skew.estimate("x", "y") is None


def test_pairs_beyond_the_limit_are_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_skew, "MAX_PAIRS", 1)
    skew = ClockSkew()
    skew.add(call(0, 1, 1, 1), LATER)
    skew.add(call(0, 1, 1, 1, hosts=("x", "z")), LATER)
    assert (skew.pairs(), skew.refused) == ([("x", "y")], 1)


def test_hops_that_say_nothing_about_two_clocks_are_omitted() -> None:
    skew = ClockSkew()
    skew.add(call(0, 1, 1, 1, hosts=("x", "x")), LATER)
    skew.add(call(0, -20, 30, -5), LATER)  # the server outlived its client
    (inferred,) = call_graph([span(1, 0, "a", INTERNAL, 0, 9, host="x"), span(2, 1, "b", INTERNAL, 1, 8, host="y")]).hops
    skew.add(inferred, LATER)
    assert skew.pairs() == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)).map(lambda pair: (pair[0], sum(pair))), min_size=1))
def test_marzullo_finds_the_range_that_most_intervals_have(intervals: list[tuple[int, int]]) -> None:
    low, high, agreeing = marzullo(intervals)
    covering = [sum(start <= time <= end for start, end in intervals) for time in range(40)]
    assert agreeing == max(covering)
    assert all(covering[time] == agreeing for time in range(low, high + 1))
