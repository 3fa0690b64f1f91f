"""Selectors: what reads samples. Lookback and ranges exclude their beginning and hold their end, as in Prometheus 3."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import promql_parser as ast

from alerting.promql.matchers import Matcher, MatchType
from alerting.promql.vectors import NAME, EvaluationError, Instant, Reach, TimeShift, Window, nameless
from components.durations import SECOND
from telemetry.errors import ConfigError
from telemetry.metrics import is_stale

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerting.promql.rolled import RolledRange
    from alerting.promql.vectors import Labels, Vector

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
MAX_STEPS = 11_000
"""Most evaluations of one subquery: Prometheus's bound on points of a range query."""


def nanoseconds(duration: timedelta | None) -> int:
    """A parsed duration; zero for none."""
    if duration is None:
        return 0
    return duration // _MICROSECOND * 1000


def selector_matchers(selector: ast.VectorSelector) -> tuple[Matcher, ...]:
    """The matchers of a parsed vector selector, its name among them.

    Raises:
        ConfigError: a matcher that is not covered.
    """
    if selector.matchers.or_matchers:
        raise ConfigError("`or` between matchers is not covered; use a regular expression or the `or` operator")
    types = (
        (ast.MatchOp.Equal, MatchType.EQUAL),
        (ast.MatchOp.NotEqual, MatchType.NOT_EQUAL),
        (ast.MatchOp.Re, MatchType.REGEX),
        (ast.MatchOp.NotRe, MatchType.NOT_REGEX),
    )
    named = [Matcher.of(NAME, MatchType.EQUAL, selector.name)] if selector.name else []
    return tuple(
        named
        + [
            Matcher.of(matcher.name, next(ours for theirs, ours in types if matcher.op == theirs), matcher.value, dot_all=True)
            for matcher in selector.matchers.matchers
        ]
    )


def time_shift(at: ast.AtModifier | None, offset: timedelta | None) -> TimeShift:
    """Where `@` and `offset` point.

    Raises:
        ConfigError: a fixed time beyond the calendar.
    """
    back = nanoseconds(offset)
    if at is None:
        return lambda instant: instant.at - back
    if at.type == ast.AtModifierType.At:
        try:
            fixed = ((at.at or _EPOCH) - _EPOCH) // _MICROSECOND * 1000 - back
        except (OverflowError, ValueError):
            raise ConfigError("@: a time after the year 9999 is not covered; it is in seconds") from None
        return lambda _instant: fixed
    if at.type == ast.AtModifierType.Start:
        return lambda instant: instant.start - back
    return lambda instant: instant.end - back


@dataclass(frozen=True, slots=True)
class InstantSelector:
    """The last sample of each series within the lookback."""

    reach: Reach

    def __call__(self, instant: Instant) -> Vector:
        """The vector, values as they are."""
        return [(labels, value) for labels, _time, value in self.samples(instant)]

    def samples(self, instant: Instant) -> list[tuple[Labels, int, float]]:
        """The vector with the time of each sample."""
        at = self.reach.shift(instant)
        oldest = at - instant.lookback
        result = []
        instant.go_on()
        past = instant.past.columns(self.reach) if instant.past is not None else None
        if past is not None:
            oldest = min(oldest, at - past.resolution)
        for column in instant.source.select(self.reach.matchers) if past is None else past.columns:
            times = column.times
            i = bisect_right(times, at) - 1
            if i < 0 or times[i] <= oldest:
                continue
            value = column.values[i]
            if column.ended and is_stale(value):
                continue
            result.append((column.labels, times[i], value))
        return result


@dataclass(frozen=True, slots=True)
class Ranges:
    """Windows of samples, and the range that they were cut from."""

    windows: list[Window]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RangeSelector:
    """The samples of each series in a range."""

    reach: Reach

    def rolled(self, instant: Instant) -> RolledRange | None:
        """The range as rollups have it; None where there are the samples themselves."""
        if instant.past is None:
            return None
        end = self.reach.shift(instant)
        return instant.past.rolled(self.reach, end - self.reach.width, end)

    def __call__(self, instant: Instant) -> Ranges:
        """Windows that have a sample at least."""
        end = self.reach.shift(instant)
        start = end - self.reach.width
        windows = []
        instant.go_on()
        past = instant.past.columns(self.reach) if instant.past is not None else None
        if past is not None:
            start = min(start, end - 2 * past.resolution)  # functions over a range need two of them
        for column in instant.source.select(self.reach.matchers) if past is None else past.columns:
            low, high = bisect_right(column.times, start), bisect_right(column.times, end)
            if low == high:
                continue
            times, values = column.times[low:high], column.values[low:high]
            if column.ended:
                kept = [(time, value) for time, value in zip(times, values, strict=True) if not is_stale(value)]
                if not kept:
                    continue
                times, values = [time for time, _ in kept], [value for _, value in kept]
            windows.append(Window(column.labels, column.bare, times, values))
        return Ranges(windows, start, end)


@dataclass(frozen=True, slots=True)
class Subquery:
    """An expression evaluated at each multiple of the step within a range."""

    inner: Callable[[Instant], Vector]
    shift: TimeShift
    width: int
    step: int

    def __call__(self, instant: Instant) -> Ranges:
        """One window for each set of labels that came up.

        Raises:
            EvaluationError: more steps than the bound.
        """
        end = self.shift(instant)
        start = end - self.width
        if self.width // self.step > MAX_STEPS:
            raise EvaluationError(f"a subquery of {self.width // self.step} steps; at most {MAX_STEPS}")
        found: dict[Labels, tuple[list[int], list[float]]] = {}
        for at in range((start // self.step + 1) * self.step, end + 1, self.step):
            instant.go_on()
            for labels, value in self.inner(replace(instant, at=at)):
                times, values = found.setdefault(labels, ([], []))
                times.append(at)
                values.append(value)
        windows = [Window(labels, nameless(labels), times, values) for labels, (times, values) in found.items()]
        return Ranges(windows, start, end)


def seconds(time: int) -> float:
    """Nanoseconds as PromQL counts time."""
    return time / SECOND
