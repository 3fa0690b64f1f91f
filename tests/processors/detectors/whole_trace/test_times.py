"""Columns of traces worked by hand, and what is learned of traces of which that is known."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest

from processors.detectors.whole_trace.rows import OTHERS, TraceRow
from processors.detectors.whole_trace.times import (
    DURATION,
    FARTHEST,
    FLOOR,
    GAP,
    LEAST_SPREAD,
    SELF_TIME,
    VISITS,
    Column,
    TimeModel,
    fit_times,
    logarithms,
)

NAMES = [OTHERS, ("shop", "GET"), ("db", "get"), ("bank", "pay")]
MICROSECOND = 1000


def row(duration: float, *places: tuple[int, float, float, int]) -> TraceRow:
    """Of times in microseconds; of each place its number, self time, gap (-1 where unknown) and visits."""
    flat = array("q")
    for number, self_time, gap, visits in places:
        flat.extend((number, int(self_time * MICROSECOND), int(gap * MICROSECOND) if gap >= 0 else -1, visits, 0))
    return TraceRow(b"t", 0, int(duration * MICROSECOND), flat)


def three(number: int) -> list[Column]:
    return [Column(NAMES[number], name) for name in (SELF_TIME, GAP, VISITS)]


def test_a_trace_as_logarithms_of_microseconds_and_visits() -> None:
    columns = [*three(2), *three(1), Column(("", ""), DURATION)]
    rows = [row(99, (1, 9, -1, 1), (2, 19, 4, 3)), row(7, (1, 0, 0, 2), (3, 5, 5, 5))]
    found = np.exp(logarithms(columns, np.array([2, 1]), rows))
    nan = math.nan
    expected = [[20, 5, 3, 10, nan, 1, 100], [nan, nan, nan, 1, 1, 2, 8]]
    np.testing.assert_allclose(found, expected)


def test_no_traces_and_no_places_have_logarithms_too() -> None:
    columns = [*three(1), Column(("", ""), DURATION)]
    assert logarithms(columns, np.array([1]), []).shape == (0, 4)
    np.testing.assert_allclose(logarithms(columns[-1:], np.zeros(0, np.int64), [row(99, (1, 9, -1, 1))]), [[math.log(100)]])
    assert np.isnan(logarithms(columns, np.array([3]), [row(99, (1, 9, -1, 1))])[0, :3]).all()


def test_a_deviation_is_in_spreads_from_the_centre_at_most_fifty_and_none_of_what_is_not_there() -> None:
    columns = (*three(1), Column(("", ""), DURATION))
    middle = np.array([math.log(10), 0.0, 0.0, math.log(100)])
    model = TimeModel(columns, np.array([1]), middle, np.full(4, math.log(2)), np.array([1.0, 0, 0, 0]), np.eye(4))
    found = model.deviations([row(99, (1, 39, -1, 1)), row(199, (2, 1, 1, 1))])
    np.testing.assert_allclose(found, [[1, 0, 0, 0], [0, 0, 0, 1]], atol=1e-12)
    narrow = model._replace(spread=np.full(4, 0.01))
    np.testing.assert_allclose(narrow.deviations([row(1, (1, 99, -1, 1))])[0, [0, 3]], [FARTHEST, -FARTHEST])


def test_the_shares_of_the_columns_are_the_squared_distance() -> None:
    model = TimeModel((), np.zeros(0, np.int64), np.zeros(2), np.ones(2), np.zeros(2), np.array([[2.0, -1.0], [-1.0, 1.0]]))
    np.testing.assert_allclose(model.shares(np.array([[1.0, 0.0], [1.0, 2.0]])), [[2.0, 0.0], [0.0, 2.0]])


def test_traces_that_are_all_alike_lie_in_the_centre_and_what_differs_is_as_far_as_the_floors_say() -> None:
    model = fit_times(NAMES, [row(99, (1, 9, -1, 1), (2, 19, 4, 3))] * 40)
    assert model.columns == (*three(2), *three(1), Column(("", ""), DURATION))
    assert model.numbers.tolist() == [2, 1], "by name"
    np.testing.assert_allclose(np.exp(model.middle), [20, 5, 3, 10, 1, 1, 100])
    assert model.spread[[0, 1, 3, 6]].tolist() == [LEAST_SPREAD] * 4
    assert model.centre.tolist() == [0.0] * 7
    # How often a place is visited, and a gap that nobody knows, are no columns of the distance.
    np.testing.assert_allclose(model.precision, np.diag([1 / FLOOR, 1 / FLOOR, 0, 1 / FLOOR, 0, 0, 1 / FLOOR]))
    far = model.shares(model.deviations([row(99, (1, 9 * math.e + math.e - 1, -1, 7), (2, 19, 4, 3))]))
    np.testing.assert_allclose(far.sum(), (1 / LEAST_SPREAD) ** 2 / FLOOR, rtol=1e-3)


def test_what_is_usual_of_times_is_their_median_and_their_median_distance_from_it() -> None:
    rng = np.random.default_rng(1)
    logs = rng.normal(math.log(5000), 0.5, (201, 2))
    model = fit_times(NAMES, [row(math.exp(whole), (1, math.exp(own), -1, 1)) for own, whole in logs])
    median = np.median(logs, axis=0)
    np.testing.assert_allclose(model.middle[[0, 3]], median, atol=1e-3)
    np.testing.assert_allclose(model.spread[[0, 3]], 1.4826 * np.median(abs(logs - median), axis=0), atol=1e-3)
    np.testing.assert_allclose(model.centre[[0, 3]], 0.0, atol=0.3)
    distances = model.shares(model.deviations([row(math.exp(whole), (1, math.exp(own), -1, 1)) for own, whole in logs]))
    assert np.median(distances.sum(axis=1)) == pytest.approx(1.39, rel=0.3), "of a chi-squared with two degrees"


@pytest.mark.parametrize(("known", "has"), [(20, True), (19, False)])
def test_a_gap_that_half_of_the_traces_know_has_a_column(known: int, has: bool) -> None:  # noqa: FBT001  # a column
    model = fit_times(NAMES, [row(99 + n, (1, 9 + n % 7, 5 + n % 5 if n < known else -1, 1)) for n in range(40)])
    assert bool(model.precision[1, 1]) is has


def test_the_places_with_columns_are_those_in_which_most_time_passes_one_for_nine_traces() -> None:
    rare = (3, 500.0, -1.0, 1)
    usual = [(1, 10.0, -1.0, 1), (2, 20.0, -1.0, 1), (0, 99.0, -1.0, 1)]
    few = [row(99, *usual)] * 9 + [row(99, *usual, rare)] * 8
    assert fit_times(NAMES, few).numbers.tolist() == [2]
    assert fit_times(NAMES, few[:4]).numbers.tolist() == [2], "one at least"
    assert fit_times(NAMES, [*few, few[0]]).numbers.tolist() == [2, 1]
    assert fit_times(NAMES, [few[-1]] * 27).numbers.tolist() == [3, 2, 1]
    assert fit_times(NAMES, [*few, few[-1]]).numbers.tolist() == [3, 2], "half of the traces are enough"
    alike = [row(99, (1, 10.0, -1.0, 1), (2, 10.0, -1.0, 1))] * 9
    assert fit_times(NAMES, alike).numbers.tolist() == [2], "the first by name"
