"""Series as operations see them when nothing happens, by kind, with parameters drawn for each series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

Values = NDArray[np.float64]
DAY = 86_400
WEEK = 7 * DAY


def noise(rng: np.random.Generator, count: int, memory: float = 0.0) -> Values:
    """Standard noise of which each value remembers a share `memory` of the last."""
    fresh = rng.normal(size=count) * np.sqrt(1.0 - memory**2)
    found = np.empty(count)
    last = float(rng.normal())
    for number, value in enumerate(fresh.tolist()):
        found[number] = last = memory * last + value
    return found


def season(rng: np.random.Generator, times: Values) -> Values:
    """A day between 0 and 1, of three harmonics."""
    wave = np.zeros(len(times))
    for number in (1, 2, 3):
        wave += rng.uniform(0.2, 1.0) / number * np.sin(2 * np.pi * number * times / DAY + rng.uniform(0, 2 * np.pi))
    low, high = wave.min(), wave.max()
    return np.asarray((wave - low) / (high - low))


def week(rng: np.random.Generator, times: Values) -> Values:
    """What a day of the week has of a usual day: two of them less, or more."""
    share = np.ones(7)
    first = rng.integers(7)
    share[[first, (first + 1) % 7]] = rng.choice([rng.uniform(0.2, 0.7), rng.uniform(1.3, 2.0)])
    return np.asarray(share[(times // DAY % 7).astype(int)])


def level(rng: np.random.Generator, times: Values) -> Values:
    """A gauge about its level, which may drift."""
    height = rng.lognormal(3.0, 1.0)
    drift = rng.choice([0.0, rng.uniform(-0.3, 0.5)]) * height * np.linspace(0.0, 1.0, len(times))
    return np.asarray(height + drift + height * rng.uniform(0.01, 0.2) * noise(rng, len(times), rng.uniform(0.0, 0.9)))


def daily(rng: np.random.Generator, times: Values) -> Values:
    """A load with a day in it."""
    wave = 1.0 + rng.uniform(0.3, 3.0) * season(rng, times)
    return np.asarray(
        rng.lognormal(4.0, 1.0) * wave * (1.0 + rng.uniform(0.02, 0.15) * noise(rng, len(times), rng.uniform(0.0, 0.7)))
    )


def weekly(rng: np.random.Generator, times: Values) -> Values:
    """A load with a day and a week in it: what people do."""
    wave = (0.3 + rng.uniform(0.5, 3.0) * season(rng, times)) * week(rng, times)
    return np.asarray(
        rng.lognormal(5.0, 1.0) * wave * np.exp(rng.uniform(0.03, 0.2) * noise(rng, len(times), rng.uniform(0.0, 0.8)))
    )


def business(rng: np.random.Generator, times: Values) -> Values:
    """A price or a yield: it wanders, returns slowly, has a weak day in it and heavy tails."""
    wander = rng.uniform(0.1, 0.4) * noise(rng, len(times), rng.uniform(0.95, 0.995))
    tails = rng.uniform(0.05, 0.2) * rng.standard_t(rng.uniform(3.0, 6.0), len(times))
    return np.asarray(rng.lognormal(0.0, 1.0) * np.exp(wander + tails + rng.uniform(0.0, 0.4) * season(rng, times)))


def speed(rng: np.random.Generator, times: Values) -> Values:
    """A traffic sensor: free flow, and at some times of working days a congestion of uneven depth."""
    free = rng.uniform(50.0, 80.0)
    found = free + rng.uniform(1.0, 4.0) * noise(rng, len(times), rng.uniform(0.0, 0.6))
    peak, width = rng.uniform(0.25, 0.8) * DAY, rng.uniform(0.02, 0.06) * DAY
    depth = rng.uniform(0.2, 0.7)
    for day in np.unique(times // DAY):
        if day % 7 < 5:
            at = (day * DAY + peak + rng.normal(0.0, 0.02 * DAY) - times) / width
            found -= free * depth * rng.uniform(0.5, 1.0) * np.exp(-0.5 * at**2)
    return np.asarray(np.maximum(found, 1.0))


def counts(rng: np.random.Generator, times: Values) -> Values:
    """How often something is mentioned, called or fails: more scattered than chance, with a day in it and short bursts."""
    mean = rng.lognormal(2.5, 1.3) * (0.2 + season(rng, times)) * np.exp(0.3 * noise(rng, len(times), 0.95))
    for _ in range(rng.poisson(len(times) / 400)):
        start = int(rng.integers(len(times)))
        mean[start : start + 12] *= 1.0 + rng.pareto(2.0) * np.exp(-np.arange(len(mean[start : start + 12])) / 3.0)
    scatter = rng.uniform(2.0, 20.0)
    return rng.poisson(mean * rng.gamma(scatter, 1.0 / scatter, len(times))).astype(float)


def heavy(rng: np.random.Generator, times: Values) -> Values:
    """Latency whose tail is heavy: of Student's t with three degrees, log-normal or Pareto's."""
    base = rng.lognormal(-3.0, 1.0)
    shape = rng.integers(3)
    if shape == 0:
        return np.asarray(base * (1.0 + 0.1 * np.abs(rng.standard_t(3.0, len(times)))))
    if shape == 1:
        return np.asarray(base * np.exp(rng.uniform(0.3, 0.8) * noise(rng, len(times), rng.uniform(0.0, 0.5))))
    return np.asarray(base * (1.0 + rng.uniform(0.05, 0.3) * rng.pareto(rng.uniform(1.8, 3.0), len(times))))


def bursts(rng: np.random.Generator, times: Values) -> Values:
    """Hardly anything, and now and then a job: by the clock, or at random."""
    found = rng.lognormal(0.0, 0.5) * (1.0 + 0.1 * noise(rng, len(times), 0.3))
    gap = int(rng.uniform(20, 150))
    length, height = int(rng.uniform(1, 10)), rng.uniform(5.0, 40.0)
    is_clock, at = rng.random() < 0.5, int(rng.integers(gap))
    while at < len(times):
        found[at : at + length] += height * rng.uniform(0.8, 1.2)
        at += length + (gap if is_clock else 3 + int(rng.exponential(gap)))
    return np.asarray(np.maximum(found, 0.0))


def restarts(rng: np.random.Generator, times: Values) -> Values:
    """Memory that grows until the process is restarted."""
    floor, growth = rng.lognormal(4.0, 1.0), rng.uniform(0.5, 2.0)
    period = rng.uniform(60, 500)
    found, start = np.empty(len(times)), 0
    while start < len(times):
        length = max(10, int(period * rng.uniform(0.7, 1.3)))
        part = found[start : start + length]
        part[:] = floor * (1.0 + growth * np.arange(len(part)) / period)
        start += length
    return np.asarray(found + floor * rng.uniform(0.005, 0.05) * noise(rng, len(times), 0.3))


def plateaus(rng: np.random.Generator, times: Values) -> Values:
    """A level for hours, then another of a few: instances, allocations, regimes."""
    levels = rng.lognormal(3.0, 0.3) * rng.choice([1.0, 1.5, 2.0, 3.0], size=rng.integers(2, 4), replace=False)
    found, start = np.empty(len(times)), 0
    stay = rng.uniform(50, 300)
    while start < len(times):
        length = 5 + int(rng.exponential(stay))
        found[start : start + length] = rng.choice(levels)
        start += length
    return np.asarray(found + levels.min() * rng.uniform(0.0, 0.05) * noise(rng, len(times)))


def wandering(rng: np.random.Generator, times: Values) -> Values:
    """A temperature or a queue of disks: it goes where it goes, slowly, within bounds."""
    found = rng.uniform(20.0, 90.0) + rng.uniform(2.0, 8.0) * noise(rng, len(times), rng.uniform(0.98, 0.998))
    return np.asarray(found + rng.uniform(0.0, 3.0) * season(rng, times) + rng.uniform(0.1, 0.8) * noise(rng, len(times)))


def utilisation(rng: np.random.Generator, times: Values) -> Values:
    """Percent of a resource: mostly low, bounded, and skewed."""
    mean = rng.uniform(-3.0, 1.0) + rng.uniform(0.0, 1.0) * season(rng, times)
    found = 100.0 / (1.0 + np.exp(-(mean + rng.uniform(0.05, 0.6) * noise(rng, len(times), rng.uniform(0.0, 0.9)))))
    return np.asarray(np.round(found, int(rng.integers(1, 4))))


USUAL: dict[str, Callable[[np.random.Generator, Values], Values]] = {
    "level": level,
    "daily": daily,
    "weekly": weekly,
    "business": business,
    "traffic": speed,
    "counts": counts,
    "heavy tails": heavy,
    "bursts": bursts,
    "restarts": restarts,
    "plateaus": plateaus,
    "wandering": wandering,
    "utilisation": utilisation,
}
