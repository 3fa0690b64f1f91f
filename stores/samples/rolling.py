"""Rollups of samples in memory, for stores that cannot make them by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stores.samples.levels import ends_of
from stores.samples.store import RollupColumns
from telemetry.metrics import STALE

if TYPE_CHECKING:
    from stores.samples.levels import Level, Times
    from stores.samples.store import SampleColumns

_STALE_BITS = np.array([STALE]).view(np.uint64)[0]

Flags = NDArray[np.bool_]


def roll_up(found: SampleColumns, level: Level) -> RollupColumns:
    """The buckets of samples, which are in order of series and time and begin and end with a bucket."""
    keep = found.values.view(np.uint64) != _STALE_BITS
    ids, times, values = found.ids[keep], found.times[keep], found.values[keep]
    ones, none = np.ones(len(ids)), np.zeros(len(ids))
    samples = RollupColumns(ids, times, ones, values, values, values, values, times, values, times, none, none, none)
    return merge(samples, level)


def merge(found: RollupColumns, level: Level) -> RollupColumns:
    """Buckets of a finer level, in order of series and end, as buckets of this one."""
    ends = ends_of(found.ends, level)
    starts = _starts(found, ends)
    if not len(starts):
        return found
    last = np.append(starts[1:], len(ends)) - 1
    within = np.ones(len(ends), np.bool_)  # follows another of the same bucket
    within[starts] = False
    before = np.roll(found.last, 1)
    with np.errstate(invalid="ignore"):
        fell = within & (found.first < before)
        changed = within & (found.first != before) & ~(np.isnan(found.first) & np.isnan(before))
        return RollupColumns(
            found.ids[starts],
            ends[starts],
            np.add.reduceat(found.count, starts),
            np.add.reduceat(found.sum, starts),
            np.fmin.reduceat(found.least, starts),
            np.fmax.reduceat(found.most, starts),
            found.first[starts],
            found.first_time[starts],
            found.last[last],
            found.last_time[last],
            np.add.reduceat(found.lost + np.where(fell, before, 0.0), starts),
            np.add.reduceat(found.resets + fell, starts),
            np.add.reduceat(found.changes + changed, starts),
        )


def _starts(found: RollupColumns, ends: Times) -> NDArray[np.intp]:
    if not len(ends):
        return np.zeros(0, np.intp)
    begins: Flags = np.ones(len(ends), np.bool_)
    begins[1:] = (found.ids[1:] != found.ids[:-1]) | (ends[1:] != ends[:-1])
    return np.flatnonzero(begins)
