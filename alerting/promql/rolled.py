"""Ranges that are kept as a few numbers of each bucket: functions over them, for many series at once.

What they give is what `range_functions` give over the samples themselves, but for the order of summation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.durations import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

Labels = tuple[tuple[str, str], ...]
"""As `vectors` has them."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reduced:
    """The samples of a range of each series, reduced. Rows are series; where `count` is 0, nothing else counts.

    Attributes:
        total: sum of the values; `least` and `most` are NaN only where all are.
        lost: sum of the values before each reset: the increase is `last - first + lost`.
        first_time, last_time: nanoseconds; 64-bit integers, though declared as the others are, which are handled alike.
        changes: how often a value was another than the one before it.
    """

    count: Numbers
    total: Numbers
    least: Numbers
    most: Numbers
    first: Numbers
    first_time: Numbers
    last: Numbers
    last_time: Numbers
    lost: Numbers
    resets: Numbers
    changes: Numbers

    def followed_by(self, after: Reduced) -> Reduced:
        """Both as one range, `after` later; of the same series."""
        mine, theirs = self.count > 0, after.count > 0
        meet = mine & theirs
        fell = meet & (after.first < self.last)
        with np.errstate(invalid="ignore", over="ignore"):
            return Reduced(
                self.count + after.count,
                self.total + after.total,
                np.fmin(self.least, after.least),
                np.fmax(self.most, after.most),
                np.where(mine, self.first, after.first),
                np.where(mine, self.first_time, after.first_time),
                np.where(theirs, after.last, self.last),
                np.where(theirs, after.last_time, self.last_time),
                self.lost + after.lost + np.where(fell, self.last, 0.0),
                self.resets + after.resets + fell,
                self.changes + after.changes + (meet & differ(self.last, after.first)),
            )


@dataclass(frozen=True, slots=True)
class RolledRange:
    """A range over rollups: of which series, and what it covers (`start` excluded), the nearest to what was asked."""

    labels: Sequence[Labels]
    bare: Sequence[Labels]
    start: int
    end: int
    width: int  # that was asked
    reduced: Reduced


def differ(a: Numbers, b: Numbers) -> NDArray[np.bool_]:
    """Whether numbers differ; two NaN do not."""
    different: NDArray[np.bool_] = (a != b) & ~(np.isnan(a) & np.isnan(b))
    return different


def _extrapolated(found: RolledRange, *, counter: bool, per_second: bool) -> Numbers:
    """See `range_functions`."""
    of, span = found.reduced, (found.end - found.start) / SECOND
    change = of.last - of.first + (of.lost if counter else 0.0)
    to_start, to_end = (of.first_time - found.start) / SECOND, (found.end - of.last_time) / SECOND
    sampled = (of.last_time - of.first_time) / SECOND
    interval = sampled / (of.count - 1)
    before = np.where(to_start < interval * 1.1, to_start, interval / 2)
    if counter:
        to_zero = np.where((change > 0) & (of.first >= 0), sampled * (of.first / change), np.inf)
        before = np.minimum(before, to_zero)
    after = np.where(to_end < interval * 1.1, to_end, interval / 2)
    result: Numbers = change * ((sampled + before + after) / sampled) / span
    result[of.count < 2] = np.nan
    return result if per_second else result * (found.width / SECOND)


RolledFunction = Callable[[RolledRange], Numbers]

_OF_TWO = frozenset({"rate", "increase", "delta"})

ROLLED: dict[str, RolledFunction] = {
    "avg_over_time": lambda found: found.reduced.total / found.reduced.count,
    "changes": lambda found: found.reduced.changes,
    "count_over_time": lambda found: found.reduced.count,
    "delta": lambda found: _extrapolated(found, counter=False, per_second=False),
    "increase": lambda found: _extrapolated(found, counter=True, per_second=False),
    "last_over_time": lambda found: found.reduced.last,
    "max_over_time": lambda found: found.reduced.most,
    "min_over_time": lambda found: found.reduced.least,
    "present_over_time": lambda found: np.ones(len(found.labels)),
    "rate": lambda found: _extrapolated(found, counter=True, per_second=True),
    "resets": lambda found: found.reduced.resets,
    "sum_over_time": lambda found: found.reduced.total,
}
"""By PromQL name. The others read one sample of each bucket."""


def over_rolled(name: str, found: RolledRange) -> list[tuple[Labels, float]]:
    """A function of ROLLED over a range, for the series that have enough samples in it."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = ROLLED[name](found).tolist()
    enough = (found.reduced.count >= (2 if name in _OF_TWO else 1)).tolist()
    labels = found.labels if name == "last_over_time" else found.bare
    return [(of, value) for of, value, has in zip(labels, values, enough, strict=True) if has]
