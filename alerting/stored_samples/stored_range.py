"""What one selector reads of the store, and how it goes on in memory."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from alerting.promql.rolled import Reduced, RolledRange
from alerting.promql.vectors import EvaluationError, PastColumns
from alerting.stored_samples.grid import reduced_samples
from components.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.promql.vectors import Labels, Reach
    from alerting.rules.samples import Samples, StoredSeries
    from alerting.stored_samples.grid import Grid
    from alerting.stored_samples.index import SeriesIndex
    from stores.samples.levels import Level
    from stores.samples.store import SampleColumns


@dataclass(slots=True)
class PastColumn:
    """A `VectorColumn`: samples of the store, then those in memory."""

    labels: Labels
    bare: Labels
    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    ended: bool = False


@dataclass(slots=True)
class StoredRange:
    """What a selector reads. Either `raw` samples up to `until`, or `grids`, each of which begins where the one before ends.

    Args:
        reach: of the selector.
        level: of the samples or the first grid.
        samples: in memory.
        index: names the series.
        wanted_until: the latest time that is asked for.
    """

    reach: Reach
    level: Level
    samples: Samples
    index: SeriesIndex
    grids: list[Grid] = field(default_factory=list)
    raw: SampleColumns | None = None
    since: int = 0
    until: int = 0
    wanted_until: int = 0
    rewritten_from: int = 2**63 - 1  # what was stored late since it was read
    _columns: PastColumns | None = None

    def columns(self) -> PastColumns:
        """The samples of each series, or one sample of each bucket: as they were when asked first since `begin`."""
        if self._columns is None:
            self._columns = self._make_columns()
        return self._columns

    def begin(self) -> None:
        """What has come into memory meanwhile is seen from now on."""
        self._columns = None

    def _make_columns(self) -> PastColumns:
        found: dict[int, PastColumn] = {}
        if self.raw is not None:
            self._add_raw(found, self.raw)
        for grid in self.grids:
            for row, bucket in zip(*(axis.tolist() for axis in np.nonzero(grid.cells.count)), strict=True):
                made = self._column(found, int(grid.ids[row]))
                made.times.append(int(grid.cells.last_time[row, bucket]))
                made.values.append(float(grid.cells.last[row, bucket]))
        after = self._memory_from()
        for each in self._recent():
            low = bisect_right(each.times, after)
            if low < len(each.times):
                made = self._column(found, self.index.number(each))
                made.times += each.times[low:]
                made.values += each.values[low:]
                made.ended |= each.ended
        resolution = 0 if self.raw is not None else max((grid.level.width for grid in self.grids), default=0)
        return PastColumns(list(found.values()), resolution)

    def _add_raw(self, found: dict[int, PastColumn], raw: SampleColumns) -> None:
        if not len(raw.ids):
            return
        starts = np.flatnonzero(np.diff(raw.ids, prepend=raw.ids[:1] - 1)).tolist()
        for low, high in zip(starts, [*starts[1:], len(raw.ids)], strict=True):
            made = self._column(found, int(raw.ids[low]))
            made.times, made.values = raw.times[low:high].tolist(), raw.values[low:high].tolist()
            made.ended = bool(np.isnan(raw.values[low:high]).any())

    def _column(self, found: dict[int, PastColumn], number: int) -> PastColumn:
        made = found.get(number)
        if made is None:
            made = found[number] = PastColumn(self.index.labels[number], self.index.bare[number])
        return made

    def rolled(self, start: int, end: int) -> RolledRange:
        """The range that is nearest to what was asked, reduced."""
        parts: list[Reduced] = []
        begin, at = None, start
        is_recent = end > self.samples.newest - self.samples.limits.retention  # then memory has what no bucket covers
        for grid in self.grids:
            width = grid.level.width
            low = max(nearest(at, width), grid.since)
            if low >= grid.until:
                continue
            high = end // width * width if is_recent else max(nearest(end, width), low + width)
            high = min(high, grid.until)
            if high > low:
                parts.append(grid.reduced(low, high))
                begin, at = (low if begin is None else begin), high
        if not is_recent and begin is not None:
            return self._rolled(parts, begin, at)
        at = max(at, self._memory_from()) if end > self._until else at
        rows = {number: row for row, number in enumerate(self._ids())}
        numbered = [(each, self.index.number(each)) for each in self._recent()]
        known = [(each, rows[number]) for each, number in numbered if number in rows]
        parts.append(reduced_samples([each for each, _ in known], [row for _, row in known], len(rows), at, end))
        return self._rolled(parts, at if begin is None else begin, end)

    def _rolled(self, parts: Sequence[Reduced], start: int, end: int) -> RolledRange:
        ids = self._ids()
        labels, bare = [self.index.labels[each] for each in ids], [self.index.bare[each] for each in ids]
        return RolledRange(labels, bare, start, end, self.reach.width, reduce(Reduced.followed_by, parts))

    def _ids(self) -> list[int]:
        return self.grids[0].ids.tolist() if self.grids else []

    @property
    def _until(self) -> int:
        return self.grids[-1].until if self.grids else self.until

    def _memory_from(self) -> int:
        after = self._until
        kept = self.samples.limits.retention
        if after < self.wanted_until and self.samples.newest - after > kept:
            text = format_duration(self.samples.newest - after)
            raise EvaluationError(f"the store of samples lags behind by {text}, more than memory holds: see its errors")
        return after

    def _recent(self) -> Sequence[StoredSeries]:
        found = self.samples.select(self.reach.matchers)
        self.index.add(found)
        return found


def nearest(time: int, width: int) -> int:
    """The multiple that is nearest."""
    return (time + width // 2) // width * width
