"""What a series is expected to be: its level at this time of day, and until that is known, its level."""

from __future__ import annotations

from typing import Any, NamedTuple

DAY = 86_400_000_000_000
BINS = 48
"""Times of day that are distinguished: half hours."""

DAYS = 2
"""Days that a time of day must have been seen before it is believed."""

_DAILY = 0.1
"""Weight of a new day: a week's habit is not given up for one odd day."""

_LEVEL_MEMORY = 300
"""Values that the level remembers."""


class Expected(NamedTuple):
    """An expectation, and whether it knows the time of day."""

    value: float
    seasonal: bool


class Baseline:
    """Mean by time of day, over days, and a running mean. Constant memory.

    A day's values of one bin are averaged first and then count as one, so that a burst of points weighs no more than any.
    """

    __slots__ = ("_bins", "_level", "_n")

    def __init__(self) -> None:
        self._n = 0
        self._level = 0.0
        self._bins: dict[int, list[float]] = {}  # bin -> [mean over days, days, today, mean of today, values of today]

    @property
    def known(self) -> bool:
        """Whether anything was seen."""
        return self._n > 0

    def expect(self, time: int) -> Expected:
        """What is expected at a time, nanoseconds since the epoch."""
        profile = self._bins.get(time % DAY * BINS // DAY)
        if profile is not None:
            days = profile[1] + (profile[2] != time // DAY)  # yesterday is complete as soon as today begins
            if days >= DAYS:
                return Expected(_folded(profile)[0] if profile[2] != time // DAY else profile[0], seasonal=True)
        return Expected(self._level, seasonal=False)

    def add(self, time: int, value: float) -> None:
        """Learn a value."""
        self._n = min(self._n + 1, _LEVEL_MEMORY)
        self._level += (value - self._level) / self._n
        today = float(time // DAY)
        profile = self._bins.setdefault(time % DAY * BINS // DAY, [value, 0.0, today, 0.0, 0.0])
        if profile[2] != today:
            profile[0], profile[1] = _folded(profile)
            profile[2:] = [today, 0.0, 0.0]
        profile[4] += 1.0
        profile[3] += (value - profile[3]) / profile[4]

    def snapshot(self) -> list[object]:
        """Plain data for `restore`."""
        return [self._n, self._level, [[number, *profile] for number, profile in self._bins.items()]]

    def restore(self, snapshot: list[Any]) -> None:
        """Take the state of a snapshot."""
        self._n, self._level, bins = snapshot
        self._bins = {int(number): list(profile) for number, *profile in bins}


def _folded(profile: list[float]) -> tuple[float, float]:
    """Mean over days and number of days once the last day seen is complete."""
    mean, days, _, last, _ = profile
    days += 1.0
    return mean + max(_DAILY, 1.0 / days) * (last - mean), days
