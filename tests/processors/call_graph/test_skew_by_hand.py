"""Clock skew, and how long calls run, on intervals written down by hand."""

from __future__ import annotations

import pytest

from processors.call_graph.clock_skew import DRIFT, KEPT_WINDOWS, MAX_PAIRS, SAMPLES, WINDOW, ClockSkew, Skew, agreed, marzullo
from processors.call_graph.hops import occupancy
from telemetry.call_graph import Hop, Node, NodeKind

A, B = Node(NodeKind.SERVICE, "a"), Node(NodeKind.SERVICE, "b")


def hop(start: int, ahead: int, gap: int, hosts: tuple[str, str] = ("h1", "h2")) -> Hop:
    """A call from one host to another whose clock is `ahead`: its server span begins so much later than it may."""
    bare = Hop(b"t" * 16, b"s" * 8, A, B, "GET", "http", start, start + 100)
    return bare._replace(gap=gap, server_start=start + ahead, caller_host=hosts[0], callee_host=hosts[1])


def test_most_intervals_agree_on_the_narrowest_range_of_most() -> None:
    assert marzullo([(8, 12), (11, 13), (14, 15)]) == (11, 12, 2)
    assert marzullo([(0, 10), (2, 3), (5, 6)]) == (2, 3, 2), "of two the first"
    assert marzullo([(0, 10), (2, 5), (7, 8)]) == (7, 8, 2), "of two the narrower"
    assert marzullo([(1, 2)]) == (1, 2, 1)
    assert marzullo([(1, 2), (2, 3)]) == (2, 2, 2), "where they touch they agree"
    with pytest.raises(ValueError, match=r"^no intervals to agree on$"):
        marzullo([])


def test_a_call_bounds_the_skew_by_its_gap() -> None:
    skew = ClockSkew()
    skew.add(hop(0, ahead=40, gap=20), 1000)
    # the callee's clock has to go back by 40 to 20
    assert skew.estimate("h1", "h2") == Skew(-30, 10, 1, 1)
    assert skew.estimate("h2", "h1") == Skew(30, 10, 1, 1)
    assert skew.estimate("h1", "h3") is None
    skew.add(hop(0, ahead=35, gap=30), 1000)
    assert skew.estimate("h1", "h2") == Skew(-28, 8, 2, 2), "-35..-5 and -40..-20"
    backwards = ClockSkew()
    backwards.add(hop(0, ahead=40, gap=20, hosts=("h2", "h1")), 1000)
    assert backwards.estimate("h1", "h2") == Skew(30, 10, 1, 1)
    assert (skew.pairs(), backwards.pairs()) == ([("h1", "h2")], [("h1", "h2")])


@pytest.mark.parametrize(
    ("offset", "error", "is_significant"), [(10, 10, False), (11, 10, True), (-11, 10, True), (0, 0, False)]
)
def test_a_skew_is_significant_when_zero_is_outside_its_bound(offset: int, error: int, is_significant: bool) -> None:  # noqa: FBT001 - a parameter
    assert Skew(offset, error, 1, 1).is_significant == is_significant


def test_what_says_nothing_of_two_clocks_is_not_learned() -> None:
    skew, useful = ClockSkew(), hop(0, ahead=40, gap=20)
    for useless in (
        useful._replace(gap=None), useful._replace(server_start=None), useful._replace(inferred=True),
        useful._replace(caller_host=""), useful._replace(callee_host=""), useful._replace(callee_host="h1"),
    ):  # fmt: skip
        skew.add(useless, 1000)
    assert (skew.pairs(), skew.ignored, skew.refused) == ([], 0, 0)


def test_the_sharpest_samples_of_a_window_are_kept_each_once() -> None:
    skew = ClockSkew()
    for _ in range(2):
        for gap in range(30, 10, -1):
            skew.add(hop(0, ahead=20, gap=gap), 1000)
    assert skew.estimate("h1", "h2") == Skew(-15, 6, SAMPLES, SAMPLES), "all have -20..-9, the sharpest"


