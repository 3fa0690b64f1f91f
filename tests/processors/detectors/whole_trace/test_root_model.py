"""When a root operation's model is fitted, and what a trace's surprise is, by a model that was made by hand."""

from __future__ import annotations

import math
from array import array
from itertools import count

import numpy as np
import pytest

from processors.detectors.whole_trace.fitting import Fit
from processors.detectors.whole_trace.judged import JudgedTrace
from processors.detectors.whole_trace.reservoir import SIZE
from processors.detectors.whole_trace.root_model import FIRST, REFIT, RootModel
from processors.detectors.whole_trace.rows import TraceRow
from processors.detectors.whole_trace.times import DURATION, GAP, SELF_TIME, VISITS, Column, TimeModel

PLACE = ("shop", "GET")
FITTED = Fit(
    TimeModel(
        (*(Column(PLACE, name) for name in (SELF_TIME, GAP, VISITS)), Column(("", ""), DURATION)),
        np.array([1]),
        np.array([math.log(1000.0), 0.0, 0.0, math.log(1000.0)]),
        np.full(4, math.log(2.0) / 10),
        np.zeros(4),
        np.diag([1.0, 0.0, 0.0, 0.0]),
    ),
    (np.arange(100.0) / 2) ** 2,
)
"""Of a millisecond, usually; usual traces are 0, 0.5, ... 49.5 spreads from it, ten of which are a doubling."""

numbers = count()


def rows(traces: int, *, spreads: float = 0.0, failures: int = 0) -> list[TraceRow]:
    time = round(1000 * (1000 * 2 ** (spreads / 10) - 1))
    places = array("q", (1, time, -1, 1, failures))
    return [TraceRow(next(numbers).to_bytes(16, "big"), 0, time, places) for _ in range(traces)]


def known(traces: int = FIRST) -> RootModel:
    model = RootModel()
    model.places.names.append(PLACE)
    model.judge(0, rows(traces))
    return model


def fitted() -> RootModel:
    model = known()
    assert model.wanted() is not None
    model.take(FITTED)
    return model


def test_a_fit_is_wanted_of_the_first_traces_then_of_twice_as_many_until_the_reservoir_is_full() -> None:
    model = known(FIRST - 1)
    assert model.wanted() is None
    for more, kept in ((1, FIRST), (FIRST, 2 * FIRST), (SIZE - 2 * FIRST, SIZE)):
        if more > 1:
            model.judge(0, rows(more - 1))
            assert model.wanted() is None, kept
        model.judge(0, rows(1))
        assert model.wanted() is not None, kept
        model.take(FITTED)
        assert model.wanted() is None
        assert model.traces == 2 * kept
    assert model.version == 3


def test_a_model_is_fitted_again_after_so_many_traces_were_judged_by_it() -> None:
    model = known(SIZE)
    for version in (1, 2):
        assert model.wanted() is not None
        model.take(FITTED)
        assert model.version == version
        for _ in range(2):
            model.judge(0, rows(REFIT // 2 - 1))
        model.judge(0, rows(1))
        assert model.wanted() is None
        model.judge(0, rows(1))
    assert model.wanted() is not None


def test_nothing_is_judged_before_the_first_fit() -> None:
    model = known()
    assert model.score(rows(3)) == []
    judged, share = model.judge(0, rows(3))
    assert (judged, share.odd, share.traces, share.surprise) == ([], 0, 3, 0.0)


def test_a_trace_surprises_by_its_rank_among_usual_ones_less_the_doubt_of_two_questions() -> None:
    model = fitted()
    before = model.snapshot()
    (row,) = rows(1)
    (usual,) = model.score([row])
    assert usual._replace(distance=0.0) == JudgedTrace(row, 0.0, 0.0, 0.0, ())
    assert usual.distance == pytest.approx(0.0, abs=1e-9)
    assert usual.score == 0.0
    half, more, far = (model.score(rows(1, spreads=spreads))[0] for spreads in (24.75, 25.25, -44.75))
    assert half.surprise == 0.0, "50 of 100 usual ones are as far"
    assert more.surprise == pytest.approx(math.log(101 / 50 / 2))
    assert far.surprise == pytest.approx(math.log(101 / 11 / 2)), "to whichever side"
    assert far.distance == pytest.approx(44.75**2, rel=1e-4)
    assert (far.parts, far.is_odd) == ((), False)
    assert model.snapshot() == before, "to score is to learn nothing"


def test_a_trace_that_fails_as_none_did_is_odd_by_its_calls_alone() -> None:
    model = fitted()
    (trace,) = model.score(rows(1, failures=2))
    # Of the first traces the twenty that were known before any was compared say nothing.
    assert trace.surprise == pytest.approx(math.log(FIRST - 20 + 1) - math.log(2))
    assert trace.oddest == pytest.approx(math.log((FIRST + 1) / 0.5))
    assert [part.quantity for part in trace.parts] == ["failed"]
    assert trace.parts[0].why == "shop GET failed, which it did in 0 of 120 such traces"
    assert trace.is_odd


def test_a_trace_names_its_times_where_they_are_what_is_odd() -> None:
    model = fitted()
    model.take(FITTED._replace(calibration=np.arange(100.0) / 100))
    slow, both = (model.score(rows(1, spreads=50, failures=failures))[0] for failures in (0, 1))
    assert [(part.quantity, part.why) for part in slow.parts] == [(SELF_TIME, "shop GET took 32 ms in itself, usually 999 µs")]
    assert {part.quantity for part in both.parts} == {"failed", SELF_TIME}
    assert both.surprise == slow.surprise > math.log(100)
