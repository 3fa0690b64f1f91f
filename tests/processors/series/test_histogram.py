from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.series.histogram import (
    EMPTY,
    MAX_BUCKETS,
    MAX_SCALE,
    bound,
    count,
    histogram,
    index_of,
    merge,
    of_counts,
    quantile,
    ranges,
    subtract,
)
from telemetry.metrics import ExponentialBuckets

latencies = st.floats(1e-6, 1e3)
measurements = st.lists(st.one_of(latencies, st.floats(-1e3, 1e3), st.floats(allow_nan=False, allow_infinity=False)))


@given(st.floats(min_value=5e-324, allow_infinity=False))
def test_a_value_lies_in_its_bucket(value: float) -> None:
    index = index_of(value)
    assert bound(index, MAX_SCALE) <= value <= bound(index + 1, MAX_SCALE) * (1 + 1e-15)


@pytest.mark.parametrize("exponent", [-1074, -1022, -3, 0, 1, 10, 1023])
def test_a_power_of_two_is_the_last_of_its_bucket(exponent: int) -> None:
    assert index_of(math.ldexp(1.0, exponent)) == exponent * 2**MAX_SCALE - 1


def test_buckets_run_upward_and_those_of_negative_values_mirror_the_others() -> None:
    found = list(ranges(histogram([-5.0, -1.5, 0.0, 1.5, 5.0])))
    assert [number for *_, number in found if number] == [1, 1, 1, 1, 1]
    assert all(low <= high for low, high, _ in found)
    assert [low for low, *_ in found] == sorted(low for low, *_ in found)
    assert [(-high, -low) for low, high, _ in reversed(found)] == [(low, high) for low, high, _ in found]
    for value in (-5.0, -1.5, 1.5, 5.0):
        assert [number for low, high, number in found if low <= value <= high] == [1]


@given(measurements)
def test_every_bucket_holds_the_values_that_numpy_counts_there(values: list[float]) -> None:
    buckets = histogram(values)
    for low, high, number in ranges(buckets):
        if buckets.scale == MAX_SCALE and low > 0:
            tolerance = 1e-14  # numpy counts by bounds that are rounded
            inside = np.histogram(values, [low * (1 + tolerance), high * (1 - tolerance)])[0][0]
            around = np.histogram(values, [low * (1 - tolerance), high * (1 + tolerance)])[0][0]
            assert inside <= number <= around
    assert count(buckets) == len(values)
    assert max(len(buckets.positive), len(buckets.negative)) <= MAX_BUCKETS


@given(measurements, measurements)
def test_merging_is_the_histogram_of_all_values(one: list[float], other: list[float]) -> None:
    assert merge(histogram(one), histogram(other)) == histogram(one + other)


@given(st.lists(latencies), st.lists(latencies))
def test_what_is_subtracted_can_be_merged_back(one: list[float], other: list[float]) -> None:
    before, after = histogram(one), histogram(other)
    corrected = merge(before, subtract(after, before))
    assert (count(corrected), corrected.zero_count) == (len(other), 0)
    if corrected.scale == after.scale:
        assert corrected == after


@given(st.lists(latencies, min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_is_within_a_bucket_of_numpys(values: list[float], share: float) -> None:
    buckets = histogram(values)
    width = bound(1, buckets.scale)
    low = float(np.quantile(values, share, method="inverted_cdf"))
    high = float(np.quantile(values, share, method="higher"))
    assert low / width * 0.999 <= quantile(buckets, share) <= max(low, high) * width * 1.001


def test_quantiles_run_from_the_negative_over_zero_to_the_positive() -> None:
    buckets = histogram([-2.0, 0.0, 0.0, 2.0])
    assert quantile(buckets, 0.25) == pytest.approx(-1.834, abs=0.2)
    assert quantile(buckets, 0.5) == 0.0
    assert quantile(buckets, 1.0) == pytest.approx(2.0)


def test_the_empty_histogram_has_no_quantile() -> None:
    assert math.isnan(quantile(EMPTY, 0.5))
    assert histogram([math.nan, math.inf, -math.inf]) == EMPTY


def test_values_from_end_to_end_still_fit() -> None:
    buckets = histogram([5e-324, 1.7e308])
    assert len(buckets.positive) <= MAX_BUCKETS
    assert quantile(buckets, 1.0) == pytest.approx(1.7e308, rel=1)


def test_the_wider_zero_bucket_takes_what_lies_within_it() -> None:
    merged = merge(histogram([0.001, 5.0]), ExponentialBuckets(MAX_SCALE, 3, 0.01, 0, ()))
    assert (merged.zero_count, merged.zero_threshold, sum(merged.positive)) == (4, 0.01, 1)


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        (ExponentialBuckets(0, 4, 0.5, 0, ()), 0.0, -0.5),  # evenly over the zero bucket, -0.5 to 0.5
        (ExponentialBuckets(0, 4, 0.5, 0, ()), 0.25, -0.25),
        (ExponentialBuckets(0, 4, 0.5, 0, ()), 0.75, 0.25),
        (ExponentialBuckets(0, 4, 0.5, 0, ()), 1.0, 0.5),
        (ExponentialBuckets(0, 0, 0.0, 1, (4,)), 0.5, math.sqrt(8)),  # 2 to 4, by ratio
        (ExponentialBuckets(0, 0, 0.0, -2, (4,)), 0.5, math.sqrt(1 / 8)),
        (ExponentialBuckets(0, 0, 0.0, 1, (4,)), 1.0, 4.0),
        (ExponentialBuckets(0, 0, 0.0, 1, (0, 1, 0, 3)), 0.25, 8.0),  # empty buckets are passed over
        (ExponentialBuckets(0, 0, 0.0, 0, (), 1, (4,)), 0.5, -math.sqrt(8)),
        (ExponentialBuckets(0, 0, 0.0, 0, (), 1, (4,)), -1.0, -4.0),
        (ExponentialBuckets(0, 0, 0.0, 1, (2, 2)), 2.0, 8.0),
    ],
)
def test_a_quantile_lies_within_its_bucket_by_its_part(buckets: ExponentialBuckets, share: float, expected: float) -> None:
    assert quantile(buckets, share) == pytest.approx(expected)


def test_a_side_that_has_as_many_buckets_as_it_may_keeps_its_scale() -> None:
    assert (MAX_BUCKETS, MAX_SCALE) == (160, 3)
    assert of_counts(3, 0, {0: 1, 159: 2}) == ExponentialBuckets(3, 0, 0.0, 0, (1, *[0] * 158, 2))
    assert of_counts(3, 0, {0: 1, 160: 2}) == ExponentialBuckets(2, 0, 0.0, 0, (1, *[0] * 79, 2))
    assert of_counts(3, 0, {1: 1, 160: 2}).scale == 3
    assert of_counts(3, 0, {-1: 1, 159: 2}).scale == 2
    assert of_counts(3, 7, {10_000: 2}) == ExponentialBuckets(3, 7, 0.0, 10_000, (2,)), "where it lies does not matter"
