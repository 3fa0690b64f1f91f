"""What can happen to a series: each changes the values from a place on, by a size drawn in the series' own spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.eval.generated.usual import Values


def _spread(values: Values, at: int) -> float:
    """Half the distance between the quantiles that hold two thirds of what came before, and some of it where that is 0."""
    low, high = np.quantile(values[:at], (0.16, 0.84))
    return max(float(high - low) / 2, 0.02 * float(np.ptp(values[:at])), 1e-3 * abs(float(np.median(values[:at]))), 1e-9)


def _size(rng: np.random.Generator) -> float:
    """In spreads: from what is hard to see to what nobody overlooks."""
    return float(rng.uniform(3.0, 12.0))


def _bound(before: Values, after: Values) -> Values:
    """What never was negative does not become so, and what counts stays whole."""
    if before.min() >= 0.0:
        after = np.maximum(after, 0.0)
    return np.round(after) if np.all(before == np.round(before)) else after


def spike(rng: np.random.Generator, values: Values, at: int) -> Values:
    """One to three values far above."""
    end = at + int(rng.integers(1, 4))
    values[at:end] += _size(rng) * 1.5 * _spread(values, at)
    return values


def dip(rng: np.random.Generator, values: Values, at: int) -> Values:
    """A few values far below, or next to nothing."""
    end = at + int(rng.integers(1, 13))
    values[at:end] = np.maximum(
        values[at:end] - _size(rng) * 1.5 * _spread(values, at), values[:at].min() - 3 * _spread(values, at)
    )
    return values


def shift(rng: np.random.Generator, values: Values, at: int) -> Values:
    """Another level, for good."""
    values[at:] += rng.choice([-1.0, 1.0]) * _size(rng) / 1.5 * _spread(values, at)
    return values


def bump(rng: np.random.Generator, values: Values, at: int) -> Values:
    """Another level for some hours, which comes and goes gradually."""
    length = int(rng.integers(20, 150))
    shape = np.sin(np.pi * (np.arange(len(values[at : at + length])) + 1) / (length + 1))
    values[at : at + length] += rng.choice([-1.0, 1.0, 1.0]) * _size(rng) * _spread(values, at) * shape
    return values


def leak(rng: np.random.Generator, values: Values, at: int) -> Values:
    """A slow growth that ends with a return."""
    length = int(rng.integers(80, 300))
    values[at : at + length] += 1.5 * _size(rng) * _spread(values, at) * np.linspace(0, 1, len(values[at : at + length]))
    return values


def stuck(rng: np.random.Generator, values: Values, at: int) -> Values:
    """The last value, again and again."""
    values[at : at + int(rng.integers(60, 300))] = values[at - 1]
    return values


def silence(rng: np.random.Generator, values: Values, at: int) -> Values:
    """Nothing happens any more for a while: the least that was seen."""
    values[at : at + int(rng.integers(30, 200))] = min(values[:at].min(), 0.0) if rng.random() < 0.5 else values[:at].min()
    return values


def restless(rng: np.random.Generator, values: Values, at: int) -> Values:
    """The same level, more unrest."""
    part = values[at : at + int(rng.integers(30, 200))]
    part += rng.normal(size=len(part)) * _size(rng) / 2 * _spread(values, at)
    return values


def out_of_time(rng: np.random.Generator, values: Values, at: int) -> Values:
    """What the series did at another time of day."""
    length = int(rng.integers(40, 200))
    other = int(rng.integers(0, max(1, at - length)))
    part = values[at : at + length]
    part[:] = values[other : other + len(part)]
    return values


ANOMALIES: dict[str, Callable[[np.random.Generator, Values, int], Values]] = {
    "spike": spike,
    "dip": dip,
    "shift": shift,
    "bump": bump,
    "leak": leak,
    "stuck": stuck,
    "silence": silence,
    "restless": restless,
    "out of time": out_of_time,
}


def happen(rng: np.random.Generator, name: str, values: Values, at: int) -> Values:
    """The values with an anomaly of a kind that begins at an index."""
    return _bound(values[:at], ANOMALIES[name](rng, values.copy(), at))
