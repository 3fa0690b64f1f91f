"""How odd the calls of a trace are among forty that were counted, by hand."""

from __future__ import annotations

import json
import math
from array import array

import pytest

from processors.detectors.whole_trace import calls as module
from processors.detectors.whole_trace.calls import FEW, CallCounts, OddCall
from processors.detectors.whole_trace.rows import TraceRow

ROOT, STOCK = 1, 2


def row(stock: int = 0, failures: int = 0, root: int = 1) -> TraceRow:
    """A trace that visits its root, and the stock so many times."""
    places = array("q", (ROOT, 9, -1, root, 0))
    if stock:
        places.extend((STOCK, 9, -1, stock, failures))
    return TraceRow(b"t", 0, 9, places)


def counted(*rows: tuple[int, TraceRow]) -> CallCounts:
    counts = CallCounts()
    for times, one in rows:
        for _ in range(times):
            counts.learn(one)
    return counts


def test_a_call_that_most_traces_make_is_missing_and_one_that_few_make_is_new() -> None:
    most, half, few = (counted((number, row(1)), (40 - number, row())) for number in (30, 20, 10))
    rarity = pytest.approx([math.log(41 / 10.5)] * 2)
    (missing,) = most.oddities(row())
    assert missing._replace(surprise=0.0) == OddCall("missing", 0.0, STOCK, 10.0, 40.0, 0, 1)
    (new,) = few.oddities(row(1))
    assert new._replace(surprise=0.0) == OddCall("new", 0.0, STOCK, 10.0, 40.0, 1, 0)
    assert [missing.surprise, new.surprise] == rarity
    assert most.oddities(row(1)) == half.oddities(row()) == half.oddities(row(1)) == few.oddities(row()) == []


def test_a_call_never_made_was_made_by_half_a_trace() -> None:
    (new,) = counted((40, row())).oddities(row(3))
    assert (new.kind, new.like, new.seen) == ("new", 0.0, 3), "and it is not repeated"
    assert new.surprise == pytest.approx(math.log(41 / 0.5))


def test_a_call_is_repeated_beyond_the_most_that_was() -> None:
    counts = counted((38, row(1)), (1, row(2)), (1, row(1)))
    assert counts.oddities(row(2)) == []
    (found,) = counts.oddities(row(4))
    assert found._replace(surprise=0.0) == OddCall("repeated", 0.0, STOCK, 0.0, 40.0, 4, 2)
    assert found.surprise == pytest.approx(math.log(41 / 0.5) * (1 + math.log(2)))


def test_a_failure_is_as_rare_as_traces_with_one() -> None:
    (found,) = counted((35, row(1)), (5, row(1, failures=3))).oddities(row(1, failures=2))
    assert found._replace(surprise=0.0) == OddCall("failed", 0.0, STOCK, 5.0, 40.0, 2, 0)
    assert found.surprise == pytest.approx(math.log(41 / 5.5))


def test_the_strongest_comes_first_and_of_equals_the_lower_number_and_the_name() -> None:
    found = counted((40, row())).oddities(row(1, failures=1, root=3))
    assert [(odd.number, odd.kind) for odd in found] == [(ROOT, "repeated"), (STOCK, "failed"), (STOCK, "new")]


def test_a_trace_surprises_by_the_share_that_were_as_odd() -> None:
    counts = CallCounts()
    assert counts.surprise(3.0) == 0.0, "nothing is known"
    for oddest in (0.0, 2.0, 3.0, 0.0, 1.0, 0.0, 0.0, 2.0004, 0.0):
        counts.learn(row(), oddest)
    counts.learn(row())
    assert counts.traces == 10
    found = [counts.surprise(oddest) for oddest in (-1.0, 0.0, 0.5, 2.0, 2.5, 9.0)]
    assert found == pytest.approx([0.0, 0.0, math.log(10 / 5), math.log(10 / 4), math.log(10 / 2), math.log(10)])


def test_traces_that_nobody_judged_are_compared_once_twenty_are_known() -> None:
    counts = CallCounts()
    counts.learn_all([row()] * FEW)
    assert counts.surprise(1.0) == 0.0
    counts.learn_all([row(), row(1), row()])
    oddest = math.log((FEW + 2) / 0.5)
    assert counts.snapshot()["oddest"] == pytest.approx([0.0, 0.0, oddest], abs=1e-3)
    assert counts.traces == FEW + 3


def test_counts_are_halved_so_that_what_lasts_becomes_how_things_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY", 10)
    counts = CallCounts()
    for number in range(10):
        counts.learn(row(3, failures=number == 5) if number in {2, 5} else row(), float(number))
    assert counts.snapshot()["places"] == [[ROOT, 10.0, 1, 0.0], [STOCK, 2.0, 3, 1.0]]
    counts.learn(row(), 10.0)
    assert counts.snapshot() == {
        "traces": 5.5,
        "places": [[ROOT, 5.5, 1, 0.0], [STOCK, 1.0, 3, 0.5]],
        "oddest": [0.0, 2.0, 4.0, 6.0, 8.0, 10.0],
    }
    for _ in range(5):
        counts.learn(row())
    assert counts.snapshot()["places"] == [[ROOT, 5.25, 1, 0.0], [STOCK, 0.5, 3, 0.0]]
    for _ in range(5):
        counts.learn(row())
    assert [place[0] for place in counts.snapshot()["places"]] == [ROOT]


def test_counts_that_were_kept_are_the_same() -> None:
    counts, again = counted((30, row(2, failures=1)), (10, row())), CallCounts()
    for oddest in (0.0, 1.5):
        counts.learn(row(), oddest)
    again.restore(json.loads(json.dumps(counts.snapshot())))
    assert again.snapshot() == counts.snapshot()
    odd = row(9, failures=1, root=2)
    assert again.oddities(odd) == counts.oddities(odd) != []
    assert again.surprise(1.0) == counts.surprise(1.0) > 0
