"""Rate, errors and duration of edges as series of which each sample counts one window: they add up, corrections included.

A counter that a process keeps begins again after a crash, and what it had not told yet is lost. These follow from the stored
edges alone: each document adds its numbers to the samples of its window once, by its id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.environment import EDGE_PREFIX, with_environment
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.call_graph import Edge
    from telemetry.metrics import ExponentialBuckets

CALLS = f"{EDGE_PREFIX}calls"
FAILURES = f"{EDGE_PREFIX}failures"
DURATION = f"{EDGE_PREFIX}duration_seconds"

POWERS = range(-10, 6)
"""Of two, in seconds: the bounds of buckets, 1 ms to 32 s. Stored histograms have these bounds too: counts are exact."""

_NANOSECONDS = 1e9


def edge_counts(edge: Edge) -> list[Point]:
    """What an edge document adds to the samples of its window, at its end. Numbers of a correction may be negative."""
    key, end = edge.key, edge.start + edge.width
    labels = with_environment(
        (("client", key.caller.name), ("operation", key.operation), ("server", key.callee.name)), key.environment
    )
    numbers = [
        (Series(CALLS, labels), float(edge.calls)),
        (Series(FAILURES, labels), float(edge.failures)),
        (Series(f"{DURATION}_sum", labels), edge.latency_sum / _NANOSECONDS),
    ]
    for bound, count in _buckets(edge.latency, edge.calls):
        numbers.append((Series(f"{DURATION}_bucket", tuple(sorted((*labels, ("le", bound))))), float(count)))
    # Of calls and failures zero is a number too: a ratio needs it. A bucket without calls is as good as none.
    return [Point(series, end, value) for series, value in numbers if value or series.name in {CALLS, FAILURES}]


def _buckets(latency: ExponentialBuckets, calls: int) -> Iterator[tuple[str, int]]:
    """How many calls took so long at most, by bound."""
    if latency.scale >= 0:  # else the buckets are wider than a power of two
        for power in POWERS:
            below = (power << latency.scale) - latency.positive_offset  # the bucket of index i ends at 2**((i + 1) / 2**scale)
            yield repr(2.0**power), latency.zero_count + sum(latency.positive[: max(0, below)])
    yield "+Inf", calls
