"""Change points of metrics: the times since which some instance's series have gone farthest from where they were.

All moments are weighed at once by means and running extremes, so that only a few have to be by medians and tails, which
takes as long for each of them (`metrics`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from processors.root_cause.change import heavy_tailed, robust_spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from telemetry.metrics import Series

    Levels = Mapping[Series, tuple[NDArray[np.int64], NDArray[np.float64]]]
    """Times and values of each series, ascending in time."""

PEER_WEIGHT = 4.0
"""How many observations the peers' spread counts for beside the series' own."""

LEAST_SPREAD = 0.15
"""In log units: what moves by less than this is standing still."""

CANDIDATES = 8
"""Candidates that are weighed in full."""

MIN_PEERS = 3
"""Series of one name below which there is nothing to compare with."""


def instance_of(series: Series) -> tuple[str, str]:
    """Service and instance of a series."""
    return series.service if series.label("service_name") else "", series.label("k8s_pod_name") or series.label("instance")


def magnitude(values: Sequence[NDArray[np.float64]]) -> Callable[[NDArray[np.float64]], NDArray[np.float64]] | None:
    """The logarithmic scale of a metric's values, which is linear where they are all small; none where nothing is above 0.

    `values` are the arrays of its series, each of shape (points,); the scale works elementwise on any shape.
    """
    sizes = np.abs(np.concatenate(values))
    positive = sizes[sizes > 0]
    if positive.size == 0:
        return None
    floor = 0.1 * float(np.median(positive))
    return lambda some: np.asarray(np.sign(some) * np.log1p(np.abs(some) / floor))


def likeliest_change_points(levels: Levels, candidates: NDArray[np.int64]) -> list[int]:
    """Those few of the candidates since which an instance, by the second of its series and less its peers, has moved farthest.

    `levels` has of each series its times (ns, ascending) and values, both of shape (points,); `candidates` are times in ns,
    ascending, shape (candidates,). The result is in the order of time.
    """
    peers: dict[str, list[Series]] = {}
    for series in levels:
        peers.setdefault(series.name, []).append(series)
    farthest: dict[tuple[str, str], NDArray[np.float64]] = {}  # by instance the two greatest gains, (2, candidates)
    for members in peers.values():
        scaled = magnitude([levels[series][1] for series in members])
        if len(members) < MIN_PEERS or scaled is None:
            continue
        values = [scaled(levels[series][1]) for series in members]
        drift = robust_spread(np.concatenate([own - np.median(own) for own in values]), LEAST_SPREAD)
        gains = np.array(
            [_gains(levels[series][0], own, candidates, drift) for series, own in zip(members, values, strict=True)]
        )
        gains -= (gains.sum(axis=0) - gains) / (len(members) - 1)
        for series, gain in zip(members, gains, strict=True):
            known = farthest.setdefault(instance_of(series), np.zeros((2, candidates.size)))
            known[:] = np.sort([*known, gain], axis=0)[1:]
    if not farthest:
        return []
    score = np.max([second for second, _ in farthest.values()], axis=0)
    order = sorted(range(candidates.size), key=lambda number: -score[number])  # of those that score alike the earliest first
    return sorted(int(candidates[number]) for number in order[:CANDIDATES])


def _gains(
    times: NDArray[np.int64], values: NDArray[np.float64], candidates: NDArray[np.int64], drift: float
) -> NDArray[np.float64]:
    """How far the farthest value since each candidate is from the mean before it, as a gain; a fall counts half.

    `times` and `values` have shape (points,), `candidates` and the result (candidates,).
    """
    n = np.searchsorted(times, candidates)
    known = (n > 0) & (n < times.size)
    before = np.maximum(n, 1)
    mean = np.cumsum(values)[before - 1] / before
    scatter = np.maximum(0.0, np.cumsum(values**2)[before - 1] - before * mean**2)
    spread = np.maximum(LEAST_SPREAD, np.sqrt((PEER_WEIGHT * drift**2 + scatter) / (PEER_WEIGHT + before - 1)))
    at = np.minimum(n, times.size - 1)
    rise = np.maximum.accumulate(values[::-1])[::-1][at] - mean
    fall = mean - np.minimum.accumulate(values[::-1])[::-1][at]
    gain = heavy_tailed(np.maximum(rise, fall) / spread)
    return np.where(known, np.where(rise >= fall, gain, gain / 2), 0.0)
