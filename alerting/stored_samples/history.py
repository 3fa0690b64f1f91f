"""Reads what rules and queries need of the store of samples: as fine as it is kept and affordable, and no more than is new."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from alerting.promql.vectors import EvaluationError, PastColumns
from alerting.stored_samples.grid import Grid
from alerting.stored_samples.index import SeriesIndex
from alerting.stored_samples.stored_range import StoredRange
from components.durations import HOUR, MINUTE, SECOND, format_duration
from stores.samples.levels import Level
from telemetry.environment import EVERY_ENVIRONMENT
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerting.promql.matchers import Matcher
    from alerting.promql.rolled import RolledRange
    from alerting.promql.vectors import Labels, PastColumns, Reach
    from alerting.rules.samples import Samples
    from alerting.stored_samples.recorder import SampleJournal
    from stores.samples.store import Ids, SampleStore

MAX_CELLS = 500_000
"""Buckets of one selector: 44 MB. A rule over 7 d on 1,000 series has 230,000."""
MAX_ALL_CELLS = 3_000_000
"""Buckets of all rules of an environment together: 260 MB."""
MAX_RANGES = 10_000
"""Selectors of rules that are remembered."""
MAX_RAW = 1_000_000
"""Samples of one selector, guessed by one each RAW_EVERY."""
RAW_EVERY = 10 * SECOND
MAX_RULE_BUCKETS = 1_500
"""Buckets of a rule's range, beyond which a coarser level is as good."""
AHEAD = 30 * MINUTE
"""What is read beyond an older end, for the evaluations to come, ns."""
RECENT = 10 * MINUTE
"""How far back queries are answered from memory alone, ns: before that it may have gaps after a start."""
RETRY_AFTER = 30 * SECOND

_FAR = 2**63 - 1


@dataclass(slots=True)
class ReadRanges:
    """What was read for one evaluation; a `Past`. `error` says why the rest could not be."""

    ranges: dict[Reach, StoredRange] = field(default_factory=dict)
    errors: dict[Reach, str] = field(default_factory=dict)

    def columns(self, reach: Reach) -> PastColumns | None:
        """See `Past`."""
        found = self._find(reach)
        return found.columns() if found is not None else None

    def rolled(self, reach: Reach, start: int, end: int) -> RolledRange | None:
        """See `Past`."""
        found = self._find(reach)
        return found.rolled(start, end) if found is not None and found.raw is None else None

    def _find(self, reach: Reach) -> StoredRange | None:
        if reach in self.errors:
            raise EvaluationError(self.errors[reach])
        return self.ranges.get(reach)

    def note(self, reach: Reach) -> str:
        """See `Past`."""
        found = self.ranges.get(reach)
        return describe(found) if found is not None and found.raw is None else ""

    def notes(self) -> list[str]:
        """Those of all selectors."""
        return sorted({text for text in map(self.note, self.ranges) if text})


