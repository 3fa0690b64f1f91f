"""Shape attributions, counted by hand.

An event in none of n visits before and in all of n since gains 2 n ln 2: half of them is what they have together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from processors.call_graph.visits import Event
from processors.root_cause.shape import ShapeAttribution, ShapeTable
from tests.processors.root_cause.visited import bucket, numbers, trace, visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.root_cause.trace_memory import Remembered

QUERY = Event("operation", "SELECT")
SLOW = Event("operation", "WAIT")
PAID = Event("log", "paid")
ERROR = Event("error", "GET")


def likelihood(hits: int, trials: int) -> float:
    """Log likelihood of so many hits at their own share."""
    return sum(count * math.log(count / trials) for count in (hits, trials - hits) if count)


def gain(hits: int, trials: int, hits_after: int, trials_after: int) -> float:
    together = likelihood(hits + hits_after, trials + trials_after)
    return likelihood(hits, trials) + likelihood(hits_after, trials_after) - together


def with_and_without(first: int, hits: int, count: int, event: Event) -> list[Remembered]:
    """Traces of one visit of `stock`, of which the first few have an event."""
    return [trace(first + number, [visit("stock", events=[event] if number < hits else [])]) for number in range(count)]


def only(table: ShapeTable, split: int = 1) -> ShapeAttribution:
    (found,) = table.attributions(split)
    return found


def test_the_weight_is_the_compressed_gain() -> None:
    found = ShapeAttribution("stock", "stock.do", QUERY, math.e - 1, (0, 1), (1, 1), ())
    assert found.weight == pytest.approx(1.0)
    assert found.instance == ""


@pytest.mark.parametrize("buckets", [0, 2])
def test_where_no_trace_came_nobody_deviates(buckets: int) -> None:
    table = ShapeTable([[]] * buckets)
    assert (table.strongest(1), table.attributions(1)) == (0.0, [])


def test_visits_in_which_nothing_happens_deviate_from_nothing() -> None:
    table = ShapeTable([bucket(0, 10, [visit("stock")]), bucket(10, 10, [visit("stock")])])
    assert (table.strongest(1), table.attributions(1)) == (0.0, [])


@pytest.mark.parametrize("counts", [(0, 10, 10, 10), (2, 10, 9, 12), (9, 12, 2, 10), (30, 30, 1, 20)])
def test_a_change_of_frequency_gains_the_likelihood_of_two_shares_over_one(counts: tuple[int, int, int, int]) -> None:
    hits, trials, hits_after, trials_after = counts
    before, since = with_and_without(0, hits, trials, QUERY), with_and_without(50, hits_after, trials_after, QUERY)
    table = ShapeTable([before, since])
    assert table.gains(1) == pytest.approx([gain(*counts)])
    assert table.strongest(1) == pytest.approx(gain(*counts))
    found = only(table)
    assert (found.service, found.operation, found.event) == ("stock", "stock.do", QUERY)
    assert (found.before, found.after) == ((hits, trials), (hits_after, trials_after))
    assert found.gain == pytest.approx(gain(*counts)), "of one event there is no doubt of many tests"


def test_the_examples_are_three_traces_that_have_what_came_and_lack_what_went() -> None:
    came = ShapeTable([with_and_without(0, 0, 30, QUERY), with_and_without(50, 5, 20, QUERY)])
    went = ShapeTable([with_and_without(0, 30, 30, QUERY), with_and_without(50, 5, 20, QUERY)])
    assert numbers(only(came).trace_ids) == [50, 51, 52]
    assert numbers(only(went).trace_ids) == [55, 56, 57]


def test_what_is_called_for_the_first_time_deviates_from_nothing() -> None:
    table = ShapeTable([bucket(0, 10, [visit("front")]), bucket(10, 10, [visit("stock", events=[QUERY])])])
    assert (table.strongest(1), table.attributions(1)) == (0.0, [])


def test_failures_count_when_there_are_more_of_them_only() -> None:
    ceased = ShapeTable([with_and_without(0, 10, 10, ERROR), with_and_without(10, 0, 10, ERROR)])
    came = ShapeTable([with_and_without(0, 0, 10, ERROR), with_and_without(10, 10, 10, ERROR)])
    assert (ceased.strongest(1), ceased.attributions(1)) == (0.0, [])
    assert only(came).gain == pytest.approx(20 * math.log(2))


def test_what_a_failure_cuts_short_is_no_change_of_its_own() -> None:
    before = bucket(0, 10, [visit("stock", events=[QUERY])])
    failing, well = [visit("stock", events=[ERROR])], [visit("stock", events=[QUERY])]
    table = ShapeTable([before, [*bucket(10, 10, failing), *bucket(20, 10, well)]])
    found = only(table)
    assert (found.event, found.before, found.after) == (ERROR, (0, 10), (10, 20))
    assert table.strongest(1) == pytest.approx(gain(0, 10, 10, 20))


def test_nor_is_what_a_failure_below_cuts_short() -> None:
    """`front` pays no more, since `stock` fails; `stock` fails itself."""
    well = [visit("front", events=[PAID]), visit("cart", parent=0), visit("stock", parent=1)]
    failing = [visit("front"), visit("cart", parent=0), visit("stock", parent=1, events=[ERROR])]
    table = ShapeTable([bucket(0, 10, well), [*bucket(10, 10, failing), *bucket(20, 10, well)]])
    found = only(table)
    assert (found.service, found.event) == ("stock", ERROR)
    assert found.gain == pytest.approx(gain(0, 10, 10, 20) - math.log(2)), "two events are two tests"


def test_shares_that_vary_from_bucket_to_bucket_say_less() -> None:
    """Before: 0 of 10 and 10 of 10 where 5 are expected with a variance of 2.5, so 20 squares of one degree of freedom."""
    table = ShapeTable(
        [with_and_without(0, 0, 10, QUERY), with_and_without(10, 10, 10, QUERY), with_and_without(20, 20, 20, QUERY)]
    )
    dispersion = (20 + 5) / (1 + 5)
    assert table.gains(2) == pytest.approx([gain(10, 20, 20, 20) / dispersion])
    assert only(table, 2).gain == pytest.approx(gain(10, 20, 20, 20) / dispersion)


def test_shares_that_vary_less_than_chance_say_no_more() -> None:
    before = [with_and_without(number * 10, 5, 10, QUERY) for number in range(20)]
    table = ShapeTable([*before, with_and_without(500, 20, 20, QUERY)])
    assert table.gains(20) == pytest.approx([gain(100, 200, 20, 20)])


def test_a_caller_that_gives_up_because_its_callee_fails_is_not_accused() -> None:
    well = [visit("front"), visit("cart", parent=0), visit("stock", parent=1)]
    failing = [
        visit("front", events=[ERROR]),
        visit("cart", parent=0, events=[ERROR]),
        visit("stock", parent=1, events=[ERROR]),
    ]
    assert only(ShapeTable([bucket(0, 10, well), bucket(10, 10, failing)])).service == "stock"


def caller_and_callee(first: int, *, caller: bool, callees: Sequence[bool]) -> list[Remembered]:
    """`front`, which asks for something else or not, over `stock`, which waits in some of the traces."""
    asked = [QUERY] if caller else []
    return [
        trace(
            first + number,
            [visit("front", events=asked), visit("cart", parent=0), visit("stock", parent=1, events=[SLOW] if waits else [])],
        )
        for number, waits in enumerate(callees)
    ]


def test_a_callee_that_is_asked_for_something_else_is_not_accused() -> None:
    half = [True, False] * 10
    before = caller_and_callee(0, caller=False, callees=[False] * 20)
    found = only(ShapeTable([before, caller_and_callee(20, caller=True, callees=half)]))
    assert (found.service, found.event) == ("front", QUERY)
    assert (found.before, found.after) == ((0, 20), (10, 10)), "where nothing deviates below"
    assert numbers(found.trace_ids) == [21, 23, 25]
    alone = only(ShapeTable([before, caller_and_callee(20, caller=False, callees=half)]))
    assert (alone.service, alone.before, alone.after) == ("stock", (0, 20), (10, 20))


def test_two_services_that_have_nothing_to_do_with_each_other_are_both_accused_the_stronger_first() -> None:
    def traces(first: int, cart: int, stock: int) -> list[Remembered]:
        return [
            trace(
                first + number,
                [
                    visit("front"),
                    visit("cart", parent=0, events=[QUERY] if number < cart else []),
                    visit("stock", parent=0, events=[SLOW, PAID] if number < stock else []),
                ],
            )
            for number in range(20)
        ]

    found = ShapeTable([traces(0, 0, 0), traces(20, 12, 18)]).attributions(1)
    assert [(item.service, item.event) for item in found] == [("stock", PAID), ("stock", SLOW), ("cart", QUERY)]
    doubt = math.log(3)
    assert [item.gain for item in found] == pytest.approx(
        [gain(0, 20, 18, 20) - doubt, gain(0, 20, 18, 20) - doubt, gain(0, 20, 12, 20) - doubt]
    )


def test_a_change_that_many_tests_may_have_found_by_chance_is_none() -> None:
    """Two hits of twenty gain 1.43 nats, less than what one of two events must, which is ln 2 + 2."""
    before = [trace(number, [visit("stock", events=[QUERY])]) for number in range(20)]
    since = [trace(20 + number, [visit("stock", events=[QUERY, SLOW] if number < 2 else [QUERY])]) for number in range(20)]
    table = ShapeTable([before, since])
    assert table.strongest(1) == pytest.approx(gain(0, 20, 2, 20))
    assert table.attributions(1) == []


def of_pods(first: int, faulty: str, event: Event, *, has: bool) -> list[Remembered]:
    found = []
    for number in range(30):
        pod = "abc"[number % 3]
        events = [event] if has == (pod == faulty) else []
        found.append(trace(first + number, [visit("stock", events=events, pod=pod)]))
    return found


@pytest.mark.parametrize(
    ("event", "has", "before", "after"),
    [(ERROR, True, (0, 10), (10, 10)), (QUERY, True, (0, 10), (10, 10)), (QUERY, False, (10, 10), (0, 10))],
    ids=["fails", "does more", "does less"],
)
def test_the_instance_in_which_it_has_changed_is_named_with_its_own_counts(
    event: Event,
    has: bool,  # noqa: FBT001 - a parameter
    before: tuple[int, int],
    after: tuple[int, int],
) -> None:
    table = ShapeTable([of_pods(0, "", event, has=has), of_pods(30, "b", event, has=has)])
    found = table.narrowed(only(table), 1)
    assert (found.instance, found.before, found.after) == ("stock-b", before, after)


def test_where_all_instances_have_changed_none_is_named() -> None:
    table = ShapeTable([of_pods(0, "", QUERY, has=True), of_pods(30, "", QUERY, has=False)])
    found = table.narrowed(only(table), 1)
    assert (found.instance, found.before, found.after) == ("", (0, 30), (30, 30))


def test_a_trace_counts_once_for_an_instance_however_often_it_went_there() -> None:
    def traces(first: int, event: Sequence[Event]) -> list[Remembered]:
        twice = [
            [
                visit("front"),
                visit("stock", parent=0, pod=pod, events=event if pod == "b" else ()),
                visit("stock", parent=0, pod=pod),
            ]
            for pod in "abc"
        ]
        return [trace(first + number, twice[number % 3]) for number in range(30)]

    table = ShapeTable([traces(0, []), traces(30, [QUERY])])
    found = table.narrowed(only(table), 1)
    assert (found.instance, found.before, found.after) == ("stock-b", (0, 10), (10, 10))


def test_the_visits_of_an_instance_that_failed_say_nothing_of_its_other_events() -> None:
    """Pod b writes nothing more, and in half of its traces only because it failed, as it always did."""

    def traces(first: int, *, silent: bool) -> list[Remembered]:
        found = []
        for number in range(60):
            pod = "abc"[number % 3]
            fails = pod == "b" and number % 2 == 0
            says = not fails and not (silent and pod == "b")
            events = [ERROR] * fails + [PAID] * says
            found.append(trace(first + number, [visit("stock", events=events, pod=pod)]))
        return found

    table = ShapeTable([traces(0, silent=False), traces(60, silent=True)])
    found = table.narrowed(only(table), 1)
    assert (found.event, found.instance, found.before, found.after) == (PAID, "stock-b", (10, 10), (0, 10))
