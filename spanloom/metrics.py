"""What the pipeline tells of itself at /metrics, read from its counters when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

    from spanloom.wiring import Pipeline


class PipelineMetrics:
    """A collector of the registry."""

    def __init__(self, pipeline: Pipeline, registry: CollectorRegistry) -> None:
        self._pipeline = pipeline
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Every counter and gauge as it stands."""
        for name, (meaning, value) in self.counters().items():
            metric = CounterMetricFamily(f"spanloom_{name}", meaning)
            metric.add_metric([], value)
            yield metric
        held = GaugeMetricFamily("spanloom_held_records", "Records delivered and not acknowledged yet", labels=["agent"])
        for name, offsets in self._pipeline.offsets.items():
            held.add_metric([name], offsets.held)
        yield held

    def counters(self) -> dict[str, tuple[str, int]]:
        """Name -> meaning and value."""
        pipeline = self._pipeline
        writer = pipeline.writer.counts
        found = {
            "documents_created": ("Documents stored", writer.created),
            "documents_existing": ("Documents that were stored already", writer.existing),
            "documents_rejected": ("Documents that the store will never take", writer.rejected),
            "store_retries": ("Writes tried again because the store was not there", writer.retries),
            "dead_letters": ("Records sent to the dead letters", pipeline.dead.sent),
        }
        if pipeline.assemble is not None:
            counts = pipeline.assemble.counts
            found |= {
                "spans_received": ("Spans taken by the assembler", counts.spans),
                "traces": ("Traces closed and stored for the first time", counts.traces),
                "traces_cut": ("Traces closed early by a limit", counts.cut),
                "traces_merged": ("Closed traces joined with what the store had of them", counts.merged),
                "edge_corrections": ("Edge documents that correct others", counts.corrections),
                "logs_joined": ("Log records that named a trace", counts.logs),
            }
        if pipeline.score is not None:
            found |= {
                "points_scored": ("Points of series scored", pipeline.score.counts.points),
                "anomalies": ("Anomalies found", pipeline.score.counts.anomalies),
            }
        if pipeline.act is not None:
            found |= {
                "rankings": ("Rankings of culprits made", pipeline.act.counts.rankings),
                "alert_changes": ("Alerts that changed their state", pipeline.act.counts.alert_changes),
                "notifications": ("Notifications handed to receivers", pipeline.act.counts.notifications),
            }
        return found
