"""How much a measurement has changed, as the log-likelihood that a change explains over that none does.

All gains are in nats and comparable: a gain of g says that the data are e**g times likelier with the change than
without. Arrays broadcast, so that many measurements and many moments of change are weighed at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_WEIGHT = 5.0
"""How many observations the spread of the peers counts for, beside a measurement's own."""


class PowerSums(NamedTuple):
    """Count, sum and sum of squares of log durations; each of shape (measurements,), float64."""

    n: NDArray[np.float64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    def mean(self) -> NDArray[np.float64]:
        """The mean, shape (measurements,); 0 where nothing was counted."""
        return self.total / np.maximum(self.n, 1.0)

    def scatter(self) -> NDArray[np.float64]:
        """The sum of squared distances from the mean, shape (measurements,)."""
        return np.maximum(0.0, self.squares - self.total**2 / np.maximum(self.n, 1.0))


def level_shift(before: PowerSums, after: PowerSums, drift: float) -> NDArray[np.float64]:
    """By how many standard errors the mean of each measurement has risen (negative: fallen); shape (measurements,).

    The spread of each measurement is shrunk towards the median spread of all; `drift` is the standard deviation by which
    a mean moves without a cause, so that many observations do not make a trifle certain. 0 where either side is empty.
    """
    freedom = np.maximum(before.n + after.n - 2.0, 0.0)
    scatter = before.scatter() + after.scatter()
    own = freedom > 3
    peers = float(np.median(scatter[own] / freedom[own])) if own.any() else 1.0
    variance = (scatter + PRIOR_WEIGHT * peers) / (freedom + PRIOR_WEIGHT)
    known = (before.n > 0) & (after.n > 0)
    error = np.sqrt(variance * (1 / np.maximum(before.n, 1) + 1 / np.maximum(after.n, 1)) + drift**2)
    return np.where(known, (after.mean() - before.mean()) / error, 0.0)


def share_shift(
    hits: NDArray[np.float64], trials: NDArray[np.float64], hits_after: NDArray[np.float64], trials_after: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gain of two shares over one in nats: the likelihood ratio of two binomials (half of Wilks' G).

    All arrays have one shape, (events,) or (instances,), or broadcast to it; so has the result.
    """
    together = _binomial(hits + hits_after, trials + trials_after)
    return np.maximum(0.0, _binomial(hits, trials) + _binomial(hits_after, trials_after) - together)


def _binomial(hits: NDArray[np.float64], trials: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log likelihood of hits of trials at their own share, elementwise; 0 where there are no trials."""
    share = hits / np.maximum(trials, 1.0)
    misses = trials - hits
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(hits > 0, hits * np.log(share), 0.0) + np.where(misses > 0, misses * np.log1p(-share), 0.0)
    return np.asarray(np.nan_to_num(gain))


def heavy_tailed(z: NDArray[np.float64], freedom: float = 3.0) -> NDArray[np.float64]:
    """Gain of an outlier `z` spreads away, where outliers are common: -log density of Student's t, 0 at 0. Elementwise."""
    return np.asarray((freedom + 1) / 2 * np.log1p(z**2 / freedom))


def robust_spread(values: NDArray[np.float64], least: float) -> float:
    """The standard deviation that a normal distribution with this median absolute deviation has, `least` at least.

    `values` has shape (n,).
    """
    if values.size == 0:
        return least
    return max(least, 1.4826 * float(np.median(np.abs(values - np.median(values)))))
