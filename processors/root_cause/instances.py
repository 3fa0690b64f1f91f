"""Which instance of a charged service a change is about: the one that stands out since the change as it did not before.

Every instance is compared with the service's other ones, since the change and before it, in nats like all charges; what it
stood out by already is subtracted. One is named only if the others are alike without it: two of three slow pods are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from processors.root_cause.change import PowerSums, level_shift, share_shift

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

CERTAIN = 2.0
"""Nats, beyond the doubt of many tests, by which one must explain more than it leaves to explain."""

FEW = 3
"""Observations below which an instance is not judged."""


def slower_instance(names: Sequence[str], logs: NDArray[np.float64], since: NDArray[np.bool_], drift: float) -> str:
    """The one whose level has risen above the others', or empty.

    Args:
        names: the instance of each observation.
        logs: natural logarithms of durations in nanoseconds, shape (observations,), in the order of `names`.
        since: whether each observation was made since the change, shape (observations,).
        drift: by how much levels differ without a cause, in log units.
    """
    index = {name: number for number, name in enumerate(sorted(set(names)))}
    at = np.array([index[name] for name in names], dtype=np.int64)

    def excess(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        # Of the chosen observations (observations,): half the squared z of each instance against the others, (instances,).
        own = PowerSums(*(_sums(at[chosen], logs[chosen] ** power, len(index)) for power in range(3)))
        rest = PowerSums(*(sums.sum() - sums for sums in own))
        enough = (own.n >= FEW) & (rest.n >= FEW)
        return np.where(enough, np.maximum(level_shift(rest, own, drift), 0.0) ** 2 / 2, 0.0)

    def gains(left: NDArray[np.bool_]) -> NDArray[np.float64]:
        return excess(since & left[at]) - excess(~since & left[at])

    return _clearest(list(index), gains)


def odd_instance(counts: Mapping[str, Sequence[int]], *, rose: bool, dispersion: float) -> str:
    """The one in which something has become more frequent (`rose`) or rarer than in the others, or empty.

    Args:
        counts: by instance hits and trials before the change, hits and trials since.
        rose: which of the two is asked.
        dispersion: how much more shares vary than chance makes them, at least 1.
    """
    names = sorted(counts)
    table = np.array([counts[name] for name in names], dtype=float).T  # (4, instances): hits, trials, hits and trials since

    def excess(hits: NDArray[np.float64], trials: NDArray[np.float64]) -> NDArray[np.float64]:
        others, chances = hits.sum() - hits, trials.sum() - trials
        above = hits / np.maximum(trials, 1.0) > others / np.maximum(chances, 1.0)
        enough = (trials >= FEW) & (chances >= FEW) & (above == rose)
        return np.where(enough, share_shift(others, chances, hits, trials) / dispersion, 0.0)

    def gains(left: NDArray[np.bool_]) -> NDArray[np.float64]:
        hits, trials, hits_after, trials_after = table * left
        return excess(hits_after, trials_after) - excess(hits, trials)

    return _clearest(names, gains)


def _sums(at: NDArray[np.int64], values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Sums of `values` (observations,) by the row number `at` (observations,); shape (size,)."""
    return np.asarray(np.bincount(at, weights=values, minlength=size), dtype=float)


def _clearest(names: Sequence[str], gains: Callable[[NDArray[np.bool_]], NDArray[np.float64]]) -> str:
    """The name that gains most, unless what is left without it has another that stands out.

    Args:
        names: the instances.
        gains: from a mask of instances, shape (instances,), to the gain of each in nats, of the same shape.
    """
    every = np.ones(len(names), dtype=bool)
    gained = gains(every)
    first = int(np.argmax(gained))
    every[first] = False
    lead = gained[first] - max(0.0, float(gains(every).max())) - np.log(len(names))
    return names[first] if lead > CERTAIN else ""
