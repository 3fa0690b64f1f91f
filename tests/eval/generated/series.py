"""Labelled series: a usual one, anomalies at random places, and a window around the beginning of each."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from tests.eval.generated.anomalies import ANOMALIES, happen
from tests.eval.generated.usual import DAY, USUAL, Values

MONDAY = 1_767_571_200
LABELLED = 0.1
"""Share of a series that lies in windows, as in NAB."""

PROBATION = 0.15
"""Share of a series at its beginning in which nothing counts, as in NAB; at most 750 values."""


@dataclass(frozen=True)
class Window:
    """Where a detection counts: values from `first` to `last`."""

    first: int
    last: int
    anomaly: str


@dataclass(frozen=True)
class Labelled:
    """A series with its windows, disjoint and in the order of time. Times are seconds since the epoch."""

    kind: str
    times: Values
    values: Values
    windows: tuple[Window, ...]


def probation(values: int) -> int:
    """Values at the beginning that do not count."""
    return int(min(PROBATION * values, 750))


def generate(kind: str, seed: int) -> Labelled:
    """A series of a kind; the same seed gives the same series."""
    rng = np.random.default_rng((crc32(kind.encode()), seed))
    interval = int(rng.choice([300, 300, 600, 900, 3600]))
    days = 90 if interval == 3600 else 15 * interval / 300
    count = int(days * rng.uniform(0.6, 1.0) * DAY / interval)
    times = float(MONDAY + rng.integers(7 * DAY)) + np.arange(count, dtype=np.float64) * interval
    values = USUAL[kind](rng, times)
    places, names = _places(rng, count), list(ANOMALIES)
    width = int(LABELLED * count / max(len(places), 1))
    windows = []
    for at in places:
        name = names[int(rng.integers(len(names)))]
        values = happen(rng, name, values, at)
        windows.append(Window(at - width // 2, at - width // 2 + width - 1, name))
    return _with_gap(rng, Labelled(kind, times, values, tuple(windows)))


def _places(rng: np.random.Generator, count: int) -> list[int]:
    """Where none to three anomalies begin, at least an eighth of the series apart."""
    number = int(rng.choice([0, 1, 1, 2, 2, 3]))
    slots = np.linspace(0.25, 0.95, 2 * number + 1) if number else np.zeros(1)
    return [int(count * rng.uniform(slots[2 * slot], slots[2 * slot + 1])) for slot in range(number)]


def _with_gap(rng: np.random.Generator, series: Labelled) -> Labelled:
    """The series without some values outside its windows; one in three has such a gap."""
    count = len(series.times)
    length, start = int(rng.integers(5, max(6, count // 40))), int(rng.integers(count))
    if rng.random() > 1 / 3 or any(w.first - length <= start <= w.last for w in series.windows):
        return series
    keep = np.ones(count, bool)
    keep[start : start + length] = False
    new = np.cumsum(keep) - 1
    windows = (Window(int(new[w.first]), int(new[w.last]), w.anomaly) for w in series.windows)
    return Labelled(series.kind, series.times[keep], series.values[keep], tuple(windows))
