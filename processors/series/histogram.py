"""OpenTelemetry exponential histograms: record, merge, subtract, quantile.

Bucket boundaries and scaling down follow the metrics data model of OpenTelemetry ("ExponentialHistogram") and the
mapping of its specification. The scale starts at 3 (buckets 9% wide, as Prometheus' native histograms usually have)
and goes down only where 160 buckets do not reach: 20 octaves, as from 100 µs to 100 s, fit at once. So what is kept
does not depend on the order or grouping in which values came.
"""

from __future__ import annotations

from bisect import bisect_left
from math import frexp, inf, ldexp, nextafter
from typing import TYPE_CHECKING

from telemetry.metrics import ExponentialBuckets

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BUCKETS = 160
"""Buckets kept of each side, as OpenTelemetry's SDKs do by default."""

MAX_SCALE = 3
_MIN_SCALE = -10
STEPS = tuple(ldexp(2.0 ** (step / 2**MAX_SCALE), -1) for step in range(2**MAX_SCALE))
"""Lower bounds of the buckets of an octave at MAX_SCALE, from 0.5."""

EMPTY = ExponentialBuckets(MAX_SCALE, 0, 0.0, 0, ())
"""The histogram of no values."""


def index_of(value: float) -> int:
    """The bucket of a positive value at MAX_SCALE; shifted right by n it is that at n scales less."""
    mantissa, exponent = frexp(value)
    return ((exponent - 1) << MAX_SCALE) + bisect_left(STEPS, mantissa) - 1


class Histogram:
    """A histogram in the making."""

    __slots__ = ("_negative", "_positive", "_zeros")

    def __init__(self) -> None:
        self._zeros = 0
        self._positive: dict[int, int] = {}
        self._negative: dict[int, int] = {}

    def __len__(self) -> int:
        """How many buckets hold a value."""
        return len(self._positive) + len(self._negative)

    def record(self, value: float) -> None:
        """Count a value. NaN and infinities are no measurements and are ignored."""
        if 0 < value < inf:
            index = index_of(value)
            self._positive[index] = self._positive.get(index, 0) + 1
        elif value == 0:
            self._zeros += 1
        elif -inf < value < 0:
            index = index_of(-value)
            self._negative[index] = self._negative.get(index, 0) + 1

    def buckets(self) -> ExponentialBuckets:
        """What has been counted so far."""
        return _fitted(MAX_SCALE, self._zeros, 0.0, self._positive, self._negative)


def histogram(values: Iterable[float]) -> ExponentialBuckets:
    """The histogram of these values."""
    made = Histogram()
    for value in values:
        made.record(value)
    return made.buckets()


def merge(one: ExponentialBuckets, other: ExponentialBuckets) -> ExponentialBuckets:
    """The histogram of the values of both."""
    return _combined(one, other, 1)


def subtract(one: ExponentialBuckets, other: ExponentialBuckets) -> ExponentialBuckets:
    """What has to be merged into the other to get the first: counts may be negative."""
    return _combined(one, other, -1)


def of_counts(scale: int, zeros: int, positive: dict[int, int]) -> ExponentialBuckets:
    """The histogram of values that are counted already, by the index of their bucket at this scale; at most `MAX_BUCKETS`."""
    return _fitted(scale, zeros, 0.0, positive, {})


def count(buckets: ExponentialBuckets) -> int:
    """How many values it holds."""
    return buckets.zero_count + sum(buckets.positive) + sum(buckets.negative)


def quantile(buckets: ExponentialBuckets, share: float) -> float:
    """The value below which this share (0..1) of the values lies; NaN of an empty histogram.

    Interpolated geometrically within its bucket, so it is off by a bucket's width at most: 9% at scale 3.
    """
    rank = share * count(buckets)
    last = float("nan")
    for low, high, number in ranges(buckets):
        if number <= 0:
            continue
        last = high
        if rank <= number:
            part = max(rank, 0) / number
            return low + (high - low) * part if low * high <= 0 else low * (high / low) ** part
        rank -= number
    return last


def ranges(buckets: ExponentialBuckets) -> Iterable[tuple[float, float, int]]:
    """The buckets by value: lower bound, upper bound, count."""
    for place in range(len(buckets.negative) - 1, -1, -1):
        index = buckets.negative_offset + place
        yield -bound(index + 1, buckets.scale), -bound(index, buckets.scale), buckets.negative[place]
    if buckets.zero_count:
        yield -buckets.zero_threshold, buckets.zero_threshold, buckets.zero_count
    for place, number in enumerate(buckets.positive):
        index = buckets.positive_offset + place
        yield bound(index, buckets.scale), bound(index + 1, buckets.scale), number


def bound(index: int, scale: int) -> float:
    """The lower bound, exclusive, of a bucket: 2 ** (index * 2 ** -scale), kept within what a float can hold."""
    exponent = index * 2.0**-scale
    return nextafter(inf, 0) if exponent >= 1024 else 2.0**exponent


def _combined(one: ExponentialBuckets, other: ExponentialBuckets, sign: int) -> ExponentialBuckets:
    scale = min(one.scale, other.scale)
    threshold = max(one.zero_threshold, other.zero_threshold)
    zeros = one.zero_count + sign * other.zero_count
    sides = []
    for here, there in (
        ((one.positive_offset, one.positive), (other.positive_offset, other.positive)),
        ((one.negative_offset, one.negative), (other.negative_offset, other.negative)),
    ):
        counts: dict[int, int] = {}
        for (offset, numbers), down, factor in ((here, one.scale - scale, 1), (there, other.scale - scale, sign)):
            for place, number in enumerate(numbers):
                if number:
                    index = (offset + place) >> down
                    counts[index] = counts.get(index, 0) + factor * number
        if threshold:  # the wider zero bucket includes what lies within it
            for index in [index for index in counts if bound(index + 1, scale) <= threshold]:
                zeros += counts.pop(index)
        sides.append(counts)
    return _fitted(scale, zeros, threshold, *sides)


def _fitted(scale: int, zeros: int, threshold: float, positive: dict[int, int], negative: dict[int, int]) -> ExponentialBuckets:
    down = max(_excess(positive), _excess(negative))
    if down:
        down = min(down, scale - _MIN_SCALE)
        positive, negative = _scaled(positive, down), _scaled(negative, down)
    positive_offset, positive_counts = _dense(positive)
    negative_offset, negative_counts = _dense(negative)
    return ExponentialBuckets(
        scale - down, zeros, threshold, positive_offset, positive_counts, negative_offset, negative_counts
    )


def _excess(counts: dict[int, int]) -> int:
    """How many scales less it takes until the side fits."""
    if len(counts) < 2:
        return 0
    low, high, down = min(counts), max(counts), 0
    while (high >> down) - (low >> down) >= MAX_BUCKETS:
        down += 1
    return down


def _scaled(counts: dict[int, int], down: int) -> dict[int, int]:
    scaled: dict[int, int] = {}
    for index, number in counts.items():
        scaled[index >> down] = scaled.get(index >> down, 0) + number
    return scaled


def _dense(counts: dict[int, int]) -> tuple[int, tuple[int, ...]]:
    used = [index for index, number in counts.items() if number]
    if not used:
        return 0, ()
    low = min(used)
    return low, tuple(counts.get(index, 0) for index in range(low, max(used) + 1))
