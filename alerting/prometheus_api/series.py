"""Which series, label names and values there are in a stretch of time."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from alerting.promql.matchers import Matcher
    from alerting.promql.vectors import Labels, Source


def series_in(
    source: Source, selectors: Sequence[tuple[Matcher, ...]], start: int, end: int, go_on: Callable[[], None]
) -> Iterator[Labels]:
    """The labels of each series that passes one of the selectors and has a sample from `start` to `end`, ns.

    `go_on` is called before each selection, and may raise.
    """
    seen: set[Labels] = set()
    for matchers in selectors:
        go_on()
        for column in source.select(matchers):
            i = bisect_left(column.times, start)
            if i < len(column.times) and column.times[i] <= end and column.labels not in seen:
                seen.add(column.labels)
                yield column.labels


def cut(items: Sequence[object], limit: int) -> tuple[list[object], list[str]]:
    """As many items as asked for (0 for all), and the warning that Prometheus gives where there are more."""
    if not limit or len(items) <= limit:
        return list(items), []
    return list(items[:limit]), ["results truncated due to limit"]
