"""How seldom traces of a root operation call, repeat, omit or fail as one does: by counting, and by nothing else.

That a call was never seen to fail in a thousand traces does not say that it fails once in a million. So what is odd about
a trace's calls is never said to be rarer than once in the traces that were counted.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from processors.detectors.whole_trace.rows import TraceRow
    from telemetry.json_object import JsonObject

MEMORY = 4000
"""Traces after which all counts are halved, so that what lasts becomes how things are."""

FEW = 20
"""Traces that must be known before one is compared with them."""

_FAINT = 0.5
_DIGITS = 3


class OddCall(NamedTuple):
    """`kind` is "missing", "new", "repeated" or "failed"; of so many traces `like` did as this one."""

    kind: str
    surprise: float
    number: int
    like: float
    of: float
    seen: int
    most: int


class CallCounts:
    """What the traces of one root operation visited, how often at most, and where they failed; by the numbers of places."""

    def __init__(self) -> None:
        self.traces = 0.0
        self._visited: dict[int, float] = {}
        self._most: dict[int, int] = {}
        self._failed: dict[int, float] = {}
        self._oddest: list[float] = []  # of each trace counted, its strongest oddity, ascending

    def oddities(self, row: TraceRow) -> list[OddCall]:
        """What is odd about a trace's calls, strongest first."""
        found = list(self._oddities(row))
        found.sort(key=lambda odd: (-odd.surprise, odd.number, odd.kind))
        return found

    def _oddities(self, row: TraceRow) -> Iterator[OddCall]:
        of = self.traces
        places = {number: (visits, failures) for number, _, _, visits, failures in row.table().tolist()}
        for number, visited in self._visited.items():
            if number not in places and visited > of / 2:
                yield OddCall("missing", _rarity(of - visited, of), number, of - visited, of, 0, 1)
        for number, (visits, failures) in places.items():
            visited = self._visited.get(number, 0.0)
            if visited < of / 2:
                yield OddCall("new", _rarity(visited, of), number, visited, of, visits, 0)
            most = self._most.get(number, 0)
            if visits > most > 0:
                surprise = _rarity(0.0, visited) * (1 + math.log(visits / most))
                yield OddCall("repeated", surprise, number, 0.0, visited, visits, most)
            if failures:
                failed = self._failed.get(number, 0.0)
                yield OddCall("failed", _rarity(failed, of), number, failed, of, failures, 0)

    def surprise(self, oddest: float) -> float:
        """-ln of the share of traces whose strongest oddity was as great; 0 for a trace without any."""
        if oddest <= 0.0 or not self._oddest:
            return 0.0
        as_odd = len(self._oddest) - bisect_left(self._oddest, round(oddest, _DIGITS))
        return math.log((len(self._oddest) + 1) / (as_odd + 1))

    def learn(self, row: TraceRow, oddest: float | None = None) -> None:
        """Count a trace, and how odd it was by what was known before it, where that was judged."""
        self.traces += 1
        for number, _, _, visits, failures in row.table().tolist():
            self._visited[number] = self._visited.get(number, 0.0) + 1
            self._most[number] = max(self._most.get(number, 0), visits)
            if failures:
                self._failed[number] = self._failed.get(number, 0.0) + 1
        if oddest is not None:
            insort(self._oddest, round(oddest, _DIGITS))
        if self.traces > MEMORY:
            self._fade()

    def learn_all(self, rows: Iterable[TraceRow]) -> None:
        """Count traces that nobody judged, each by those before it."""
        for row in rows:
            oddities = self.oddities(row) if self.traces >= FEW else None
            self.learn(row, None if oddities is None else max((odd.surprise for odd in oddities), default=0.0))

    def _fade(self) -> None:
        self.traces /= 2
        self._visited = {number: count / 2 for number, count in self._visited.items() if count >= 2 * _FAINT}
        self._failed = {number: count / 2 for number, count in self._failed.items() if count >= 2 * _FAINT}
        self._most = {number: self._most[number] for number in self._visited}
        self._oddest = self._oddest[::2]

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`."""
        return {
            "traces": self.traces,
            "places": [
                [number, count, self._most[number], self._failed.get(number, 0.0)] for number, count in self._visited.items()
            ],
            "oddest": self._oddest,
        }

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot."""
        self.traces = snapshot["traces"]
        self._visited = {number: count for number, count, _, _ in snapshot["places"]}
        self._most = {number: most for number, _, most, _ in snapshot["places"]}
        self._failed = {number: failed for number, _, _, failed in snapshot["places"] if failed}
        self._oddest = list(snapshot["oddest"])


def _rarity(like: float, of: float) -> float:
    return math.log((of + 1.0) / (like + 0.5))
