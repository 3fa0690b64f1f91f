"""Aggregation operators: many elements of an instant vector to one a group.

Semantics follow Prometheus 3, the order of summation 2.42.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from alerting.promql.range_functions import deviation, quantile
from alerting.promql.vectors import EvaluationError, labels_of, only, without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.promql.vectors import Labels, Vector

Grouping = Callable[["Labels"], "Labels"]
"""The labels of an element's group."""


def grouping(*, by: bool, names: Sequence[str]) -> Grouping:
    """The groups of `by (names)` or `without (names)`."""
    if by:
        if not names:
            return lambda _labels: ()
        kept = frozenset(names)
        return lambda labels: only(labels, kept)
    dropped = frozenset((*names, "__name__"))
    return lambda labels: without(labels, dropped)


def _groups(vector: Vector, group: Grouping) -> dict[Labels, list[float]]:
    groups: dict[Labels, list[float]] = {}
    for labels, value in vector:
        groups.setdefault(group(labels), []).append(value)
    return groups


def _mean(values: Sequence[float]) -> float:
    """A running mean, which does not overflow where the sum would."""
    mean = 0.0
    for count, value in enumerate(values, 1):
        if math.isinf(mean):
            if math.isinf(value) and (mean > 0) == (value > 0):
                continue
            if not math.isinf(value) and not math.isnan(value):
                continue
        mean = value if count == 1 else mean + (value / count - mean / count)
    return mean


def _least(values: Sequence[float]) -> float:
    return min((value for value in values if not math.isnan(value)), default=math.nan)


def _greatest(values: Sequence[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def _variance(values: Sequence[float]) -> float:
    """Welford's recurrence from the first value on, so that one value alone has none, even NaN."""
    mean, squares = values[0], 0.0
    for count, value in enumerate(values[1:], 2):
        offset = value - mean
        mean += offset / count
        squares += offset * (value - mean)
    return squares / len(values)


def _plain_sum(values: Sequence[float]) -> float:
    total = 0.0
    for value in values:  # not sum(): Python 3.12 compensates, Prometheus 2.42 does not
        total += value
    return total


AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "avg": _mean,
    "count": lambda values: float(len(values)),
    "group": lambda _values: 1.0,
    "max": _greatest,
    "min": _least,
    "stddev": lambda values: deviation(_variance(values)),
    "stdvar": _variance,
    "sum": _plain_sum,
}
"""Those without a parameter, by name."""


def aggregate(vector: Vector, group: Grouping, reduce: Callable[[Sequence[float]], float]) -> Vector:
    """One element a group."""
    return [(labels, reduce(values)) for labels, values in _groups(vector, group).items()]


def quantiles(vector: Vector, group: Grouping, q: float) -> Vector:
    """The q-quantile of each group."""
    return [(labels, quantile(q, values)) for labels, values in _groups(vector, group).items()]


def extremes(vector: Vector, group: Grouping, k: float, *, largest: bool) -> Vector:
    """`topk` or `bottomk`: up to k elements of each group with all their labels, the most extreme first; NaN last."""
    if math.isnan(k) or abs(k) >= 2**63:
        raise EvaluationError(f"topk and bottomk need a whole number, not {k}")
    if k < 1:
        return []
    groups: dict[Labels, Vector] = {}
    for element in vector:
        groups.setdefault(group(element[0]), []).append(element)
    sign = -1 if largest else 1
    result: Vector = []
    for members in groups.values():
        members.sort(key=lambda element: (math.isnan(element[1]), sign * element[1] if not math.isnan(element[1]) else 0.0))
        result.extend(members[: int(k)])
    return result


def count_values(vector: Vector, group: Grouping, label: str) -> Vector:
    """How often each value occurs in each group; the value becomes a label."""
    counts: dict[Labels, float] = {}
    for labels, value in vector:
        key = labels_of(dict(group(labels)) | {label: decimal(value)})
        counts[key] = counts.get(key, 0.0) + 1
    return list(counts.items())


def decimal(value: float) -> str:
    """The shortest decimal without exponent that reads back as the value; `+Inf`, `-Inf`, `NaN`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")
