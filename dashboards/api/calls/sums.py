"""Calls added up, and the numbers that are shown of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from components.durations import SECOND
from dashboards.read_models.edge_sums import EXEMPLARS, ZEROS, counts_of, exemplars_of
from processors.series import histogram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stores.store import Totals

ACCURACY = 0.09
"""Quantiles come from histograms whose buckets are so much wide: they are off by that share at most."""

_SHARES = (0.5, 0.95, 0.99)


class Stats(BaseModel):
    """Numbers of calls. Durations in nanoseconds; null where nothing was measured, as of no call."""

    calls: int
    failures: int
    rate: float = Field(description="calls a second, over all of the time")
    error_rate: float | None = Field(description="failures of calls, 0..1")
    p50: int | None
    p95: int | None
    p99: int | None
    mean: int | None


class CallsAnswer(BaseModel):
    """What every answer of numbers says."""

    since: int = Field(description="nanoseconds since the epoch; what was asked for, on a grid of seconds")
    until: int
    accuracy: float = Field(default=ACCURACY, description="by which share quantiles may be off: one bucket of a histogram")


@dataclass(slots=True)
class CallSums:
    """Calls that are added up from groups of `edges_by_kind`."""

    calls: int = 0
    failures: int = 0
    latency: int = 0
    self_time: int = 0
    critical: int = 0
    buckets: dict[int, int] = field(default_factory=dict)
    exemplars: dict[str, int] = field(default_factory=dict)

    def add(self, totals: Totals) -> None:
        """Add a group."""
        calls, failures, latency, self_time, critical = totals.sums
        self.calls += calls
        self.failures += failures
        self.latency += latency
        self.self_time += self_time
        self.critical += critical
        mine = self.buckets
        for bucket, count in totals.buckets.items():
            mine[bucket] = mine.get(bucket, 0) + count
        if totals.samples:
            for trace_id, duration in exemplars_of(totals).items():
                self.exemplars[trace_id] = max(duration, self.exemplars.get(trace_id, 0))

    def stats(self, seconds: float) -> Stats:
        """The numbers over a time."""
        p50, p95, p99 = quantiles_of(self.buckets)
        return Stats(
            calls=self.calls,
            failures=self.failures,
            rate=self.calls / seconds,
            error_rate=self.failures / self.calls if self.calls else None,
            p50=p50,
            p95=p95,
            p99=p99,
            mean=self.a_call(self.latency),
        )

    def a_call(self, whole: int) -> int | None:
        """A sum of all calls as it is of one."""
        return round(whole / self.calls) if self.calls else None

    @property
    def slowest(self) -> list[str]:
        """Trace ids of the slowest calls, a few."""
        return sorted(self.exemplars, key=lambda trace_id: (-self.exemplars[trace_id], trace_id))[:EXEMPLARS]


def quantiles_of(buckets: Mapping[int, int]) -> tuple[int | None, int | None, int | None]:
    """p50, p95 and p99 of a histogram of a store, nanoseconds."""
    scale, counts = counts_of(buckets)
    whole = sum(counts.values())
    if whole <= 0:
        return None, None, None
    places = sorted(place for place, count in counts.items() if count > 0)  # late corrections may be ahead of what they correct
    p50, p95, p99 = (_quantile(scale, counts, places, share * whole) for share in _SHARES)
    return p50, p95, p99


def _quantile(scale: int, counts: Mapping[int, int], places: Sequence[int], rank: float) -> int:
    """As `histogram.quantile` does it, of buckets that are sorted already."""
    for place in places:
        count = counts[place]
        if rank <= count:
            if place == ZEROS:
                return 0
            low, high = histogram.bound(place, scale), histogram.bound(place + 1, scale)
            share: float = max(rank, 0) / count
            return round(low * float((high / low) ** share) * SECOND)
        rank -= count
    return round(histogram.bound(places[-1] + 1, scale) * SECOND) if places[-1] != ZEROS else 0
