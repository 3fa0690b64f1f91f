"""Stored telemetry that answers queries as it would have then: what was not there yet is not seen."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from alerting.promql.expression import LOOKBACK, compile_expression
from alerting.promql.vectors import NAME
from alerting.rules.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alerting.promql.expression import Expression
    from alerting.promql.matchers import Matcher
    from alerting.rules.samples import StoredSeries
    from telemetry.metrics import Point


class StoredTelemetry:
    """Plays points in the order of their time."""

    def __init__(self, points: Iterable[Point]) -> None:
        self._points = sorted(points, key=lambda point: point.time)
        self._samples = Samples()
        self._following = 0

    @property
    def end(self) -> int:
        """Time of the last point, ns; 0 without any."""
        return self._points[-1].time if self._points else 0

    def advance(self, to: int) -> None:
        """Let points up to a time be seen."""
        begin = self._following
        while self._following < len(self._points) and self._points[self._following].time <= to:
            self._following += 1
        self._samples.add(self._points[begin : self._following])

    def query(self, expression: str, at: int) -> Sequence[tuple[Mapping[str, str], float]]:
        """See `machine.Query`."""
        self.advance(at)
        return [(dict(labels), value) for labels, value in _compiled(expression).evaluate(self._samples, at)]

    def knows(self, expression: str, at: int) -> bool:
        """Whether a sample of anything that the expression reads was there lately; without one, its answer means nothing."""
        self.advance(at)
        asked = _Asked(self._samples, at - LOOKBACK)
        _compiled(expression).evaluate(asked, at)
        return asked.found or not asked.selectors


class _Asked:
    """Samples that notice whether a metric that is asked for has any, whatever its labels."""

    def __init__(self, samples: Samples, since: int) -> None:
        self._samples, self._since = samples, since
        self.selectors = 0
        self.found = False

    def select(self, matchers: tuple[Matcher, ...]) -> Sequence[StoredSeries]:
        """The series, as `Samples` returns them."""
        self.selectors += 1
        named = tuple(matcher for matcher in matchers if matcher.name == NAME)
        self.found |= any(len(each.times) and each.times[-1] > self._since for each in self._samples.select(named or matchers))
        return self._samples.select(matchers)


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Expression:
    return compile_expression(expression)
