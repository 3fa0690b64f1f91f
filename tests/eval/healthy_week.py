"""False alarms of a healthy shop: `python -m tests.eval.healthy_week [DAYS]`, a week of 50 services in which nothing happens.

Each service has one edge, whose calls in a window of ten seconds are a Poisson count with a day and a week in it; each call
takes a log-normal time, and in one service of five one call of fifty a Pareto one without a variance. From the calls come the
series that stage 3 makes of an edge: the rate, the 95th percentile, and the mean time in the service.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from processors.detectors.edge_series import CALL_RATE, LATENCY, LEAST_CALLS, SELF_TIME
from processors.detectors.series import SeriesDetector
from telemetry.metrics import Point, Series
from tests.eval.shared import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SERVICES = 50
WINDOW = 10
DAY_WINDOWS = 86_400 // WINDOW
MONDAY = 1_767_571_200
"""Seconds since the epoch of a Monday's midnight."""


def windows(service: int, days: int) -> Iterator[tuple[int, float, float, float]]:
    """Of each window its end (seconds), calls, 95th percentile and mean of their seconds; the latter two NaN without calls."""
    rng = np.random.default_rng(service)
    calls, level, spread = rng.uniform(3, 60), rng.lognormal(-3.5, 1.0), rng.uniform(0.2, 0.7)
    is_heavy = service % 5 == 0
    for day in range(days):
        weekend = 0.5 if day % 7 > 4 else 1.0
        wave = 1.0 + 0.6 * np.sin(2 * np.pi * np.arange(DAY_WINDOWS) / DAY_WINDOWS - np.pi / 2)
        counts = rng.poisson(calls * weekend * wave)
        times = level * rng.lognormal(0.0, spread, int(counts.sum()))
        if is_heavy:
            slow = rng.random(len(times)) < 0.02
            times[slow] *= 1.0 + rng.pareto(1.5, int(slow.sum()))
        for number, (count, slowest, mean) in enumerate(zip(counts.tolist(), *_of_each(times, counts), strict=True)):
            yield MONDAY + (day * DAY_WINDOWS + number + 1) * WINDOW, float(count), slowest, mean


def _of_each(times: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """95th percentile and mean of the times of each window, which follow one another; NaN where a window has none."""
    window = np.repeat(np.arange(len(counts)), counts)
    sums = np.bincount(window, times, len(counts))
    ascending = np.append(times[np.lexsort((times, window))], np.nan)
    first = np.cumsum(counts) - counts
    place = 0.95 * np.maximum(counts - 1, 0)
    below, above = first + place.astype(int), first + np.ceil(place).astype(int)
    found = ascending[below] + (place - np.floor(place)) * (ascending[above] - ascending[below])
    none = np.where(counts > 0, 1.0, np.nan)
    return (found * none).tolist(), (sums / np.maximum(counts, 1) * none).tolist()


def alarms(service: int, days: int) -> tuple[Counter[tuple[int, str]], int]:
    """Anomalies that begin, by day and name of the series, and the points that were scored."""
    detector, found, points = SeriesDetector(), Counter[tuple[int, str]](), 0
    named = [Series(name, (("service_name", f"service-{service}"),)) for name in (CALL_RATE, LATENCY, SELF_TIME)]
    going_on: set[str] = set()
    for end, calls, slowest, mean in windows(service, days):
        values = [calls / WINDOW, *((slowest, mean) if calls >= LEAST_CALLS else ())]
        added = [Point(series, end * 10**9, value) for series, value in zip(named, values, strict=False)]
        now = {anomaly.series.name for anomaly in detector.add(added)}
        found.update(((end - 1 - MONDAY) // 86_400, name) for name in now - going_on)
        going_on, points = now, points + len(added)
    return found, points


def main(days: int = 7) -> int:
    """Print a table: a row a series, a column a day."""
    found, points = Counter[tuple[int, str]](), 0
    for service in range(SERVICES):
        own, scored = alarms(service, days)
        found, points = found + own, points + scored
    rows: list[tuple[str, ...]] = [("series", *(f"day {day + 1}" for day in range(days)))]
    names = (CALL_RATE, LATENCY, SELF_TIME)
    rows += [(name, *(str(found[day, name]) for day in range(days))) for name in names]
    rows.append(("all", *(str(sum(count for (own, _), count in found.items() if own == day)) for day in range(days))))
    print_table(f"False alarms of {SERVICES} healthy services, {points} points", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