class StoredHistory:
    """The older samples of one environment, or of all.

    Args:
        store: has them.
        samples: the newer ones, in memory.
        journal: tells what is written.
    """

    def __init__(self, store: SampleStore, samples: Samples, journal: SampleJournal) -> None:
        self._store, self._samples, self._journal = store, samples, journal
        self._index = SeriesIndex(store, journal.environment)
        self._rules = ReadRanges()
        self._failed_at = -RETRY_AFTER
        self.evicted = 0
        """Selectors that were dropped for lack of room: they are read anew when their rule is evaluated again."""

    @property
    def kept(self) -> int:
        """How far back can be read, ns."""
        return max(self._store.limits.kept.values())

    def refused(self, now: int) -> list[str]:
        """Whose series are not stored, as they were beyond a bound in the last minutes before `now`, in words."""
        return self._store.refusals.recent(self._index.environment, now)

    async def for_rules(self, wanted: Mapping[Reach, tuple[int, int]], now: int) -> ReadRanges:
        """What rules are about to read, by selector: from when until when. What was read before is kept and continued.

        `now` is the clock, ns: after a failure the store is left alone for a while, and rules that read it fail meanwhile.
        """
        rewritten = self._journal.take_rewritten()
        for found in self._rules.ranges.values():
            found.rewritten_from = min(found.rewritten_from, rewritten)
            found.begin()
        if not wanted:
            return self._rules
        if now - self._failed_at < RETRY_AFTER:
            return self._rules
        self._rules.errors = {}
        try:
            await self._index.refresh(now)
            for reach, (since, until) in wanted.items():
                await self._read_for_rule(reach, since, until)
        except StoreError as error:
            self._failed_at = now
            self._rules.errors = dict.fromkeys(wanted, f"the store of samples cannot be read: {error}")
        return self._rules

    async def _read_for_rule(self, reach: Reach, since: int, until: int) -> None:
        ranges = self._rules.ranges
        before = ranges.pop(reach, None)
        try:
            found = await self._read(reach, since, until, before, for_rule=True)
        except EvaluationError as error:
            self._rules.errors[reach] = str(error)
            return
        ranges[reach] = found  # the last is the latest used
        while len(ranges) > MAX_RANGES or (len(ranges) > 1 and sum(map(_cells, ranges.values())) > MAX_ALL_CELLS):
            ranges.pop(next(iter(ranges)))
            self.evicted += 1

    async def for_query(self, reaches: Iterable[Reach], start: int, end: int, lookback: int, now: int) -> ReadRanges:
        """What a query from `start` to `end` reads that memory may not have.

        Raises:
            StoreError: the store cannot be read.
            EvaluationError: it is too much.
        """
        read = ReadRanges()
        oldest = self._samples.newest - self.kept + 2 * HOUR  # before it there is nothing, which is an answer too
        await self._index.refresh(now)
        for reach in reaches:
            since, until = reach.of(self._samples, start, end, lookback)
            if since < self._samples.newest - RECENT and reach not in read.ranges:
                since = max(since, oldest)
                read.ranges[reach] = await self._read(reach, since, max(since, until), None, for_rule=False)
        return read

    async def series_of(self, matchers: tuple[Matcher, ...], now: int) -> list[Labels]:
        """Series in the store or in memory, of any time.

        Raises:
            StoreError: the store cannot be read.
        """
        await self._index.refresh(now)
        return [self._index.labels[number] for number in self._match(matchers)]

    def _match(self, matchers: tuple[Matcher, ...]) -> list[int]:
        self._index.add(self._samples.select(matchers))
        return self._index.match(matchers)

    # ------------------------------------------------------------------ reading

    async def _read(self, reach: Reach, since: int, until: int, before: StoredRange | None, *, for_rule: bool) -> StoredRange:
        numbers = self._match(reach.matchers)
        level = self._choose(len(numbers), since, until, for_rule=for_rule)
        ids = np.array(numbers, np.int64)
        if before is not None and before.level is not level:
            before = None
        if level is Level.RAW:
            return await self._read_raw(reach, ids, since, until, before)
        found = StoredRange(reach, level, self._samples, self._index, wanted_until=until)
        grid = await self._grid(level, ids, since, until, before)
        found.grids.append(grid)
        if level is Level.HOUR and until > grid.until:
            found.grids.append(await self._grid(Level.MINUTE, ids, grid.until, until, before))
        return found

    def _choose(self, series: int, since: int, until: int, *, for_rule: bool) -> Level:
        """The finest level that is kept so far back and affordable."""
        newest, span = self._samples.newest, until - since
        for level in Level:
            if since <= newest - self._store.limits.kept[level] + level.width:
                continue
            if level is Level.RAW:
                samples = series * (span // RAW_EVERY)
                if samples <= MAX_RAW and not (for_rule and span > self._samples.limits.retention):
                    return level
                continue
            buckets = span // level.width
            if series * buckets <= MAX_CELLS and not (for_rule and buckets > MAX_RULE_BUCKETS and level is not Level.HOUR):
                return level
        kept = format_duration(max(self._store.limits.kept.values()))
        if since <= newest - self.kept + HOUR:
            raise EvaluationError(f"reads {format_duration(newest - since)} back, but samples are kept for {kept} at most")
        raise EvaluationError(
            f"reads {series} series over {format_duration(span)}: more than {MAX_CELLS:,} buckets; name fewer or less time"
        )

    async def _read_raw(self, reach: Reach, ids: Ids, since: int, until: int, before: StoredRange | None) -> StoredRange:
        if before is not None and before.since <= since and before.until >= until and before.rewritten_from > before.until:
            before.wanted_until = until
            return before
        stored = await self._rolled_until(Level.SECONDS)
        target = min(stored, until + AHEAD)
        found = StoredRange(reach, Level.RAW, self._samples, self._index, since=since, until=target, wanted_until=until)
        found.raw = await self._store.samples(ids, since, target)
        return found

    async def _grid(self, level: Level, ids: Ids, since: int, until: int, before: StoredRange | None) -> Grid:
        """The buckets of a time, and a little more; those that were read before are not read again."""
        width = level.width
        since = since // width * width
        rolled = await self._rolled_until(level)
        target = max(since, min(rolled, level.end_of(until)))
        old = next((grid for grid in before.grids if grid.level is level), None) if before is not None else None
        if old is not None and (old.since > since or old.until < since or not np.isin(old.ids, ids).all()):
            old = None
        if old is None:
            ahead = max(since, min(rolled, level.end_of(until + AHEAD)))
            return await self._load(level, ids, since, ahead)
        rewritten = before.rewritten_from if before is not None else _FAR
        fresh = min(old.until, max(since, level.end_of(rewritten) - width if rewritten < _FAR else _FAR))
        grid = old.cut(since, fresh) if fresh < old.until or since > old.since else old
        if fresh < target:
            ahead = max(target, min(rolled, level.end_of(until + AHEAD)))
            grid = grid.joined(await self._load(level, grid.ids, fresh, ahead))
        new = ids[~np.isin(ids, grid.ids)]
        if len(new):
            grid = grid.stacked(await self._load(level, new, grid.since, grid.until))
        return grid

    async def _rolled_until(self, level: Level) -> int:
        """Up to when buckets are there; over all environments up to when they are of each that sends."""
        if self._index.environment != EVERY_ENVIRONMENT:
            return await self._store.rolled_until(self._index.environment, level)
        ends = [await self._store.rolled_until(name, level) for name in sorted(self._index.environments)]
        sending = [end for end in ends if end > max(ends) - level.width - self._samples.limits.retention]
        return min(sending, default=0)

    async def _load(self, level: Level, ids: Ids, since: int, until: int) -> Grid:
        return Grid.of(await self._store.rollups(ids, level, since, until), level, ids, since, until)


def describe(found: StoredRange) -> str:
    """How a selector is answered that is not answered from the samples."""
    names = ", ".join(f"{each.name}{each.type.value}{each.value!r}" for each in found.reach.matchers)
    width, title = format_duration(found.reach.width), found.level.title
    if not found.reach.width:
        return f"{{{names}}}: answered from rollups of {title}, one sample each"
    return f"{{{names}}}[{width}]: answered from rollups of {title}, the range begins at the nearest full {title}"


def _cells(found: StoredRange) -> int:
    return sum(grid.cells.count.size for grid in found.grids) + (len(found.raw.ids) if found.raw is not None else 0)
