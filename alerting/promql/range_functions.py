"""Functions over a range of samples, one number a series. Semantics follow Prometheus 3, the order of summation 2.42.

Each gets the times (nanoseconds) and values of one series, and the range's start and end; None means no result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from components.durations import SECOND

Times = Sequence[int]
Values = Sequence[float]
RangeFunction = Callable[[Times, Values, int, int], float | None]


def _extrapolated(times: Times, values: Values, start: int, end: int, *, counter: bool, per_second: bool) -> float | None:
    """Change over the range, from the change between the first and the last sample.

    The samples are assumed to go on to the edge of the range where that is about one sampling interval away, else for half an
    interval; a counter never below zero. Prometheus, promql/functions.go, extrapolatedRate.
    """
    if len(values) < 2:
        return None
    first = values[0]
    change = values[-1] - first
    if counter:
        previous = first
        for value in values:
            if value < previous:
                change += previous
            previous = value
    to_start, to_end = (times[0] - start) / SECOND, (end - times[-1]) / SECOND
    sampled = (times[-1] - times[0]) / SECOND
    interval = sampled / (len(values) - 1)
    threshold = interval * 1.1
    to_zero = sampled * (first / change) if counter and change > 0 and first >= 0 else math.inf
    covered = sampled + lookback(to_start, to_zero, interval, threshold)
    covered += to_end if to_end < threshold else interval / 2
    factor = covered / sampled
    if per_second:
        factor /= (end - start) / SECOND
    return change * factor


def lookback(to_start: float, to_zero: float, interval: float, threshold: float) -> float:
    """For how long before its first sample a series is assumed to exist, never below zero; all in seconds.

    As of Prometheus 2.53 (PR 13725). Before, half an interval was not yet held against `to_zero`.
    """
    return min(to_start if to_start < threshold else interval / 2, to_zero)


def rate(times: Times, values: Values, start: int, end: int) -> float | None:
    """A counter's increase per second."""
    return _extrapolated(times, values, start, end, counter=True, per_second=True)


def increase(times: Times, values: Values, start: int, end: int) -> float | None:
    """A counter's increase."""
    return _extrapolated(times, values, start, end, counter=True, per_second=False)


def delta(times: Times, values: Values, start: int, end: int) -> float | None:
    """A gauge's change."""
    return _extrapolated(times, values, start, end, counter=False, per_second=False)


def irate(times: Times, values: Values, _start: int, _end: int) -> float | None:
    """A counter's increase per second between its last two samples."""
    if len(values) < 2:
        return None
    last, previous = values[-1], values[-2]
    change = last if last < previous else last - previous
    elapsed = times[-1] - times[-2]
    return change / (elapsed / SECOND) if elapsed else None


def idelta(times: Times, values: Values, _start: int, _end: int) -> float | None:
    """A gauge's change between its last two samples."""
    return values[-1] - values[-2] if len(values) >= 2 and times[-1] != times[-2] else None


def linear_regression(times: Times, values: Values, origin: int) -> tuple[float, float]:
    """Least squares: slope per second, and the value at `origin`. Sums are Neumaier's, as in Prometheus."""
    if all(value == values[0] for value in values):
        first = values[0]
        return (math.nan, math.nan) if math.isinf(first) else (0.0, first)
    sum_x = sum_y = sum_xy = sum_xx = 0.0
    carry_x = carry_y = carry_xy = carry_xx = 0.0
    for time, value in zip(times, values, strict=True):
        x = (time - origin) / SECOND
        sum_x, carry_x = neumaier(x, sum_x, carry_x)
        sum_y, carry_y = neumaier(value, sum_y, carry_y)
        sum_xy, carry_xy = neumaier(x * value, sum_xy, carry_xy)
        sum_xx, carry_xx = neumaier(x * x, sum_xx, carry_xx)
    n = float(len(values))
    sum_x, sum_y, sum_xy, sum_xx = sum_x + carry_x, sum_y + carry_y, sum_xy + carry_xy, sum_xx + carry_xx
    covariance, variance = sum_xy - sum_x * sum_y / n, sum_xx - sum_x * sum_x / n
    slope = divide(covariance, variance)
    return slope, sum_y / n - slope * sum_x / n


