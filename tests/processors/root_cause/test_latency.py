"""Latency attributions, worked out by hand.

Durations that do not vary have no spread of their own, so that only `DRIFT` divides what a mean has moved by; 50 microseconds
are added to each duration before its logarithm is taken.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from processors.root_cause.latency import CALLER, DRIFT, PEER_SPREAD, LatencyAttribution, LatencyTable, Stretch
from tests.processors.root_cause.visited import MILLISECOND, bucket, numbers, trace, visit

if TYPE_CHECKING:
    from processors.call_graph.visits import Visit
    from processors.root_cause.trace_memory import Remembered


def log(milliseconds: float) -> float:
    return math.log(milliseconds * MILLISECOND + 50_000)


def moved(before: float, after: float) -> float:
    """Standard errors from one duration that does not vary to another, both in milliseconds."""
    return (log(after) - log(before)) / DRIFT


def gain(z: float, stretches: int) -> float:
    return z**2 / 2 - math.log(stretches)


def risen(nats: float) -> float:
    return nats / (nats + 1)


def test_self_time_is_the_services_and_a_call_is_its_callees_and_its_callers() -> None:
    assert Stretch("", "stock", "stock.do").ends() == ("stock",)
    assert Stretch("front", "stock", "stock.do").ends() == ("stock", "front")


def test_the_weight_is_the_compressed_gain_by_share_and_precision() -> None:
    slow = LatencyAttribution("stock", math.e - 1, 0.5, 0.25, Stretch("", "stock", "stock.do"), 1.0, 2.0)
    assert slow.weight == pytest.approx(0.125)
    assert (slow.trace_ids, slow.instance) == ((), "")


@pytest.mark.parametrize("buckets", [0, 2])
def test_where_no_trace_came_nothing_is_slower(buckets: int) -> None:
    table = LatencyTable([[]] * buckets)
    assert (table.stretches, table.strongest(1), table.attributions(1)) == ([], 0.0, [])


def test_a_stretch_is_self_time_or_the_gap_of_a_call_whose_client_span_is_known() -> None:
    visits = [visit("front"), visit("stock", parent=0, gap=0.0), visit("mail", parent=0)]
    table = LatencyTable([bucket(0, 1, visits)])
    assert table.stretches == [
        Stretch("", "front", "front.do"),
        Stretch("", "stock", "stock.do"),
        Stretch("front", "stock", "stock.do"),
        Stretch("", "mail", "mail.do"),
    ]


def test_a_stretch_has_risen_by_the_standard_errors_between_its_means() -> None:
    before = [visit("front", 10.0), visit("stock", 10.0, parent=0, gap=1.0)]
    after = [visit("front", 10.0), visit("stock", 5.0, parent=0, gap=20.0)]
    table = LatencyTable([bucket(0, 4, before), bucket(4, 6, before), bucket(10, 10, after)])
    assert table.shifts(2) == pytest.approx([0.0, moved(10, 5), moved(1, 20)])
    assert table.strongest(2) == pytest.approx(moved(1, 20) ** 2 / 2)
    assert table.strongest(1) < table.strongest(2), "the change is dated wrongly"


def test_nothing_that_falls_counts() -> None:
    table = LatencyTable([bucket(0, 10, [visit("front", 10.0)]), bucket(10, 10, [visit("front", 1.0)])])
    assert table.shifts(1)[0] < 0
    assert table.strongest(1) == 0
    assert table.attributions(1) == []


@pytest.mark.parametrize(("count", "is_judged"), [(2, False), (3, True)])
def test_three_observations_since_are_needed(count: int, is_judged: bool) -> None:  # noqa: FBT001 - a parameter
    table = LatencyTable([bucket(0, 10, [visit("front", 10.0)]), bucket(10, count, [visit("front", 100.0)])])
    assert table.shifts(1) == pytest.approx([moved(10, 100) if is_judged else 0.0])
    assert bool(table.attributions(1)) == is_judged


@pytest.mark.parametrize(("count", "is_past"), [(2, False), (3, True)])
def test_three_observations_are_a_past_and_what_has_none_dates_no_change(count: int, is_past: bool) -> None:  # noqa: FBT001 - a parameter
    peers = [visit("a", 10.0), visit("b", 10.0, parent=0), visit("c", 10.0, parent=0)]
    slow = visit("d", 1000.0, parent=0)
    before = bucket(0, 10 - count, peers) + bucket(10 - count, count, [*peers, visit("d", 10.0, parent=0)])
    table = LatencyTable([before, bucket(10, 10, [*peers, slow])])
    expected = moved(10, 1000) if is_past else (log(1000) - log(10)) / PEER_SPREAD
    assert table.shifts(1) == pytest.approx([0, 0, 0, expected])
    assert table.strongest(1) == pytest.approx(expected**2 / 2 if is_past else 0.0)


def test_without_any_past_a_stretch_is_compared_with_the_others_of_its_kind() -> None:
    calls = [visit(name, 10.0, parent=0, gap=gap) for name, gap in (("b", 1.0), ("c", 1.0), ("d", 1.0), ("e", 50.0))]
    visits = [visit("a", 10.0), *calls]
    table = LatencyTable([bucket(0, 3, visits)])
    far = (log(50) - log(1)) / PEER_SPREAD
    assert dict(zip(table.stretches, table.shifts(0).tolist(), strict=True)) == pytest.approx(
        {stretch: far if stretch.service == "e" and stretch.caller else 0.0 for stretch in table.stretches}
    )
    slow = {attribution.service: attribution for attribution in table.attributions(0)}
    assert set(slow) == {"a", "e"}
    assert slow["e"].before == pytest.approx(1.05 * MILLISECOND), "the past of a stretch without one is its peers'"
    assert slow["e"].after == pytest.approx(50.05 * MILLISECOND)


def test_the_spread_of_peers_is_that_of_their_middle() -> None:
    past = {"a": 1.0, "b": 10.0, "c": 100.0, "d": 1000.0, "e": 10_000.0}
    old = [visit(name, own, parent=-1 if name == "a" else 0) for name, own in past.items()]
    table = LatencyTable([bucket(0, 5, old), bucket(5, 5, [*old, visit("new", 100_000.0, parent=0)])])
    spread = 1.4826 * (log(1000) - log(100))
    assert table.shifts(1)[-1] == pytest.approx((log(100_000) - log(100)) / spread, rel=0.01)


def test_two_peers_are_none() -> None:
    table = LatencyTable([bucket(0, 5, [visit("a", 1.0), visit("b", 1000.0, parent=0)])])
    assert table.shifts(0) == pytest.approx([0.0, 0.0])
    assert table.attributions(0) == []


def test_one_of_three_instances_speaks_for_itself_less_the_doubt_of_three_tests() -> None:
    def traces(first: int, slow: float) -> list[Remembered]:
        return [
            trace(first + number, [visit("stock", slow if pod == "2" else 10.0, pod=pod)])
            for number, pod in enumerate(["1", "2", "3"] * 4)
        ]

    table = LatencyTable([traces(0, 10.0), traces(12, 100.0)])
    assert table.strongest(1) == pytest.approx(moved(10, 100) ** 2 / 2 - math.log(3))


@pytest.mark.parametrize(("early", "late"), [(2, 4), (4, 2)])
def test_an_instance_with_two_observations_does_not_speak_for_itself(early: int, late: int) -> None:
    def traces(first: int, count: int, slow: float) -> list[Remembered]:
        rest = bucket(first, 20, [visit("stock", 10.0, pod="1")])
        return [*rest, *bucket(first + 20, count, [visit("stock", slow, pod="2")])]

    table = LatencyTable([traces(0, early, 10.0), traces(30, late, 100.0)])
    assert table.strongest(1) < (moved(10, 100) ** 2 / 2 - math.log(2)) / 4


def test_a_slow_call_is_charged_to_both_its_ends_and_a_little_less_to_its_caller() -> None:
    before = [visit("front", 10.0), visit("stock", 10.0, parent=0, gap=1.0)]
    after = [visit("front", 10.0), visit("stock", 10.0, parent=0, gap=20.0)]
    front, stock = LatencyTable([bucket(0, 10, before), bucket(10, 10, after)]).attributions(1)
    nats = gain(moved(1, 20), stretches=3)
    for found, service, weight in ((front, "front", CALLER), (stock, "stock", 1.0)):
        assert (found.service, found.share, found.instance) == (service, 1.0, "")
        assert found.gain == pytest.approx(nats)
        assert found.precision == pytest.approx(risen(nats) * weight)
        assert found.stretch == Stretch("front", "stock", "stock.do")
        assert found.before == pytest.approx(1.05 * MILLISECOND)
        assert found.after == pytest.approx(20.05 * MILLISECOND)
        assert numbers(found.trace_ids) == [10, 11, 12]


def test_the_service_all_of_whose_calls_are_slow_is_believed_before_the_caller_of_one() -> None:
    callers = ("a", "b", "c")
    visits = [visit("front", 1.0), *(visit(name, 1.0, parent=0, gap=1.0) for name in callers)]
    before = visits + [visit("stock", 1.0, parent=number, gap=1.0) for number in (1, 2, 3)]
    after = visits + [visit("stock", 1.0, parent=number, gap=30.0) for number in (1, 2, 3)]
    found = {item.service: item for item in LatencyTable([bucket(0, 9, before), bucket(9, 9, after)]).attributions(1)}
    nats = gain(moved(1, 30), stretches=5 + 3 + 3)
    assert set(found) == {"a", "b", "c", "stock"}
    assert found["stock"].precision == pytest.approx(risen(nats))
    assert found["stock"].share == pytest.approx(1.0)
    for name in callers:
        assert found[name].precision == pytest.approx(CALLER * risen(nats))
        assert found[name].share == pytest.approx(1 / 3)


def test_the_share_is_of_the_time_added_to_requests() -> None:
    """`often` adds half as much as `seldom`, but twice in each request, and `seldom` comes in every other one."""

    def traces(first: int, often: float, seldom: float) -> list[Remembered]:
        twice = [visit("front", 1.0), visit("often", often, parent=0), visit("often", often, parent=0)]
        return [trace(first + number, [*twice, visit("seldom", seldom, parent=0)][: 4 - number % 2]) for number in range(10)]

    table = LatencyTable([traces(0, 10.0, 10.0), traces(10, 110.0, 210.0)])
    found = {item.service: item for item in table.attributions(1)}
    added = {
        "often": 2 * 100 * risen(gain(moved(10, 110), 3)),
        "seldom": 0.5 * 200 * risen(gain(moved(10, 210), 3)),
    }
    assert set(found) == set(added)
    for service, own in added.items():
        assert found[service].share == pytest.approx(own / sum(added.values()))


def test_the_heaviest_stretch_is_quoted_with_the_traces_that_were_slowest_in_it() -> None:
    before = [visit("front", 10.0), visit("stock", 10.0, parent=0, gap=10.0)]
    since = [
        trace(100 + number, [visit("front", 10.0), visit("stock", 50.0, parent=0, gap=300.0 + late)])
        for number, late in enumerate((0.0, 5.0, 1.0, 9.0, 7.0))
    ]
    slow_before = trace(99, [visit("front", 10.0), visit("stock", 10.0, parent=0, gap=10.0)])
    table = LatencyTable([[*bucket(0, 9, before), slow_before], since])
    (stock,) = (item for item in table.attributions(1) if item.service == "stock")
    assert stock.stretch == Stretch("front", "stock", "stock.do")
    assert numbers(stock.trace_ids) == [103, 104, 101]


def test_a_trace_is_quoted_once_however_often_it_passed_there() -> None:
    def visits(own: float) -> list[Visit]:
        return [visit("front", 1.0), *(visit("stock", own, parent=0) for _ in range(4))]

    table = LatencyTable([bucket(0, 9, visits(1.0)), bucket(9, 2, visits(50.0))])
    (stock,) = table.attributions(1)
    assert numbers(stock.trace_ids) == [9, 10]


PODS = ("1", "2", "3")


def of_pods(first: int, slow: float, *, caller: str = "") -> list[Remembered]:
    """Four calls of each pod of `stock`, or by each pod of `front`; those of the second are slow."""
    found = []
    for number, pod in enumerate(PODS * 4):
        gap = slow if pod == "2" else 10.0
        front, stock = (pod, "1") if caller else ("1", pod)
        found.append(trace(first + number, [visit("front", 1.0, pod=front), visit("stock", 1.0, parent=0, gap=gap, pod=stock)]))
    return found


@pytest.mark.parametrize(("caller", "culprit"), [("", "stock"), ("front", "front")], ids=["callee", "caller"])
def test_the_instance_at_the_end_that_is_charged_is_named_with_its_own_times(caller: str, culprit: str) -> None:
    table = LatencyTable([of_pods(0, 10.0, caller=caller), of_pods(12, 100.0, caller=caller)])
    found = {item.service: table.narrowed(item, 1) for item in table.attributions(1)}
    (other,) = {"front", "stock"} - {culprit}
    assert (found[culprit].instance, found[other].instance) == (f"{culprit}-2", "")
    assert found[culprit].before == pytest.approx(10.05 * MILLISECOND)
    assert found[culprit].after == pytest.approx(100.05 * MILLISECOND)
    assert found[other].after == pytest.approx(math.exp((2 * log(10) + log(100)) / 3)), "of all instances: their geometric mean"


def test_an_instance_that_came_with_the_change_keeps_the_past_of_its_service() -> None:
    before = bucket(0, 12, [visit("stock", 10.0, pod="1")])
    since = [*bucket(12, 9, [visit("stock", 10.0, pod="1")]), *bucket(30, 9, [visit("stock", 1000.0, pod="new")])]
    table = LatencyTable([before, since])
    (found,) = (table.narrowed(item, 1) for item in table.attributions(1))
    assert found.instance == "stock-new"
    assert found.before == pytest.approx(10.05 * MILLISECOND)
    assert found.after == pytest.approx(1000.05 * MILLISECOND)
    assert np.isfinite(found.weight)
