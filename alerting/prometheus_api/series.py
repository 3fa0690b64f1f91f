"""Which series, label names and values there are in a stretch of time."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

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


def types_of(names: Iterable[str], totals: Collection[str], gauges: Collection[str] = ()) -> dict[str, str]:
    """The type of each metric, in order of names. The series of a classic histogram are one metric, as those of a summary.

    What rules record has none.

    Args:
        names: of series.
        totals: those that are known to only grow.
        gauges: others that came from senders.
    """
    names = set(names)
    found = {name: "counter" if name in totals else "gauge" if name in gauges else "unknown" for name in names}
    for name in sorted(names):
        base, _, part = name.rpartition("_")
        if part == "bucket":
            found[base] = "histogram" if name in totals or name not in gauges else "gaugehistogram"
        elif part == "sum" and found.get(base) == "gauge" and {f"{base}_count", name} <= set(totals):
            found[base] = "summary"
    of_several = {"histogram", "gaugehistogram", "summary"}
    parts = {f"{name}_{part}" for name, kind in found.items() if kind in of_several for part in ("bucket", "count", "sum")}
    return {name: found[name] for name in sorted(found.keys() - parts)}


def cut(items: Sequence[object], limit: int) -> tuple[list[object], list[str]]:
    """As many items as asked for (0 for all), and the warning that Prometheus gives where there are more."""
    if not limit or len(items) <= limit:
        return list(items), []
    return list(items[:limit]), ["results truncated due to limit"]
