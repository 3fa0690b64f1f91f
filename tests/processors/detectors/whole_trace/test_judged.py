"""The parts that a trace names, worked by hand."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

import numpy as np
import pytest

from processors.detectors.whole_trace.calls import OddCall
from processors.detectors.whole_trace.judged import ODD, JudgedTrace, Part, parts_of
from processors.detectors.whole_trace.rows import OTHERS, TraceRow
from processors.detectors.whole_trace.times import DURATION, GAP, SELF_TIME, VISITS, Column, TimeModel

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOP, STOCK = ("shop", "GET /cart"), ("db", "get")
NAMES = [OTHERS, SHOP, STOCK]
COLUMNS = (
    *(Column(place, name) for place in (SHOP, STOCK) for name in (SELF_TIME, GAP, VISITS)),
    Column(("", ""), DURATION),
)
LEFT, WAITED, CALLED, WHOLE = 0, 4, 5, 6  # of the shop itself; for the stock; how often; all in all


def parts(
    shares: Mapping[int, float],
    usual: Mapping[int, float] | None = None,
    seen: Mapping[int, float] | None = None,
    odd_calls: tuple[OddCall, ...] = (),
) -> tuple[Part, ...]:
    """Of a trace two spreads from what is usual, which is one spread above the middle; times in microseconds."""
    before, after = ({column: value.get(column, 1.0) for column in range(7)} for value in (usual or {}, seen or {}))
    logs = [[math.log(value[n]) if n == CALLED else math.log1p(value[n]) for n in range(7)] for value in (before, after)]
    spread = (np.array(logs[1]) - np.array(logs[0])) / 2
    spread[spread == 0] = 0.1
    model = TimeModel(COLUMNS, np.array([1, 2]), np.array(logs[0]) - spread, spread, np.ones(7), np.eye(7))
    return parts_of(NAMES, model, np.array([shares.get(n, 0.0) for n in range(7)]), np.full(7, 2.0), odd_calls)


def test_the_times_that_make_a_trace_odd_are_named_by_their_shares_with_what_they_are_usually() -> None:
    found = parts(
        {LEFT: 3.0, WAITED: 5.0, CALLED: 2.0},
        {LEFT: 20.0, WAITED: 1200.0, CALLED: 2.0},
        {LEFT: 1_500_000.0, WAITED: 5000.0, CALLED: 8.0},
    )
    assert [part[:3] for part in found] == [(*STOCK, GAP), (*SHOP, SELF_TIME), (*STOCK, VISITS)]
    assert [part.share for part in found] == pytest.approx([0.5, 0.3, 0.2])
    assert [(part.seen, part.usual) for part in found] == [
        pytest.approx((0.005, 0.0012)),
        pytest.approx((1.5, 20e-6)),
        pytest.approx((8.0, 2.0)),
    ]
    assert [part.why for part in found] == [
        "db get was waited for 5 ms longer than it took, usually 1.2 ms",
        "shop GET /cart took 1.5 s in itself, usually 20 µs",
        "db get was called 8 times, usually 2",
    ]


def test_the_duration_of_the_whole_is_named_only_where_no_place_explains_it() -> None:
    ((service, operation, quantity, seen, usual, share, why),) = parts(
        {LEFT: 0.9, WHOLE: 9.1}, {WHOLE: 250_000.0}, {WHOLE: 2e6}
    )
    assert (service, operation, quantity) == ("", "", DURATION)
    assert (seen, usual, share) == pytest.approx((2.0, 0.25, 0.91))
    assert why == "the whole trace took 2 s, usually 250 ms"
    (part,) = parts({LEFT: 1.0, WHOLE: 9.0})
    assert (part.service, part.quantity) == ("shop", SELF_TIME)
    assert part.share == pytest.approx(0.1)


def test_a_tenth_of_the_distance_is_the_least_that_is_named_and_three_are_the_most() -> None:
    assert [part.share for part in parts({LEFT: 9.05, WAITED: 0.95})] == pytest.approx([0.905])
    assert len(parts({0: 1.0, 1: 1.0, 3: 1.0, 4: 1.0})) == 3


def test_usual_times_have_no_part() -> None:
    assert parts({}) == ()


def test_a_column_against_another_has_the_whole_at_most() -> None:
    (part,) = parts({LEFT: 12.0, WAITED: -2.0})
    assert part.share == 1.0


@pytest.mark.parametrize(
    ("micros", "words"),
    [(9e7, "1.5 min"), (1.2e6, "1.2 s"), (999_000.0, "999 ms"), (999.9, "1,000 µs"), (250.0, "250 µs"), (0.0, "0 µs")],
)
def test_times_are_written_in_the_unit_that_fits(micros: float, words: str) -> None:
    (part,) = parts({LEFT: 1.0}, {LEFT: micros}, {LEFT: micros})
    assert part.why.endswith(f", usually {words}")


@pytest.mark.parametrize(
    ("odd", "usual", "words"),
    [
        (OddCall("missing", 4.0, 2, 1.6, 100.0, 0, 1), 1.0, "db get was not called, which 98 of 100 such traces did"),
        (OddCall("new", 4.0, 2, 2.0, 100.0, 3, 0), 0.0, "db get was called, which 2 of 100 such traces did"),
        (OddCall("repeated", 4.0, 2, 0.0, 100.0, 9, 3), 3.0, "db get was called 9 times, 3 was the most in 100 traces"),
        (OddCall("failed", 4.0, 2, 2.0, 100.0, 5, 0), 0.0, "db get failed, which it did in 2 of 100 such traces"),
        (
            OddCall("new", 4.0, 0, 2.0, 99.6, 1, 0),
            0.0,
            "operations beyond the bound was called, which 2 of 100 such traces did",
        ),
    ],
    ids=["missing", "new", "repeated", "failed", "others"],
)
def test_an_odd_call_says_how_many_traces_did_so(odd: OddCall, usual: float, words: str) -> None:
    (part,) = parts({}, odd_calls=(odd,))
    assert part == Part(*NAMES[odd.number], odd.kind, odd.seen, usual, 1.0, words)


def test_odd_calls_come_before_times_and_with_them_are_three_at_most() -> None:
    odd = [OddCall(kind, 4.0, number, 0.0, 100.0, 1, 0) for kind, number in (("new", 2), ("failed", 2), ("failed", 1))]
    assert [part.quantity for part in parts({LEFT: 1.0, WAITED: 1.0}, odd_calls=tuple(odd[:2]))] == ["new", "failed", SELF_TIME]
    found = parts({}, odd_calls=(*odd, OddCall("new", 3.0, 0, 0.0, 100.0, 1, 0)))
    assert [(part.quantity, part.service) for part in found] == [("new", "db"), ("failed", "db"), ("failed", "shop")]


@pytest.mark.parametrize(("surprise", "is_odd"), [(0.0, False), (ODD - 1e-9, False), (ODD, True), (14.0, True)])
def test_a_trace_is_odd_from_one_usual_one_in_twenty_on(surprise: float, is_odd: bool) -> None:  # noqa: FBT001  # a column
    judged = JudgedTrace(TraceRow(b"t", 0, 0, array("q")), surprise, 0.0, 0.0, ())
    assert judged.is_odd is is_odd
    assert judged.score == pytest.approx(1 - 2 ** (-surprise / 6))
