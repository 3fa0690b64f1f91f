"""How rare a value is, judged by the greatest values seen so far: streaming extreme value theory.

The excesses over a high threshold follow a generalised Pareto distribution whatever the distribution of the values, so
the chance of a value never seen can be told from the few dozen greatest. Follows SPOT (Siffer et al., "Anomaly Detection
in Streams with Extreme Value Theory", KDD 2017), with the shape fitted by moments (Hosking & Wallis, 1987), which needs
no optimiser and is well behaved with few excesses.
"""

from __future__ import annotations

import bisect
import math
from typing import Any

KEPT = 30
"""Greatest values kept: at most the upper twentieth of what was seen is taken for the tail."""

WARM_UP = 60
"""Values needed before a tail can be told."""

_TAIL_SHARE = 0.05
_LEAST_EXCESSES = 10
_LIGHTEST, _HEAVIEST = 0.05, 0.5
"""Shapes: never lighter than nearly exponential, never so heavy that the variance is infinite."""
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
        number = min(len(self._greatest), max(_LEAST_EXCESSES, int(self._n * _TAIL_SHARE)))
        threshold = self._greatest[-number]
        if value <= threshold:
            return 0.0
        excesses = [great - threshold for great in self._greatest[-number + 1 :]]
        mean = sum(excesses) / len(excesses)
        if mean <= 0.0:
            mean = 1e-9 + 1e-3 * abs(threshold)
        variance = sum((excess - mean) ** 2 for excess in excesses) / len(excesses)
        shape = 0.5 * (1.0 - mean * mean / variance) if variance > 0 else 0.0
        shape = min(max(shape, _LIGHTEST), _HEAVIEST)
        scale = mean * (1.0 - shape)
        return math.log(self._n / number) + math.log1p(shape * (value - threshold) / scale) / shape

    def add(self, value: float) -> None:
        """Learn a value."""
        self._n = min(self._n + 1, _MEMORY)
        if len(self._greatest) < KEPT:
            bisect.insort(self._greatest, value)
        elif value > self._greatest[0]:
            del self._greatest[0]
            bisect.insort(self._greatest, value)

    def snapshot(self) -> list[Any]:
        """Plain data that `restore` takes."""
        return [self._n, list(self._greatest)]

    def restore(self, snapshot: list[Any]) -> None:
        """Take the state of a snapshot."""
        self._n, self._greatest = snapshot[0], list(snapshot[1])
