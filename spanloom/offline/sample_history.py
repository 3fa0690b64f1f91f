"""Stored samples, as the rules read them, for a backtest: by remote read of the running pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.promql.expression import LOOKBACK
from alerting.promql.matchers import MatchType
from alerting.promql.vectors import NAME
from components.durations import HOUR, MINUTE
from spanloom.api_client import RefusedError
from telemetry.errors import InputError
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from alerting.prometheus_api.remote_read_client import ReadSeries
    from alerting.promql.matchers import Matcher
    from alerting.rules.files import RuleGroup
    from spanloom.api_client import ApiClient

LONGEST, SHORTEST = 24 * HOUR, 10 * MINUTE
"""Of what is asked for at once: less where the answer would be too large, ns."""
MAX_POINTS = 10_000_000
"""Samples of a backtest: some 2 GB."""


async def sample_points(
    pipeline: ApiClient, groups: Iterable[RuleGroup], since: int, until: int, environment: str = ""
) -> tuple[list[Point], list[str]]:
    """The samples that rules evaluated from `since` to `until` (ns) read, and what users are to know of them.

    What these rules record themselves comes of their evaluation, and is not read.

    Raises:
        ApiError: the pipeline did not answer.
        InputError: they are too many.
    """
    groups = list(groups)
    made = {rule.name for group in groups for rule in group.rules if rule.kind == "record"} | {"ALERTS", "ALERTS_FOR_STATE"}
    known: dict[Series, dict[int, float]] = {}
    notes: set[str] = set()
    for matchers, begin in _wanted(groups, since).items():
        if any(each.name == NAME and each.type is MatchType.EQUAL and each.value in made for each in matchers):
            continue
        async for series, told in _read(pipeline, matchers, begin, until, environment):
            notes.update(told)
            for one in series:
                labels = dict(one.labels)
                name = labels.pop(NAME, "")
                if name not in made:
                    known.setdefault(Series(name, tuple(sorted(labels.items()))), {}).update(
                        zip(one.times, one.values, strict=True)
                    )
        if sum(map(len, known.values())) > MAX_POINTS:
            raise InputError(f"more than {MAX_POINTS:,} samples: name less time, or fewer rules")
    return [Point(series, time, value) for series, values in known.items() for time, value in values.items()], sorted(notes)


async def _read(
    pipeline: ApiClient, matchers: tuple[Matcher, ...], begin: int, until: int, environment: str
) -> AsyncIterator[tuple[list[ReadSeries], list[str]]]:
    """The samples of a selector, as much at once as the pipeline answers."""
    width = LONGEST
    while begin < until:
        end = min(begin + width, until)
        try:
            yield await pipeline.remote_read(matchers, begin + 1, end, environment)
        except RefusedError:
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
