"""How far the clocks of two hosts differ, learned from many calls between them, with a bound on the error.

A server span lies inside the client span of its call. So each call bounds the shift that the callee's clock needs to
agree with the caller's: at least `client start - server start`, at most `client end - server end`; the two differ by
the gap, the time on the network. Marzullo's algorithm (1984), which NTP uses, finds the shift that most of the sharpest
of these intervals agree on: wrong ones, as from calls that outlived a time limit, are outvoted.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.call_graph import Hop

WINDOW = 60_000_000_000
"""Nanoseconds of event time whose calls are kept and evicted together."""

KEPT_WINDOWS = 10

SAMPLES = 16
"""Sharpest intervals kept of a pair and window: a call on an idle network is as sharp as hundreds on a busy one."""

MAX_PAIRS = 4096
"""Pairs of hosts kept. Further ones are counted and wait until others are evicted."""

DRIFT = 50e-6
"""How fast two clocks may drift apart: twice 25 ppm, what a plain quartz keeps over temperature. Old bounds widen by it."""

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Skew:
    """One host's clock is `offset` +- `error` nanoseconds behind another's; `agreeing` of `samples` calls say so."""

    offset: int
    error: int
    samples: int
    agreeing: int

    @property
    def is_significant(self) -> bool:
        """Whether the clocks differ for certain: zero is outside the bound."""
        return abs(self.offset) > self.error


class ClockSkew:
    """Skew of each pair of hosts. What it says does not depend on the order of the hops, nor on repetition.

    `ignored` counts hops that came for a window already evicted, `refused` those of pairs beyond the limit.
    """

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], dict[int, list[tuple[int, int]]]] = {}  # window -> (width, low), sharpest first
        self._oldest = 0
        self.ignored = 0
        self.refused = 0

    def add(self, hop: Hop, now: int) -> None:
        """Learn from a hop that has both sides on different hosts; others say nothing about clocks.

        What a clock dates later than `now` counts as now: how far it is off can still be estimated.
        """
        if hop.gap is None or hop.server_start is None or hop.inferred:
            return
        low = hop.start - hop.server_start
        if hop.caller_host and hop.callee_host and hop.caller_host != hop.callee_host:
            self.learn(hop.start, hop.caller_host, hop.callee_host, low, low + hop.gap, now)

    def learn(self, start: int, here: str, there: str, low: int, high: int, now: int) -> None:
        """Learn that the second of two hosts is behind the first by `low` to `high` nanoseconds, of a hop that starts then."""
        if here > there:
            here, there, low, high = there, here, -high, -low
        time = min(start, now)
        window = time - time % WINDOW
        if window < self._oldest:
            self.ignored += 1
            return
        windows = self._pairs.get((here, there))
        if windows is None:
            if len(self._pairs) >= MAX_PAIRS:
                self.refused += 1
                return
            windows = self._pairs[here, there] = {}
        kept = windows.setdefault(window, [])
        sample = high - low, low
        if len(kept) == SAMPLES and sample >= kept[-1]:
            return
        if sample not in kept:
            insort(kept, sample)
            del kept[SAMPLES:]

    def advance(self, now: int) -> None:
        """Drop what is older than the kept windows before `now`, in event time."""
        self._oldest = max(self._oldest, now - now % WINDOW - (KEPT_WINDOWS - 1) * WINDOW)
        for pair, windows in list(self._pairs.items()):
            for window in [window for window in windows if window < self._oldest]:
                del windows[window]
            if not windows:
                del self._pairs[pair]

    def estimate(self, host: str, other: str) -> Skew | None:
        """How far the other host's clock is behind this one's; None where no call shows it."""
        pair = min(host, other), max(host, other)
        windows = self._pairs.get(pair)
        if not windows:
            return None
        newest = max(windows)
        intervals = []
        for window, kept in windows.items():
            widened = round((newest - window) * DRIFT)
            intervals += [(low - widened, low + width + widened) for width, low in kept]
        low, high, agreeing = marzullo(intervals)
        offset = (low + high) // 2
        return Skew(offset if host == pair[0] else -offset, high - offset, len(intervals), agreeing)

    def pairs(self) -> list[tuple[str, str]]:
        """The pairs of hosts that are known, sorted."""
        return sorted(self._pairs)


def marzullo(intervals: Iterable[Interval]) -> tuple[int, int, int]:
    """The range that lies in most of the intervals, the narrowest of such, and in how many.

    Raises:
        ValueError: there are no intervals.
    """
    ends = sorted(edge for low, high in intervals for edge in ((low, 0), (high, 1)))  # at one time, starts come first
    best: tuple[int, int, int] | None = None  # -count, width, low
    running = 0
    for place, (time, is_end) in enumerate(ends):
        if is_end:
            running -= 1
            continue
        running += 1
        following = ends[place + 1]
        found = -running, following[0] - time, time
        if following[1] and (best is None or found < best):
            best = found
    if best is None:
        raise ValueError("no intervals to agree on")
    return best[2], best[2] + best[1], -best[0]


def agreed(estimates: Iterable[tuple[int, Skew]], instant: int) -> Skew:
    """What estimates of one pair, each made at a time, together say of another moment.

    Several partitions estimate the same pair, each from its own traces, and again every minute.

    Raises:
        ValueError: there are no estimates.
    """
    intervals = []
    for time, skew in estimates:
        error = skew.error + round(abs(time - instant) * DRIFT)
        intervals.append((skew.offset - error, skew.offset + error))
    low, high, agreeing = marzullo(intervals)
    offset = (low + high) // 2
    return Skew(offset, high - offset, len(intervals), agreeing)
