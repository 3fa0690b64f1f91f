"""Rollups of some series in a table of series and buckets, and what they come to over a range."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from alerting.promql.rolled import Reduced, differ
from telemetry.metrics import STALE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from alerting.promql.rolled import Numbers
    from alerting.rules.samples import StoredSeries
    from stores.samples.levels import Level
    from stores.samples.store import Ids, RollupColumns

_FIELDS = tuple(field.name for field in fields(Reduced))
_STORED = {"total": "sum"}
_STALE_BITS = np.array([STALE]).view(np.uint64)[0]
_MISSING = frozenset({"least", "most", "first", "last"})
_TIMES = frozenset({"first_time", "last_time"})


@dataclass(frozen=True, slots=True)
class Grid:
    """Buckets of one level that end after `since` and up to `until`. A row is a series, in the order of `ids`."""

    level: Level
    ids: Ids
    since: int
    until: int
    cells: Reduced

    @classmethod
    def of(cls, found: RollupColumns, level: Level, ids: Ids, since: int, until: int) -> Grid:
        """Rollups of these series as the store returns them; `ids` ascend."""
        width = level.width
        shape = (len(ids), max(0, (until - since) // width))
        place = np.searchsorted(ids, found.ids), (found.ends - since) // width - 1

        def column(name: str) -> Numbers:
            fill = np.nan if name in _MISSING else 0
            cells: Numbers = np.full(shape, fill, np.int64 if name in _TIMES else np.float64)
            cells[place] = getattr(found, _STORED.get(name, name))
            return cells

        return cls(level, ids, since, until, Reduced(**{name: column(name) for name in _FIELDS}))

    def cut(self, since: int, until: int) -> Grid:
        """The buckets of a shorter time."""
        low, high = (since - self.since) // self.level.width, (until - self.since) // self.level.width
        return Grid(self.level, self.ids, since, until, _each(lambda cells: cells[:, low:high], self.cells))

    def joined(self, after: Grid) -> Grid:
        """And what comes right after it, of the same series."""
        cells = Reduced(*(np.concatenate(pair, axis=1) for pair in _pairs(self.cells, after.cells)))
        return Grid(self.level, self.ids, self.since, after.until, cells)

    def stacked(self, others: Grid) -> Grid:
        """And other series, of the same time."""
        ids = np.concatenate((self.ids, others.ids))
        order = np.argsort(ids)
        cells = Reduced(*(np.concatenate(pair, axis=0)[order] for pair in _pairs(self.cells, others.cells)))
        return Grid(self.level, ids[order], self.since, self.until, cells)

    def reduced(self, since: int, until: int) -> Reduced:
        """All buckets of a range as one; both ends are ends of buckets within the grid."""
        of = self.cut(since, until).cells
        has = of.count > 0
        rows, width = np.arange(len(self.ids)), has.shape[1]
        first, last = has.argmax(axis=1), width - 1 - has[:, ::-1].argmax(axis=1)
        if has.all():
            before, after = of.last[:, :-1], of.first[:, 1:]
            meet = np.ones(before.shape, np.bool_)
        else:
            latest = np.maximum.accumulate(np.where(has, np.arange(width), -1), axis=1)[:, :-1]
            before = np.take_along_axis(of.last, np.maximum(latest, 0), axis=1)
            after = of.first[:, 1:]
            meet = has[:, 1:] & (latest >= 0)
        fell = meet & (after < before)
        return Reduced(
            of.count.sum(axis=1),
            of.total.sum(axis=1),
            np.fmin.reduce(of.least, axis=1),
            np.fmax.reduce(of.most, axis=1),
            of.first[rows, first],
            of.first_time[rows, first],
            of.last[rows, last],
            of.last_time[rows, last],
            of.lost.sum(axis=1) + np.where(fell, before, 0.0).sum(axis=1),
            of.resets.sum(axis=1) + fell.sum(axis=1),
            of.changes.sum(axis=1) + (meet & differ(before, after)).sum(axis=1),
        )


def reduced_samples(series: Sequence[StoredSeries], rows: Sequence[int], size: int, after: int, until: int) -> Reduced:
    """Samples in memory with `after < time <= until`, reduced. Stale markers count nowhere.

    Args:
        series: with samples.
        rows: that of each series.
        size: number of rows.
        after: beginning, ns.
        until: end, ns.
    """
    times, values, owners = recent(series, rows, after, until)
    count = np.bincount(owners, minlength=size).astype(np.float64)
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    ends = np.append(starts[1:], len(owners)) - 1
    place = owners[starts]

    def at(numbers: Numbers, fill: float) -> Numbers:
        column: Numbers = np.full(size, fill, numbers.dtype)
        column[place] = numbers
        return column

    def summed(numbers: Numbers) -> Numbers:
        return np.bincount(owners[1:], weights=numbers, minlength=size).astype(np.float64)

    same = owners[1:] == owners[:-1]
    fell = same & (values[1:] < values[:-1])
    some = len(owners) > 0
    return Reduced(
        count,
        np.bincount(owners, weights=values, minlength=size).astype(np.float64),
        at(np.fmin.reduceat(values, starts) if some else values, np.nan),
        at(np.fmax.reduceat(values, starts) if some else values, np.nan),
        at(values[starts], np.nan),
        at(times[starts], 0),
        at(values[ends] if some else values, np.nan),
        at(times[ends] if some else times, 0),
        summed(np.where(fell, values[:-1], 0.0)),
        summed(fell.astype(np.float64)),
        summed((same & differ(values[1:], values[:-1])).astype(np.float64)),
    )


def recent(
    series: Sequence[StoredSeries], rows: Sequence[int], after: int, until: int
) -> tuple[Numbers, Numbers, NDArray[np.int64]]:
    """Times, values and rows of samples in memory, without stale markers."""
    times, values = array("q"), array("d")
    counts = np.zeros(len(series), np.int64)
    for i, each in enumerate(series):
        low, high = bisect_right(each.times, after), bisect_right(each.times, until)
        if low < high:
            times.extend(each.times[low:high])
            values.extend(each.values[low:high])
            counts[i] = high - low
    found = np.frombuffer(values, np.float64)
    keep = found.view(np.uint64) != _STALE_BITS
    owners = np.repeat(np.asarray(rows, np.int64), counts)
    when: Numbers = np.frombuffer(times, np.int64)
    return when[keep], found[keep], owners[keep]


def _each(change: Callable[[Numbers], Numbers], cells: Reduced) -> Reduced:
    return Reduced(*(change(getattr(cells, name)) for name in _FIELDS))


def _pairs(one: Reduced, other: Reduced) -> list[tuple[Numbers, Numbers]]:
    return [(getattr(one, name), getattr(other, name)) for name in _FIELDS]
