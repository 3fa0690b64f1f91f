"""An edge's latency histogram as numbers that a store adds up by counting how many documents hold each.

A bucket's count is a sum of powers of two, and each of them is a number: bucket, sign, exponent. Where sixteen documents
hold the number of "bucket 7, plus, 2^2" there are 16 * 4 calls in that bucket. So an index that counts documents by value
merges histograms exactly, and corrections with negative counts too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.metrics import ExponentialBuckets

NEGATIVE = 1 << 6
EXPONENT = NEGATIVE - 1
BUCKET_SHIFT = 7
"""Of a number: bits 0 to 5 are the exponent, bit 6 is the sign, the rest is the bucket."""

_SCALE_SHIFT, _ZERO = 15, 1 << 14
_FINEST = 3
"""The scale at which histograms of latency begin; they only go down from there (processors/series/histogram.py)."""


def latency_bits(buckets: ExponentialBuckets) -> list[int]:
    """The numbers of a histogram without negative values, each once."""
    base = (_FINEST - buckets.scale) << _SCALE_SHIFT
    found = _bits(base, buckets.zero_count)
    for place, count in enumerate(buckets.positive):
        if count:
            found += _bits(base + _ZERO + buckets.positive_offset + place, count)
    return found


def bucket_of(number: int) -> int:
    """The bucket of a number, as `scale_and_index` reads it."""
    return number >> BUCKET_SHIFT


def weight_of(number: int) -> int:
    """How many calls a document with this number adds to the bucket."""
    weight = 1 << (number & EXPONENT)
    return -weight if number & NEGATIVE else weight


def scale_and_index(bucket: int) -> tuple[int, int | None]:
    """The scale of a bucket and its index there; None is the bucket of zero."""
    index = bucket & ((1 << _SCALE_SHIFT) - 1)
    return _FINEST - (bucket >> _SCALE_SHIFT), index - _ZERO if index else None


def _bits(bucket: int, count: int) -> list[int]:
    number = bucket << BUCKET_SHIFT | (NEGATIVE if count < 0 else 0)
    size = abs(count)
    return [number | exponent for exponent in range(size.bit_length()) if size >> exponent & 1]
