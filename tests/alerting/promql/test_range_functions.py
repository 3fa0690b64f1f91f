"""Where a counter is taken to have begun, as of Prometheus 3: figures by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.promql.range_functions import delta, increase, neumaier, rate, sum_over_time
from components.durations import SECOND


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (7.0, 10 + 5.0),  # zero was 7 s before, half an interval is nearer; a 2.42 would say 10 + 7
        (5.0, 10 + 5.0),  # both alike
        (30.0, 10 + 5.0),  # long before
        (1.0, 10 + 1.0),  # 1 s: it cannot have been there earlier
        (0.0, 10 + 0.0),
    ],
)
def test_a_counter_begins_half_an_interval_before_its_first_sample_or_where_it_was_zero(first: float, expected: float) -> None:
    """Samples of one a second 10 s apart in a range of a minute that ends with the last of them."""
    times, values = [50 * SECOND, 60 * SECOND], [first, first + 10.0]
    assert increase(times, values, 0, 60 * SECOND) == pytest.approx(expected)
    assert rate(times, values, 0, 60 * SECOND) == pytest.approx(expected / 60)


def test_a_range_that_begins_near_the_first_sample_is_filled_unless_the_counter_was_zero_before() -> None:
    times = [10 * SECOND, 20 * SECOND]
    assert increase(times, [100.0, 110.0], 0, 20 * SECOND) == pytest.approx(20)
    assert increase(times, [4.0, 14.0], 0, 20 * SECOND) == pytest.approx(14)


def test_a_gauge_has_no_beginning_at_zero() -> None:
    assert delta([50 * SECOND, 60 * SECOND], [1.0, 11.0], 0, 60 * SECOND) == pytest.approx(15)


@pytest.mark.parametrize(
    ("item", "total", "carry", "expected"),
    [
        (1.0, 1e16, 0.0, (1e16, 1.0)),  # the sum has no place for it
        (1e16, 1.0, 0.0, (1e16, 1.0)),
        (-1.0, 1e16, 0.5, (1e16, -0.5)),
        (1e16, -1.0, 0.5, (1e16, -0.5)),
        (-1e16, 1e16, 1.0, (0.0, 1.0)),
        (2.0, 3.0, 0.25, (5.0, 0.25)),
        (1e308, 1e308, 2.0, (math.inf, 0.0)),
        (1.0, -math.inf, 2.0, (-math.inf, 0.0)),
    ],
)
def test_what_a_sum_has_no_digits_for_is_carried(
    item: float, total: float, carry: float, expected: tuple[float, float]
) -> None:
    assert neumaier(item, total, carry) == expected


@given(st.lists(st.floats(-1e6, 1e6) | st.sampled_from([1e16, -1e16, 1e-9]), max_size=20))
def test_a_sum_is_the_exact_one_but_for_its_last_digits(values: list[float]) -> None:
    most = max(map(abs, values), default=0.0)
    assert sum_over_time([], values, 0, 0) == pytest.approx(math.fsum(values), rel=1e-15, abs=most * 1e-28)
