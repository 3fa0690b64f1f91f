"""How rare a value is, judged by the greatest values seen so far: streaming extreme value theory.

The excesses over a high threshold follow a generalised Pareto distribution whatever the distribution of the values, so
the chance of a value never seen can be estimated from the few dozen greatest. Follows SPOT (Siffer et al., "Anomaly Detection
in Streams with Extreme Value Theory", KDD 2017), with the shape fitted by probability-weighted moments (Hosking & Wallis,
"Parameter and Quantile Estimation for the Generalized Pareto Distribution", Technometrics 1987). They need no optimiser,
are well behaved with few excesses, and see tails so heavy that they have no variance, as traffic and latencies can have.

The best fit tells what is odd from what is odder, but its chances are on average far too small: a few dozen excesses do not
tell a shape of 0.1 from 0.6, which at once in a million are worlds apart. So what a score claims is averaged over shapes and
scales, by how well each explains the excesses and how likely it is after all other values (`distances.py`): the posterior
predictive chance, as in Coles, "An Introduction to Statistical Modeling of Extreme Values" (2001), 9.1.
"""

from __future__ import annotations

import bisect
import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from processors.detectors.rarity.distances import SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

KEPT = 30
"""Greatest values kept: at most the upper twentieth of what was seen counts as the tail."""

WARM_UP = 60
"""Values needed before a tail can be estimated."""

_TAIL_SHARE = 0.05
_LEAST_EXCESSES = 10
_LIGHTEST, _HEAVIEST = 0.05, 0.9
"""Shapes: never lighter than nearly exponential, never so heavy that there is no mean to fit by."""
_USUAL, _PRIOR_WEIGHT = 0.2, 3
"""The assumed shape before anything is known (as of Student's t with 5 degrees), and for how many excesses this
counts: the shape of a few excesses is little more than chance."""
_PLOTTING = 0.35
"""The i-th smallest of n excesses estimates the quantile (i - 0.35) / n, as Hosking & Wallis do."""
_SCALES = np.exp(np.array((-2.1, -1.05, 0.0, 1.05, 2.1)))
"""Scales that are weighed for each shape: the one that has the excesses' median, to the power of one over the root of their
number, which is about their standard error."""
_UNIT_MEDIAN = SHAPES / (np.exp2(SHAPES) - 1.0)
"""The scale of each shape with which the median is 1."""
_MEMORY = 30_000
"""Values after which more of them make the tail no rarer: the far past speaks for itself less and less."""


class Tail:
    """The upper tail of a stream of non-negative values, in constant memory."""

    __slots__ = ("_greatest", "_n")

    def __init__(self) -> None:
        self._greatest: list[float] = []
        self._n = 0

    @property
    def warm(self) -> bool:
        """Whether enough was seen."""
        return self._n >= WARM_UP

    def surprise(self, value: float) -> float:
        """-ln of the chance that a value is as great; 0 below the tail and before the warm-up."""
        if not self.warm:
            return 0.0
        threshold, excesses = self._excesses()
        if value <= threshold:
            return 0.0
        mean = sum(excesses) / len(excesses) if excesses else 1e-9 + 1e-3 * abs(threshold)
        mean = max(mean, sys.float_info.min * 16)  # of values next to nothing
        shape = _shape(excesses)
        rare = math.log1p(shape * (value - threshold) / (mean * (1.0 - shape))) / shape
        return math.log(self._n / (len(excesses) + 1)) + rare

    def claim(self, value: float, likely: Callable[[], NDArray[np.float64]], extremes: Sequence[float] = ()) -> float:
        """As `surprise`, but so that it is reached no oftener than it says: averaged over what the tail may be.

        Args:
            value: what is judged.
            likely: returns, for each of `SHAPES`, the log of its likelihood before the excesses are known, but for a constant.
            extremes: values that were seen and not added.
        """
        if not self.warm:
            return 0.0
        threshold, excesses = self._excesses()
        if value <= threshold:
            return 0.0
        excesses += [extreme - threshold for extreme in extremes if extreme > threshold]
        excesses_or_one = excesses or [1e-9 + 1e-3 * abs(threshold)]
        return math.log(self._n / (len(excesses) + 1)) + _averaged(value - threshold, excesses_or_one, likely(), 0.0)

    def early_claim(self, value: float, likely: Callable[[], NDArray[np.float64]], least: float) -> float:
        """As `claim`, before the warm-up: of all values so far, and with a scale of at least `least`, more than 0."""
        threshold = self._greatest[0] if self._n > len(self._greatest) else 0.0
        if value <= max(threshold, least):
            return 0.0
        excesses = [great - threshold for great in self._greatest if great > threshold] or [least]
        return math.log((self._n + 1) / (len(excesses) + 1)) + _averaged(value - threshold, excesses, likely(), least)

    def _excesses(self) -> tuple[float, list[float]]:
        """The threshold, and by how much the values of the tail exceed it, ascending."""
        number = min(len(self._greatest), max(_LEAST_EXCESSES, int(self._n * _TAIL_SHARE)))
        threshold = self._greatest[-number]
        return threshold, [great - threshold for great in self._greatest[-number + 1 :] if great > threshold]

    def add(self, value: float) -> None:
        """Learn a value."""
        self._n = min(self._n + 1, _MEMORY)
        if len(self._greatest) < KEPT:
            bisect.insort(self._greatest, value)
        elif value > self._greatest[0]:
            del self._greatest[0]
            bisect.insort(self._greatest, value)

    def snapshot(self) -> list[object]:
        """Plain data for `restore`."""
        return [self._n, list(self._greatest)]

    def restore(self, snapshot: list[Any]) -> None:
        """Take the state of a snapshot."""
        self._n, self._greatest = snapshot[0], list(snapshot[1])


def _shape(excesses: list[float]) -> float:
    """The shape of the generalised Pareto distribution of ascending excesses, drawn to the usual one while they are few."""
    count = len(excesses)
    mean = sum(excesses) / count if count else 0.0
    lesser = sum(excess * (count - rank + _PLOTTING) for rank, excess in enumerate(excesses, start=1)) / max(count, 1) ** 2
    spread = mean - 2 * lesser
    shape = 2 - mean / spread if spread > 0.0 else _LIGHTEST
    return min(max((count * shape + _PRIOR_WEIGHT * _USUAL) / (count + _PRIOR_WEIGHT), _LIGHTEST), _HEAVIEST)


def _averaged(excess: float, excesses: Sequence[float], likely: NDArray[np.float64], least: float) -> float:
    """-ln of the chance that one more excess is as great as this one, where it is one."""
    known = np.array(excesses)
    median = max(float(np.median(known)), 1e-6 * float(known.mean()), least * math.log(2.0), sys.float_info.min * 16)
    known /= median  # so that neither what is next to nothing nor what is huge leaves the numbers' range
    scales = _UNIT_MEDIAN[:, None] * _SCALES ** (1.0 / math.sqrt(len(known)))
    scales = np.maximum(scales, least / median)
    shapes = SHAPES[:, None]
    fit = -(1.0 + 1.0 / shapes) * np.log1p(shapes[:, :, None] / scales[:, :, None] * known).sum(axis=2)
    fit -= len(known) * np.log(scales)
    fit += likely[:, None]
    weights = np.exp(fit - fit.max())
    chances = np.exp(np.log1p(shapes / scales * (excess / median)) / -shapes)
    return -math.log(max(float((weights * chances).sum() / weights.sum()), sys.float_info.min))
