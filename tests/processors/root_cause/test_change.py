"""The statistics of a change against those of SciPy, or counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from processors.root_cause.change import PowerSums, heavy_tailed, level_shift, robust_spread, share_shift
from processors.root_cause.change_points import LEAST_SPREAD, PEER_WEIGHT, _gains

counts = st.integers(0, 60).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


def likelihood(hits: int, trials: int) -> float:
    return float(stats.binom.logpmf(hits, trials, hits / trials) - stats.binom.logpmf(hits, trials, 0.5)) if trials else 0.0


@given(counts, counts)
def test_two_shares_are_weighed_by_the_likelihood_ratio_of_binomials(before: tuple[int, int], after: tuple[int, int]) -> None:
    (gain,) = share_shift(*(np.array([float(number)]) for number in (*before, *after)))
    together = likelihood(before[0] + after[0], before[1] + after[1])
    assert gain == pytest.approx(likelihood(*before) + likelihood(*after) - together, abs=1e-9)


def sums(*samples: list[float]) -> PowerSums:
    return PowerSums(*(np.array([float(np.sum(np.array(own) ** power)) for own in samples]) for power in (0, 1, 2)))


def test_a_rise_is_counted_in_standard_errors_of_the_pooled_spread() -> None:
    before, after = [1.0, 2.0, 3.0, 4.0, 5.0], [4.0, 5.0, 6.0, 7.0, 8.0]
    found = level_shift(sums(before), sums(after), 0.0)
    assert found == pytest.approx(stats.ttest_ind(after, before).statistic)
    assert level_shift(sums(after), sums(before), 0.0) == pytest.approx(-found)
    assert 0 < level_shift(sums(before), sums(after), 3.0)[0] < 1
    assert level_shift(sums([]), sums(after), 0.0)[0] == 0
    assert level_shift(sums(before), sums([]), 0.0)[0] == 0


@given(st.floats(-50, 50))
def test_an_outlier_gains_what_students_density_loses(z: float) -> None:
    expected = stats.t.logpdf(0, 3) - stats.t.logpdf(z, 3)
    assert float(heavy_tailed(np.array(z))) == pytest.approx(expected, abs=1e-9)


def test_the_spread_is_that_of_the_middle_and_has_a_least() -> None:
    assert robust_spread(np.array([1.0, 2.0, 3.0, 4.0, 1000.0]), 0.1) == pytest.approx(1.4826)
    assert robust_spread(np.array([5.0, 5.0, 5.0]), 0.1) == 0.1
    assert robust_spread(np.array([]), 0.2) == 0.2


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.floats(0.1, 2))
def test_the_gain_of_a_moment_is_the_farthest_value_since_from_the_mean_before(values: list[float], drift: float) -> None:
    times = np.arange(len(values), dtype=np.int64) * 10
    candidates = np.arange(-5, 10 * len(values) + 10, 5, dtype=np.int64)
    found = _gains(times, np.array(values), candidates, drift)
    for candidate, gain in zip(candidates.tolist(), found.tolist(), strict=True):
        past = [value for time, value in zip(times.tolist(), values, strict=True) if time < candidate]
        since = values[len(past) :]
        if not past or not since:
            assert gain == 0
            continue
        mean = sum(past) / len(past)
        scatter = sum((value - mean) ** 2 for value in past)
        spread = max(LEAST_SPREAD, math.sqrt((PEER_WEIGHT * drift**2 + scatter) / (PEER_WEIGHT + len(past) - 1)))
        rise, fall = max(since) - mean, mean - min(since)
        if math.isclose(rise, fall, abs_tol=1e-9):
            continue  # which of the two it is, rounding says
        weight = 1.0 if rise > fall else 0.5
        assert gain == pytest.approx(weight * float(heavy_tailed(np.array(max(rise, fall) / spread))), rel=1e-6, abs=1e-9)


def test_the_mean_and_the_scatter_are_those_of_the_sample() -> None:
    sample = [1.0, 2.0, 6.0]
    found = sums(sample, [])
    assert found.mean() == pytest.approx([3.0, 0.0])
    assert found.scatter() == pytest.approx([4 + 1 + 9, 0.0])


def test_the_spread_of_a_measurement_is_drawn_to_the_median_of_all() -> None:
    """Three measurements with variances 1, 4 and 100 of six degrees of freedom each; the peers' counts for five more."""
    scales = np.array([1.0, 2.0, 10.0])
    before = sums(*([-own, -own, own, own] * scale for own in [math.sqrt(0.75)] for scale in [1]))  # variance 1 of 3 degrees
    before = PowerSums(*(column.repeat(3) * scales**power for power, column in enumerate(before)))
    after = PowerSums(before.n, before.total + 4.0, before.squares + 2 * before.total + 4.0)  # one higher each
    variance = (6 * scales**2 + 5 * 4.0) / (6 + 5)
    assert level_shift(before, after, 0.5) == pytest.approx(1 / np.sqrt(variance * (1 / 4 + 1 / 4) + 0.25))


@pytest.mark.parametrize(("here", "there", "peers"), [(2, 2, 1.0), (2, 3, 1.0), (3, 2, 1.0), (3, 3, 0.25), (2, 4, 0.25)])
def test_three_degrees_of_freedom_or_fewer_tell_no_spread_which_is_then_one(here: int, there: int, peers: float) -> None:
    before, after = [0.0, 1.0] + [0.5] * (here - 2), [5.0, 6.0] + [5.5] * (there - 2)  # both scatter by a half
    variance = (1.0 + 5 * peers) / (here + there - 2 + 5)
    expected = 5 / math.sqrt(variance * (1 / here + 1 / there))
    assert level_shift(sums(before), sums(after), 0.0) == pytest.approx(expected)


def test_a_single_observation_on_each_side_is_enough_for_a_shift() -> None:
    assert level_shift(sums([1.0]), sums([3.0]), 0.0) == pytest.approx(2 / math.sqrt(2))


def test_the_gain_of_each_outlier_is_its_own() -> None:
    assert heavy_tailed(np.array([[0.0, 1.0], [3.0, -3.0]]), 1.0) == pytest.approx(
        np.array([[0.0, math.log(2)], [math.log(10), math.log(10)]])
    ), "with one degree of freedom: Cauchy's"
