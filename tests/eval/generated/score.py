"""Scores of detections in labelled series, as NAB has them (Lavin & Ahmad, 2015; its standard profile).

The earliest detection in a window earns up to 1, less the later it is; a window without one costs 1; a detection outside
costs up to 0.11, less right behind a window. 100 is perfect, 0 is what silence gets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.eval.generated.series import Labelled, Window, probation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FALSE = 0.11


@dataclass
class Outcome:
    """What was found, by window, and what was raised outside of them."""

    raw: float = 0.0
    windows: int = 0
    false: int = 0
    values: int = 0
    found: dict[str, list[bool]] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """0 for silence, 100 for the earliest detection in each window and no other."""
        return 100.0 * (self.raw + self.windows) / (2 * self.windows) if self.windows else math.nan

    @property
    def hits(self) -> int:
        """Windows with a detection."""
        return sum(sum(found) for found in self.found.values())

    def __add__(self, other: Outcome) -> Outcome:
        found = {name: [*found] for name, found in self.found.items()}
        for name, more in other.found.items():
            found.setdefault(name, []).extend(more)
        return Outcome(
            self.raw + other.raw,
            self.windows + other.windows,
            self.false + other.false,
            self.values + other.values,
            found,
        )


def outcome(series: Labelled, scores: Sequence[float], threshold: float) -> Outcome:
    """What a detector has made of a series, where a score from the threshold on is a detection."""
    start = probation(len(series.values))
    detected = [number for number, score in enumerate(scores) if number >= start and score >= threshold]
    result = Outcome(windows=len(series.windows), values=len(series.values) - start)
    for window in series.windows:
        within = [number for number in detected if window.first <= number <= window.last]
        result.found.setdefault(window.anomaly, []).append(bool(within))
        result.raw += _earned(within[0], window) if within else -1.0
    for number in detected:
        if not any(window.first <= number <= window.last for window in series.windows):
            result.false += 1
            result.raw += FALSE * _lost(number, series.windows)
    return result


def _sigmoid(place: float) -> float:
    return -1.0 if place > 3.0 else 2.0 / (1.0 + math.exp(5.0 * place)) - 1.0


def _earned(number: int, window: Window) -> float:
    width = window.last - window.first + 1
    return _sigmoid(-(window.last - number + 1) / width) / _sigmoid(-1.0)


def _lost(number: int, windows: Iterable[Window]) -> float:
    before = [window for window in windows if window.last < number]
    if not before:
        return -1.0
    width = before[-1].last - before[-1].first + 1
    return _sigmoid((number - before[-1].last) / (width - 1))
