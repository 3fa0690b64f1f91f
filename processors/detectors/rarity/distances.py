"""What the bulk of a series' values says of how heavy their tail is.

A few dozen extremes tell little of the shape of a tail. But what has a heavy tail is rarely normal up to it: durations,
sizes and prices are uneven throughout. So all values together, as a histogram, are compared with Student's t distributions,
from nearly normal to one that has no mean. That is a guess about series, not about mathematics; so the evidence counts as of
at most a hundred values (Miller & Dunson, "Robust Bayesian Inference via Coarsening", JASA 2019), and extremes can refute it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SHAPES = np.array((0.05, 0.12, 0.2, 0.3, 0.45, 0.65, 0.9, 1.2))
"""Shapes of tails (one over the degrees of freedom of Student's t), from nearly exponential to one that has no mean."""

COMMON = (0.2, 0.2, 0.18, 0.14, 0.12, 0.09, 0.05, 0.02)
"""How common each is assumed to be where nothing is known: traffic, sizes and durations of jobs reach 0.5 to 1."""

COUNTED = (0.35, 0.3, 0.2, 0.1, 0.03, 0.015, 0.004, 0.001)
"""The same for counts of what happens, which have a bound of their own."""

MOST = 512
"""Values counted; then all counts are halved, so that what lasts becomes how things are."""

COUNTED_AS = 200.0
"""Values whose evidence all of them have together at most."""

_HEAVY = 3
"""Index of the first shape that is heavy. All values say whether a tail is, by the fit of the next; extremes say how heavy."""

_HUGE = 1e100
"""Medians beyond which it makes no difference how many."""

_MEDIANS = np.array((0.687, 0.706, 0.727, 0.755, 0.801, 0.867, 0.959, 1.088))
"""Of the absolute value of Student's t with 1 / shape degrees of freedom."""
_FREEDOM = (1.0 / SHAPES)[:, None, None]
_SCALES = np.exp2(np.array((-1.0, -0.5, 0.0, 0.5, 1.0)))[:, None] / _MEDIANS[:, None, None]
_DENSITY = np.array(
    [math.lgamma((1 / shape + 1) / 2) - math.lgamma(0.5 / shape) - 0.5 * math.log(1 / shape) for shape in SHAPES]
)[:, None] - np.log(_SCALES[:, :, 0])


class Distances:
    """Counts of values that are not 0, by powers of the root of two."""

    __slots__ = ("_counts", "_n")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._n = 0

    def add(self, value: float) -> None:
        """Count a value, 0 or more."""
        if value <= 0.0:
            return
        bin_ = math.floor(2.0 * math.log2(value))
        self._counts[bin_] = self._counts.get(bin_, 0) + 1
        self._n += 1
        if self._n >= MOST:
            self._counts = {bin_: count // 2 for bin_, count in self._counts.items() if count > 1}
            self._n = sum(self._counts.values())

    def likely(self, common: Sequence[float]) -> NDArray[np.float64]:
        """By shape, the log of how likely it is, but for a constant, if before any value each is so common."""
        if not self._n:
            return np.log(common)
        bins = np.array(sorted(self._counts))
        counts = np.array([self._counts[bin_] for bin_ in bins.tolist()])
        median = bins[np.searchsorted(counts.cumsum(), self._n / 2)]
        values = np.exp2(np.minimum(bins - median, 1000) / 2)
        fit = (np.log1p(np.minimum(values / _SCALES, _HUGE) ** 2 / _FREEDOM) * counts).sum(axis=2) * (
            -0.5 * (_FREEDOM[:, 0] + 1)
        )
        fit += self._n * _DENSITY
        best = fit.max(axis=1)
        likelihood: NDArray[np.float64] = best + np.log(np.exp(fit - best[:, None]).sum(axis=1))
        likelihood[_HEAVY:] = likelihood[_HEAVY + 1]
        return np.log(common) + likelihood * (COUNTED_AS / (COUNTED_AS + self._n))

    def snapshot(self) -> list[list[int]]:
        """Plain data for `restore`."""
        return [[bin_, count] for bin_, count in self._counts.items()]

    def restore(self, snapshot: Sequence[Sequence[int]]) -> None:
        """Take the state of a snapshot."""
        self._counts = {int(bin_): int(count) for bin_, count in snapshot}
        self._n = sum(self._counts.values())
