"""How long records and the store take, as histograms that the pipeline fills and the registry shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds, seconds: from a record that is a millisecond's work to a store that is nearly away."""


class Timings:
    """Histograms of one pipeline; its metrics show them, so that many pipelines may share no registry."""

    def __init__(self) -> None:
        self.records = Histogram(
            "spanloom_record_seconds",
            "Seconds that an agent was busy with a record, waits for room included",
            ["agent"],
            buckets=BUCKETS,
            registry=None,
        )
        self.store = Histogram(
            "spanloom_store_request_seconds",
            "Seconds that the store took for a request, failed ones included",
            ["operation"],
            buckets=BUCKETS,
            registry=None,
        )

    def collect(self) -> Iterator[Metric]:
        """Each as it is now."""
        yield from self.records.collect()
        yield from self.store.collect()
