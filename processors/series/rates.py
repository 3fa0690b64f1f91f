"""Running totals as rates: what detectors want to see of a counter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.metrics import Point

if TYPE_CHECKING:
    from telemetry.metrics import Series

_SECOND = 1_000_000_000


def is_bucket(series: Series) -> bool:
    """Whether a series is one bucket of a histogram, which says little alone."""
    return series.name.endswith("_bucket")


def rate(before: Point, after: Point) -> Point | None:
    """Growth a second from one point of a total to the next; None where time stood still or the counter began again."""
    elapsed = after.time - before.time
    if elapsed <= 0 or after.value < before.value:
        return None
    return Point(after.series, after.time, (after.value - before.value) * _SECOND / elapsed)
