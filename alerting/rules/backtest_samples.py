"""The stored samples that a backtest of rules reads, whoever reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from alerting.promql.expression import LOOKBACK
from alerting.promql.matchers import MatchType
from alerting.promql.vectors import NAME
from components.durations import HOUR, MINUTE
from telemetry.errors import InputError
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence

    from alerting.promql.matchers import Matcher
    from alerting.promql.vectors import Labels
    from alerting.rules.files import RuleGroup

LONGEST, SHORTEST = 24 * HOUR, 10 * MINUTE
"""Of what is asked for at once: less where the answer would be too large, ns."""


class SeriesSamples(Protocol):
    """The samples of a series: times in ns, of millisecond precision."""

    @property
    def labels(self) -> Labels:
        """All of them, the metric name among them."""
        ...

    @property
    def times(self) -> Sequence[int]:
        """Ascending."""
        ...

    @property
    def values(self) -> Sequence[float]:
        """One for each time."""
        ...


class ReadSamples(Protocol):
    """Reads the samples of a selector from a time to a time, ns, both included, and what users are to know of them."""

    def __call__(
        self, matchers: tuple[Matcher, ...], start: int, end: int, /
    ) -> Awaitable[tuple[Sequence[SeriesSamples], Sequence[str]]]:
        """The samples, and notes."""
        ...


async def backtest_points(
    read: ReadSamples, groups: Iterable[RuleGroup], since: int, until: int, most: int, too_much: type[Exception]
) -> tuple[list[Point], list[str]]:
    """The samples that rules evaluated from `since` to `until` (ns) read, and what users are to know of them.

    What these rules record themselves comes of their evaluation, and is not read.

    Args:
        read: reads them.
        groups: the rules.
        since: ns.
        until: ns.
        most: samples, beyond which there is an error.
        too_much: what `read` raises where it was asked for too much at once.

    Raises:
        InputError: they are too many.
    """
    groups = list(groups)
    made = {rule.name for group in groups for rule in group.rules if rule.kind == "record"} | {"ALERTS", "ALERTS_FOR_STATE"}
    known: dict[Series, dict[int, float]] = {}
    notes: set[str] = set()
    for matchers, begin in _wanted(groups, since).items():
        if any(each.name == NAME and each.type is MatchType.EQUAL and each.value in made for each in matchers):
            continue
        async for series, said in _read(read, matchers, begin, until, too_much):
            notes.update(said)
            for one in series:
                labels = dict(one.labels)
                name = labels.pop(NAME, "")
                if name not in made:
                    known.setdefault(Series(name, tuple(sorted(labels.items()))), {}).update(
                        zip(one.times, one.values, strict=True)
                    )
            if sum(map(len, known.values())) > most:
                raise InputError(f"more than {most:,} samples: name less time, or fewer rules")
    return [Point(series, time, value) for series, values in known.items() for time, value in values.items()], sorted(notes)


async def _read(
    read: ReadSamples, matchers: tuple[Matcher, ...], begin: int, until: int, too_much: type[Exception]
) -> AsyncIterator[tuple[Sequence[SeriesSamples], Sequence[str]]]:
    """The samples of a selector, as much at once as is answered."""
    width = LONGEST
    while begin < until:
        end = min(begin + width, until)
        try:
            yield await read(matchers, begin + 1, end)
        except too_much:
            if width <= SHORTEST:
                raise
            width //= 2
            continue
        begin = end


def _wanted(groups: Iterable[RuleGroup], since: int) -> dict[tuple[Matcher, ...], int]:
    """From when on each selector is read."""
    wanted: dict[tuple[Matcher, ...], int] = {}
    for group in groups:
        for rule in group.rules:
            begin = since - rule.expr.lookback - group.query_offset - LOOKBACK
            for matchers in rule.expr.selectors:
                wanted[matchers] = min(begin, wanted.get(matchers, begin))
    return wanted
