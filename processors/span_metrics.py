"""Rate, errors and duration of spans as the metrics that existing dashboards read.

Names, labels, units and buckets are the defaults of the OpenTelemetry Collector's spanmetrics connector:
`traces.span.metrics.calls` and `traces.span.metrics.duration` in milliseconds, in Prometheus
`traces_span_metrics_calls_total` and `traces_span_metrics_duration_milliseconds`, by `service.name` (the resource's),
`span.name`, `span.kind` and `status.code`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.latency_series import Counters, Histograms
from processors.operations import normalised
from telemetry.metrics import Metric, MetricType, Temporality
from telemetry.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.spans import Span

BOUNDS = (2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1000.0, 1400.0, 2000.0, 5000.0, 10000.0, 15000.0)
"""Milliseconds: the connector's."""

MAX_SERIES = 500
"""Of one service; what is beyond is counted together under `otel.metric.overflow`."""

MAX_SERVICES = 1000
"""Spans of further services are left out and counted in `refused`."""

_MILLISECOND = 1_000_000


class SpanMetrics:
    """Counts each span once, from `start` on."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._services: dict[str, tuple[Counters, Histograms]] = {}
        self.refused = 0

    def add(self, spans: Iterable[Span]) -> None:
        """Count spans. Ids are taken out of their names, which the conventions want to be few."""
        for span in spans:
            service = span.service
            series = self._services.get(service)
            if series is None:
                if len(self._services) >= MAX_SERVICES:
                    self.refused += 1
                    continue
                series = Counters(self._start, MAX_SERIES), Histograms(self._start, MAX_SERIES, BOUNDS)
                self._services[service] = series
            labels = (
                ("span.kind", f"SPAN_KIND_{span.kind.name}"),
                ("span.name", normalised(span.name)),
                ("status.code", f"STATUS_CODE_{span.status.name}"),
            )
            calls, durations = series
            calls.add(labels)
            durations.record(labels, span.duration / _MILLISECOND)

    def metrics(self, time: int) -> list[Metric]:
        """The metrics at a time, cumulative, two of each service; `processors.points.points_of` makes series of them."""
        found = []
        for service, (calls, durations) in sorted(self._services.items()):
            resource = Resource({"service.name": service})
            found += [
                Metric("traces.span.metrics.calls", MetricType.SUM, calls.points(time), resource,
                       description="Spans", temporality=Temporality.CUMULATIVE, monotonic=True),
                Metric("traces.span.metrics.duration", MetricType.HISTOGRAM, durations.points(time), resource,
                       unit="ms", description="Duration of spans", temporality=Temporality.CUMULATIVE),
            ]  # fmt: skip
        return found
