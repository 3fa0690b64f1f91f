"""Functions over instant vectors: mathematics, the calendar, labels. Semantics follow Prometheus 3."""

from __future__ import annotations

import math
import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from alerting.promql.range_functions import divide
from alerting.promql.vectors import EvaluationError, labels_of, nameless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.promql.regex import Groups, Regex
    from alerting.promql.vectors import Vector

Number = Callable[[float], float]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _total(function: Number, value: float) -> float:
    """The function where it is defined, else NaN, as IEEE 754 has it; Python would raise."""
    try:
        return float(function(value))
    except OverflowError:
        return value if math.isinf(value) else math.copysign(math.inf, value)
    except ValueError:
        return math.nan


def _logarithm(function: Number, value: float) -> float:
    return -math.inf if value == 0 else _total(function, value)


def _exponential(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _whole(function: Callable[[float], int], value: float) -> float:
    return float(function(value)) if math.isfinite(value) else value


def _cosh(value: float) -> float:
    try:
        return math.cosh(value)
    except OverflowError:
        return math.inf


def _atanh(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) == 1 else _total(math.atanh, value)


def _sign(value: float) -> float:
    return value if value == 0 or math.isnan(value) else math.copysign(1.0, value)


MATHEMATICS: dict[str, Number] = {
    "abs": abs,
    "acos": partial(_total, math.acos),
    "acosh": partial(_total, math.acosh),
    "asin": partial(_total, math.asin),
    "asinh": partial(_total, math.asinh),
    "atan": partial(_total, math.atan),
    "atanh": _atanh,
    "ceil": partial(_whole, math.ceil),
    "cos": partial(_total, math.cos),
    "cosh": _cosh,
    "deg": lambda value: value * 180 / math.pi,
    "exp": _exponential,
    "floor": partial(_whole, math.floor),
    "ln": partial(_logarithm, math.log),
    "log10": partial(_logarithm, math.log10),
    "log2": partial(_logarithm, math.log2),
    "rad": lambda value: value * math.pi / 180,
    "sgn": _sign,
    "sin": partial(_total, math.sin),
    "sinh": partial(_total, math.sinh),
    "sqrt": partial(_total, math.sqrt),
    "tan": partial(_total, math.tan),
    "tanh": partial(_total, math.tanh),
}
"""One number in, one out."""


_CYCLE = 146_097 * 86_400
"""Seconds in 400 years, after which the calendar, days of the week among it, repeats."""


def _calendar(function: Callable[[datetime], int], value: float, years: int = 0) -> float:
    if not math.isfinite(value):
        return math.nan
    cycles, seconds = divmod(math.trunc(value), _CYCLE)  # Python's dates end with the year 9999
    return float(function(_EPOCH + timedelta(seconds=seconds)) + cycles * years)


CALENDAR: dict[str, Number] = {
    "day_of_month": partial(_calendar, lambda date: date.day),
    "day_of_week": partial(_calendar, lambda date: date.isoweekday() % 7),
    "day_of_year": partial(_calendar, lambda date: date.timetuple().tm_yday),
    "days_in_month": partial(_calendar, lambda date: monthrange(date.year, date.month)[1]),
    "hour": partial(_calendar, lambda date: date.hour),
    "minute": partial(_calendar, lambda date: date.minute),
    "month": partial(_calendar, lambda date: date.month),
    "year": partial(_calendar, lambda date: date.year, years=400),
}
"""Seconds since the epoch in, a field of the UTC date out."""


def each(function: Number, vector: Vector) -> Vector:
    """The function of every value; the metric name goes."""
    return [(nameless(labels), function(value)) for labels, value in vector]


def rounded(vector: Vector, nearest: float) -> Vector:
    """To the nearest multiple; halves go up."""
    inverse = divide(1.0, nearest)  # multiplied, not divided by: as Prometheus does, for the same last digit

    def to_nearest(value: float) -> float:
        scaled = value * inverse + 0.5
        return divide(float(math.floor(scaled)) if math.isfinite(scaled) else scaled, inverse)

    return each(to_nearest, vector)


def clamped(vector: Vector, least: float, most: float) -> Vector:
    """Values moved into [least, most]; nothing where that is empty, NaN where a bound is."""
    if most < least:
        return []
    if math.isnan(least) or math.isnan(most):
        return each(lambda _value: math.nan, vector)
    return each(lambda value: value if math.isnan(value) else max(least, min(most, value)), vector)


def ordered(vector: Vector, *, descending: bool) -> Vector:
    """By value, NaN last."""
    numbers = [element for element in vector if not math.isnan(element[1])]
    numbers.sort(key=lambda element: element[1], reverse=descending)
    return numbers + [element for element in vector if math.isnan(element[1])]


_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|(?P<bare>\w+)|\{(?P<braced>\w+)\})", re.ASCII)


def expand(template: str, found: Groups) -> str:
    """The template with `$1`, `${1}` and `$name` replaced as Go's `Regexp.Expand` does: unknown groups are empty."""

    def group(reference: re.Match[str]) -> str:
        if reference["dollar"]:
            return "$"
        name = reference["bare"] or reference["braced"]
        try:
            return found[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return _REFERENCE.sub(group, template)


def label_replace(vector: Vector, target: str, replacement: str, source: str, pattern: Regex) -> Vector:
    """Set `target` from what the pattern finds in the whole of `source`; elements that do not match stay."""
    result: Vector = []
    for labels, value in vector:
        pairs = dict(labels)
        found = pattern.fullmatch(pairs.get(source, ""))
        result.append((labels_of(pairs | {target: expand(replacement, found)}) if found else labels, value))
    return unique(result)


def label_join(vector: Vector, target: str, separator: str, sources: Sequence[str]) -> Vector:
    """Set `target` to the values of other labels, joined."""
    result: Vector = []
    for labels, value in vector:
        pairs = dict(labels)
        result.append((labels_of(pairs | {target: separator.join(pairs.get(name, "") for name in sources)}), value))
    return unique(result)


def unique(vector: Vector) -> Vector:
    """The vector itself.

    Raises:
        EvaluationError: two elements have the same labels.
    """
    if len({labels for labels, _ in vector}) != len(vector):
        raise EvaluationError("vector cannot contain metrics with the same labelset")
    return vector
