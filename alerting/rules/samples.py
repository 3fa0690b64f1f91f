"""Recent samples in memory, for rules to read. Bounded in series, in samples a series and in age; what is refused is counted.

A sample may come out of order as long as it is younger than the retention. Of two samples of one series and time the first
stays, so that reading the same points again after a crash changes nothing.
"""

from __future__ import annotations

import base64
import math
from array import array
from bisect import bisect_left
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from alerting.promql.matchers import MatchType
from alerting.promql.vectors import NAME, Labels, labels_of, nameless
from components.durations import HOUR
from stores.samples.bounds import sender_of
from stores.samples.refusals import Refusals
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alerting.promql.matchers import Matcher
    from telemetry.json_object import JsonObject
    from telemetry.metrics import Point, Series

VERSION = 1
LEAST_SHARE = 64
"""Samples of a series that are kept however many series there are."""

_MAX_SELECTIONS = 4096  # selectors whose series are remembered; a rule file has one to three a rule


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the memory."""

    series: int = 50_000
    series_per_sender: int = 25_000  # of one service; what rules write counts for none
    text: int = 32 << 20  # characters of their names and labels
    samples: int = 8_000_000  # of all series, each its share and LEAST_SHARE at least
    samples_per_series: int = 2_000
    retention: int = HOUR  # nanoseconds


@dataclass(slots=True)
class SampleCounts:
    """What became of samples, since the start."""

    added: int = 0
    duplicate: int = 0  # same series, time and value: read again
    conflicting: int = 0  # same series and time, another value: the first stays
    too_old: int = 0
    too_many_series: int = 0
    of_one_sender: int = 0  # of series beyond the bound on those of one sender
    evicted: int = 0


@dataclass(slots=True, eq=False)
class StoredSeries:
    """One series; a `Column`."""

    labels: Labels
    bare: Labels
    times: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    ended: bool = False
    id: int = 0  # in the store of samples, once it is known
    sender: str | None = None  # None: it was written by a rule first
    evicted_until: int = 0  # samples up to then may be gone, though others of that age are kept


class Journal(Protocol):
    """Takes each sample that is kept, on its way to the store of samples."""

    def add(self, series: StoredSeries, time: int, value: float, newest: int, delta: int = 0) -> None:
        """One sample, and the time of the telemetry before it came, ns; or what a delta of a number adds to one."""
        ...


class Samples:
    """The samples of all series, found by their labels."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._series: dict[Labels, StoredSeries] = {}
        self._by_source: dict[Series, StoredSeries] = {}
        self._postings: dict[tuple[str, str], dict[StoredSeries, None]] = {}
        self._selections: OrderedDict[tuple[Matcher, ...], list[StoredSeries]] = OrderedDict()
        self._newest = self._text = 0
        self.counts = SampleCounts()
        self.totals: dict[str, None] = {}
        """Metrics of which senders say that they only grow; as many as there may be series, then no more are noted."""
        self.gauges: dict[str, None] = {}
        """The others that came from senders, in the same bound: gauges, and quantiles of summaries."""
        self._deltas: dict[int, set[int]] = {}  # by time, the numbers of those that were added
        self.refusals = Refusals()
        self._of_sender: Counter[str] = Counter()
        self.journal: Journal | None = None
        self.journals_points = True  # else what rules write alone: the points are others' too

    def __len__(self) -> int:
        return len(self._series)

    @property
    def newest(self) -> int:
        """Time of the newest sample, though no later than the telemetry's, ns; 0 without any."""
        return self._newest

    def add(self, points: Iterable[Point], now: int | None = None) -> None:
        """Keep points; those beyond a bound are refused and counted.

        Args:
            points: in any order.
            now: the time of the telemetry (ns), if it is known: what a clock that is ahead has stamped makes nothing old.
        """
        for point in points:
            stored = self._of(point.series)
            if stored is None:
                continue
            latest = point.time if now is None else min(point.time, now)
            self._insert(stored, point.time, float(point.value), latest, journaled=self.journals_points)

    def add_delta(self, points: Iterable[Point], number: int, now: int) -> None:
        """Add to samples, which begin at 0, what is known by a number: a second time it changes nothing.

        What is too old for this memory is written to the store of samples alone.

        Args:
            points: all that has this number, of one time, one a series.
            number: not 0.
            now: the time of the telemetry, ns.
        """
        points, before = list(points), self._newest
        time = points[0].time if points else 0
        is_old = time < before - self.limits.retention
        if not is_old:
            known = self._deltas.setdefault(time, set())
            if number in known:
                self.counts.duplicate += len(points)
                return
            known.add(number)
        for point in points:
            stored = self._of(point.series)
            if stored is not None:
                self._add_delta(stored, point, number, now, is_old=is_old)

    def _add_delta(self, stored: StoredSeries, point: Point, number: int, now: int, *, is_old: bool) -> None:
        time, times, before = point.time, stored.times, self._newest
        if is_old or time <= stored.evicted_until:
            self._note(stored, time, 0.0, before, 0)
        else:
            i = bisect_left(times, time)
            if i == len(times) or times[i] != time:
                self._insert(stored, time, 0.0, min(time, now), journaled=self.journals_points)
                i = bisect_left(times, time)
            if i < len(times) and times[i] == time:
                stored.values[i] += point.value
        self._note(stored, time, point.value, before, number)

    def _note(self, stored: StoredSeries, time: int, value: float, before: int, number: int) -> None:
        if self.journal is not None and self.journals_points:
            self.journal.add(stored, time, value, before, number)

    def _of(self, series: Series) -> StoredSeries | None:
        """A sender's series; None where it is refused."""
        stored = self._by_source.get(series)
        if stored is None:
            labels = labels_of(dict(series.labels) | {NAME: series.name})
            stored = self._stored(labels, sender_of(labels))
            if stored is not None:
                self._by_source[series] = stored
                names = self.totals if series.total else self.gauges
                if len(names) < self.limits.series:
                    names[series.name] = None
        return stored

    def append(self, labels: Labels, time: int, value: float) -> None:
        """Keep one sample of a series given by all its labels: a rule's result or a stale marker."""
        stored = self._stored(labels)
        if stored is not None:
            self._insert(stored, time, value, time)

    def _stored(self, labels: Labels, sender: str | None = None) -> StoredSeries | None:
        stored = self._series.get(labels)
        if stored is None:
            text, limits = _length(labels), self.limits
            if sender is not None and self._of_sender[sender] >= limits.series_per_sender:
                self.counts.of_one_sender += 1
                self.refusals.note("", sender, "samples.series_per_sender", limits.series_per_sender, self._newest)
                return None
            if len(self._series) >= limits.series or self._text + text > limits.text:
                self.counts.too_many_series += 1
                self.refusals.note("", sender or "", "of the memory of rules", len(self._series), self._newest)
                return None
            stored = self._series[labels] = StoredSeries(labels, nameless(labels), sender=sender)
            self._text += text
            if sender is not None:
                self._of_sender[sender] += 1
            for pair in labels:
                self._postings.setdefault(pair, {})[stored] = None
            self._selections.clear()
        return stored

    def _insert(self, stored: StoredSeries, time: int, value: float, now: int, *, journaled: bool = True) -> None:
        times, values, before = stored.times, stored.values, self._newest
        if now > before:
            self._newest = now
        elif time < self._newest - self.limits.retention:
            self.counts.too_old += 1
            return
        if math.isnan(value):  # it may be a stale marker
            stored.ended = True
        if not times or time > times[-1]:
            times.append(time)
            values.append(value)
        else:
            i = bisect_left(times, time)
            if times[i] == time:
                same = values[i] == value or (math.isnan(values[i]) and math.isnan(value))
                self.counts.duplicate += same
                self.counts.conflicting += not same
                return
            times.insert(i, time)
            values.insert(i, value)
        self.counts.added += 1
        if journaled and self.journal is not None:
            self.journal.add(stored, time, value, before)
        share = max(LEAST_SHARE, self.limits.samples // len(self._series))
        most = min(self.limits.samples_per_series, share)
        if len(times) > most:
            surplus = len(times) - most * 3 // 4  # a quarter at once: cutting moves the rest
            stored.evicted_until = times[surplus - 1]
            del times[:surplus], values[:surplus]
            self.counts.evicted += surplus

    def evict(self, before: int) -> None:
        """Drop samples older than `before` (ns), and series that have none left."""
        empty = []
        self._deltas = {time: known for time, known in self._deltas.items() if time >= before}
        for stored in self._series.values():
            cut = bisect_left(stored.times, before)
            if cut:
                del stored.times[:cut], stored.values[:cut]
                self.counts.evicted += cut
            if not stored.times:
                empty.append(stored)
        for stored in empty:
            del self._series[stored.labels]
            self._text -= _length(stored.labels)
            if stored.sender is not None:
                self._of_sender[stored.sender] -= 1
            for pair in stored.labels:
                posting = self._postings[pair]
                del posting[stored]
                if not posting:
                    del self._postings[pair]
        if empty:
            self._of_sender = +self._of_sender
            gone = set(map(id, empty))
            self._by_source = {series: stored for series, stored in self._by_source.items() if id(stored) not in gone}
            self._selections.clear()

    def retain(self) -> None:
        """Drop what is older than the retention."""
        self.evict(self._newest - self.limits.retention)

    def select(self, matchers: tuple[Matcher, ...]) -> Sequence[StoredSeries]:
        """The series that pass all matchers, in order of first appearance of those with the rarest label."""
        known = self._selections.get(matchers)
        if known is None:
            known = self._find(matchers)
            if len(self._selections) >= _MAX_SELECTIONS:
                self._selections.popitem(last=False)
            self._selections[matchers] = known
        return known

    def _find(self, matchers: tuple[Matcher, ...]) -> list[StoredSeries]:
        exact = [matcher for matcher in matchers if matcher.type is MatchType.EQUAL and matcher.value]
        postings = [self._postings.get((matcher.name, matcher.value), {}) for matcher in exact]
        candidates: Iterable[StoredSeries] = self._series.values()
        if postings:
            rarest = min(postings, key=len)
            candidates = rarest
        rest = [matcher for matcher in matchers if matcher not in exact]
        found = []
        for stored in candidates:
            if any(stored not in posting for posting in postings):
                continue
            if rest:
                labels = dict(stored.labels)
                if not all(matcher.matches(labels.get(matcher.name, "")) for matcher in rest):
                    continue
            found.append(stored)
        return found

    def snapshot(self) -> JsonObject:
        """All samples as plain data; numbers as little-endian base64, so that NaN and nanoseconds stay exact."""
        return {
            "version": VERSION,
            "newest": self._newest,
            "series": [
                [[list(pair) for pair in stored.labels], _packed(stored.times), _packed(stored.values)]
                for stored in self._series.values()
            ],
        }

    def restore(self, state: JsonObject) -> None:
        """Take a snapshot's samples in place of what is held.

        Raises:
            InputError: a snapshot of another version.
        """
        if state.get("version") != VERSION:
            raise InputError(f"samples snapshot of version {state.get('version')!r}; this release reads version {VERSION}")
        self._series.clear()
        self._by_source.clear()
        self._postings.clear()
        self._selections.clear()
        self._of_sender.clear()
        self._deltas.clear()
        self._newest, self._text = state["newest"], 0
        for pairs, times, values in state["series"]:
            labels = tuple((name, value) for name, value in pairs)
            stored = self._stored(labels, sender_of(labels))
            if stored is None:
                continue
            stored.times.frombytes(base64.b64decode(times))
            stored.values.frombytes(base64.b64decode(values))
            stored.ended = any(map(math.isnan, stored.values))


def _length(labels: Labels) -> int:
    return sum(len(name) + len(value) for name, value in labels)


def _packed(numbers: array[int] | array[float]) -> str:
    return base64.b64encode(numbers.tobytes()).decode()