def neumaier(item: float, total: float, carry: float) -> tuple[float, float]:
    """One step of compensated summation: new total and carry (Neumaier 1974)."""
    result = total + item
    if math.isinf(result):
        return result, 0.0  # else inf - inf
    if abs(total) >= abs(item):
        return result, carry + ((total - result) + item)
    return result, carry + ((item - result) + total)


def divide(a: float, b: float) -> float:
    """IEEE 754 division, which Python refuses for zero."""
    if b:
        return a / b
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def deriv(times: Times, values: Values, _start: int, _end: int) -> float | None:
    """Slope per second of the least-squares line."""
    return linear_regression(times, values, times[0])[0] if len(values) >= 2 else None


def sum_over_time(_times: Times, values: Values, _start: int, _end: int) -> float:
    """The sum."""
    total = carry = 0.0
    for value in values:
        total, carry = neumaier(value, total, carry)
    return total if math.isinf(total) else total + carry


def avg_over_time(_times: Times, values: Values, _start: int, _end: int) -> float:
    """The mean, kept as a running mean so that large values do not overflow."""
    mean = carry = count = 0.0
    for value in values:
        count += 1
        if math.isinf(mean):
            if math.isinf(value) and (mean > 0) == (value > 0):
                continue
            if not math.isinf(value) and not math.isnan(value):
                continue
        mean, carry = neumaier(value / count - mean / count, mean, carry)
    return mean if math.isinf(mean) else mean + carry


def min_over_time(_times: Times, values: Values, _start: int, _end: int) -> float:
    """The least; NaN only where all are."""
    least = values[0]
    for value in values:
        if value < least or math.isnan(least):
            least = value
    return least


def max_over_time(_times: Times, values: Values, _start: int, _end: int) -> float:
    """The greatest; NaN only where all are."""
    most = values[0]
    for value in values:
        if value > most or math.isnan(most):
            most = value
    return most


def variance(values: Values) -> float:
    """Population variance by Welford's recurrence, compensated."""
    count = mean = carry_mean = squares = carry_squares = 0.0
    for value in values:
        count += 1
        offset = value - (mean + carry_mean)
        mean, carry_mean = neumaier(offset / count, mean, carry_mean)
        squares, carry_squares = neumaier(offset * (value - (mean + carry_mean)), squares, carry_squares)
    return (squares + carry_squares) / count


def deviation(variance_: float) -> float:
    """The standard deviation; NaN where sums have overflowed so far that the variance is below zero."""
    return math.nan if variance_ < 0 else math.sqrt(variance_)


def stdvar_over_time(_times: Times, values: Values, _start: int, _end: int) -> float:
    """Population variance."""
    return variance(values)


def stddev_over_time(_times: Times, values: Values, _start: int, _end: int) -> float:
    """Population standard deviation."""
    return deviation(variance(values))


def quantile(q: float, values: Values) -> float:
    """The q-quantile, linear between the two nearest ranks; NaN sorts first."""
    if not values or math.isnan(q):
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    ordered = sorted(values, key=lambda value: (not math.isnan(value), value))
    rank = q * (len(ordered) - 1)
    lower = math.floor(rank)
    upper = min(len(ordered) - 1, lower + 1)
    weight = rank - lower
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def changes(_times: Times, values: Values, _start: int, _end: int) -> float:
    """How often the value changed; two NaN are equal."""
    return float(sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in pairwise(values)))


def resets(_times: Times, values: Values, _start: int, _end: int) -> float:
    """How often a counter fell."""
    return float(sum(b < a for a, b in pairwise(values)))


RANGE_FUNCTIONS: dict[str, RangeFunction] = {
    "avg_over_time": avg_over_time,
    "changes": changes,
    "count_over_time": lambda _t, values, _s, _e: float(len(values)),
    "delta": delta,
    "deriv": deriv,
    "idelta": idelta,
    "increase": increase,
    "irate": irate,
    "last_over_time": lambda _t, values, _s, _e: values[-1],
    "max_over_time": max_over_time,
    "min_over_time": min_over_time,
    "present_over_time": lambda _t, _v, _s, _e: 1.0,
    "rate": rate,
    "resets": resets,
    "stddev_over_time": stddev_over_time,
    "stdvar_over_time": stdvar_over_time,
    "sum_over_time": sum_over_time,
}
"""By PromQL name, those that take nothing but the range."""