def test_old_windows_widen_by_the_drift_and_then_go() -> None:
    skew = ClockSkew()
    skew.add(hop(0, ahead=40, gap=20), WINDOW)
    skew.add(hop(5 * WINDOW, ahead=10**9, gap=20), 9 * WINDOW)
    widened = round(5 * WINDOW * DRIFT)
    found = skew.estimate("h1", "h2")
    assert found is not None
    assert (found.samples, found.agreeing) == (2, 1)
    skew.advance((KEPT_WINDOWS - 1) * WINDOW)
    assert skew.estimate("h1", "h2") == found
    only_old = ClockSkew()
    only_old.add(hop(0, ahead=40, gap=20), WINDOW)
    only_old.add(hop(5 * WINDOW, ahead=40 + widened, gap=20), 9 * WINDOW)
    both = only_old.estimate("h1", "h2")
    assert both is not None
    assert both.agreeing == 2, "the old one reaches as far as two clocks may have drifted"
    skew.advance(KEPT_WINDOWS * WINDOW)
    assert skew.estimate("h1", "h2") == Skew(-(10**9) + 10, 10, 1, 1)
    skew.add(hop(WINDOW - 1, ahead=40, gap=20), 99 * WINDOW)
    assert skew.ignored == 1
    skew.advance(99 * WINDOW)
    assert skew.pairs() == []
    skew.advance(0)
    skew.add(hop(WINDOW, ahead=40, gap=20), 99 * WINDOW)
    assert skew.ignored == 2, "time does not go back"


def test_a_clock_that_is_ahead_of_now_counts_as_now() -> None:
    skew = ClockSkew()
    skew.add(hop(50 * WINDOW, ahead=40, gap=20), 3 * WINDOW)
    skew.advance((3 + KEPT_WINDOWS - 1) * WINDOW)
    assert skew.pairs() == [("h1", "h2")]
    skew.advance((3 + KEPT_WINDOWS) * WINDOW)
    assert skew.pairs() == []


def test_pairs_beyond_the_bound_are_refused_and_counted() -> None:
    skew = ClockSkew()
    for number in range(MAX_PAIRS + 2):
        skew.add(hop(0, ahead=40, gap=20, hosts=("a", f"b{number}")), 1000)
    skew.add(hop(0, ahead=41, gap=20, hosts=("a", "b0")), 1000)
    assert (len(skew.pairs()), skew.refused) == (MAX_PAIRS, 2)
    assert skew.estimate("a", "b0") == Skew(-31, 10, 2, 2), "-41..-21 and -40..-20"


def test_estimates_of_several_times_agree_as_far_as_clocks_may_have_drifted() -> None:
    assert agreed([(0, Skew(10, 2, 5, 5)), (0, Skew(13, 2, 5, 5))], 0) == Skew(11, 1, 2, 2)
    apart = round(WINDOW * DRIFT)
    assert agreed([(0, Skew(10, 2, 5, 5))], WINDOW) == Skew(10, 2 + apart, 1, 1)
    assert agreed([(2 * WINDOW, Skew(10, 2, 5, 5))], WINDOW) == Skew(10, 2 + apart, 1, 1)


@pytest.mark.parametrize(
    ("intervals", "spent"),
    [
        ([], (100, 0, 0)),
        ([(10, 30)], (80, 20, 0)),
        ([(-10, 30)], (70, 30, 0)),
        ([(90, 130)], (90, 10, 0)),
        ([(100, 130), (-5, 0)], (100, 0, 0)),
        ([(10, 30), (30, 50)], (60, 40, 0)),
        ([(10, 30), (20, 50)], (60, 30, 10)),
        ([(10, 40), (20, 30), (20, 30)], (70, 20, 10)),
        ([(-10, 200), (-10, 200)], (0, 0, 100)),
    ],
)
def test_time_is_split_by_how_many_calls_run(intervals: list[tuple[int, int]], spent: tuple[int, int, int]) -> None:
    assert occupancy(0, 100, intervals) == spent
