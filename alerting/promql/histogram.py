"""`histogram_quantile` over classic histograms, as Prometheus 3 computes it."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TYPE_CHECKING

from alerting.promql.vectors import without

if TYPE_CHECKING:
    from alerting.promql.vectors import Labels, Vector

_DROPPED = frozenset(("__name__", "le"))


def histogram_quantile(q: float, vector: Vector) -> Vector:
    """The q-quantile of each histogram whose `le` buckets are in the vector; elements without a bound are excluded."""
    histograms: dict[Labels, list[tuple[float, float]]] = {}
    for labels, count in vector:
        bound = _bound(next((value for name, value in labels if name == "le"), ""))
        if bound is not None:
            histograms.setdefault(without(labels, _DROPPED), []).append((bound, count))
    return [(labels, bucket_quantile(q, buckets)) for labels, buckets in histograms.items()]


def _bound(text: str) -> float | None:
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def bucket_quantile(q: float, buckets: list[tuple[float, float]]) -> float:
    """The q-quantile of cumulative buckets (upper bound, count), linear within a bucket.

    The lowest bucket begins at zero if its bound is positive. NaN without an infinite bucket or without observations.
    Buckets of one bound are added up; a count that falls with the bound is lifted to the one before.
    """
    if not 0 <= q <= 1:
        return math.nan if math.isnan(q) else math.copysign(math.inf, q)
    bounds: list[float] = []
    counts: list[float] = []
    for bound, count in sorted(buckets, key=lambda bucket: bucket[0]):
        if bounds and bound == bounds[-1]:
            counts[-1] += count
        else:
            bounds.append(bound)
            counts.append(count)
    for i in range(1, len(counts)):
        counts[i] = max(counts[i], counts[i - 1])
    if not bounds or bounds[-1] != math.inf or len(bounds) < 2 or counts[-1] == 0:
        return math.nan
    rank = q * counts[-1]
    i = len(counts) - 1 if math.isnan(rank) else bisect_left(counts, rank, 0, len(counts) - 1)
    if i == len(bounds) - 1 or (i == 0 and bounds[0] <= 0):
        return bounds[min(i, len(bounds) - 2)]
    start, below = (bounds[i - 1], counts[i - 1]) if i else (0.0, 0.0)
    inside = counts[i] - below
    return start + (bounds[i] - start) * ((rank - below) / inside) if inside else math.nan
