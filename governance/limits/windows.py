"""Counters of sliding windows: how many requests of a key were let in lately."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Key = tuple[str, ...]
"""What is counted together."""


@dataclass(frozen=True, slots=True)
class Ask:
    """So many requests of a key, of which `most` are let in `per` nanoseconds."""

    key: Key
    most: int
    per: int
    hits: int = 1


@dataclass(frozen=True, slots=True)
class LimitAnswer:
    """Whether a limit lets a request in, how many more it would, and in how many nanoseconds its window ends."""

    let_in: bool
    remaining: int
    reset: int


@dataclass(slots=True)
class _Counter:
    start: int
    per: int
    current: int = 0
    previous: int = 0

    def advance(self, now: int, per: int) -> None:
        """To the window that `now` is in; windows begin at multiples of their length."""
        start = now - now % per
        if per != self.per or start < self.start:  # the limit was changed, or the clock was set back
            self.per, self.start, self.current, self.previous = per, start, 0, 0
        elif start > self.start:
            self.previous = self.current if start - self.start == per else 0
            self.start, self.current = start, 0

    def used(self, now: int) -> int:
        """Requests of the last `per` nanoseconds: those of the window before by the share that is still in reach."""
        share = self.per - (now - self.start)
        return self.current + -(-self.previous * share // self.per)


class Windows:
    """A bounded number of counters. Past the bound the counter that was used longest ago goes, and its key begins anew.

    A request that is refused is not counted: who asks on gets as much as who waits. In any window that begins at a
    multiple of its length at most `most` are let in; in any other stretch as long, at most that too if the requests
    of the window before came evenly, and never twice as many.

    Attributes:
        evicted: counters that went though their window had not passed.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._counters: OrderedDict[Key, _Counter] = OrderedDict()
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._counters)

    def ask(self, asks: Sequence[Ask], now: int) -> list[LimitAnswer]:
        """What each limit says of one request; it is counted only where all let it in."""
        counters = [self._counter(each, now) for each in asks]
        before = [counter.used(now) for counter in counters]
        fits = [used + each.hits <= each.most for used, each in zip(before, asks, strict=True)]
        if all(fits):
            for counter, each in zip(counters, asks, strict=True):
                counter.current += each.hits
        return [
            LimitAnswer(fit, max(0, each.most - used - (each.hits if all(fits) else 0)), counter.start + each.per - now)
            for fit, used, each, counter in zip(fits, before, asks, counters, strict=True)
        ]

    def _counter(self, ask: Ask, now: int) -> _Counter:
        found = self._counters.get(ask.key)
        if found is None:
            while len(self._counters) >= self._bound:
                _, gone = self._counters.popitem(last=False)
                self.evicted += now - gone.start < 2 * gone.per
            found = self._counters[ask.key] = _Counter(now - now % ask.per, ask.per)
        self._counters.move_to_end(ask.key)
        found.advance(now, ask.per)
        return found
