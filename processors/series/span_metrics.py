"""Rate, errors and duration of spans as the metrics that existing dashboards read.

Names, labels, units and buckets are the defaults of the OpenTelemetry Collector's spanmetrics connector:
`traces.span.metrics.calls` and `traces.span.metrics.duration` in milliseconds, in Prometheus
`traces_span_metrics_calls_total` and `traces_span_metrics_duration_milliseconds`, by `service.name`, `service.namespace` and
`deployment.environment.name` (the resource's, where it has them), `span.name`, `span.kind` and `status.code`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from processors.call_graph.operations import normalised
from processors.series.cumulative import OVERFLOW, Histograms, SeriesBudget, is_short, samples_of
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.metrics import Metric, MetricType, Temporality
from telemetry.resource import Resource, text_of
from telemetry.spans import SpanKind, StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processors.series.cumulative import Labels
    from telemetry.metrics import DataPoint
    from telemetry.spans import Span

BOUNDS = (2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1000.0, 1400.0, 2000.0, 5000.0, 10000.0, 15000.0)
"""Milliseconds: the connector's."""

MAX_SERIES = 200
"""Of one service; what is beyond is counted together under `otel.metric.overflow`."""

MAX_TOTAL = 2000
"""Of all services: each is twenty points, which rules read every few seconds."""

MAX_SERVICES = 1000
"""Spans of further services are counted together, as those of `OTHER`."""

OTHER = "other"

SAMPLES = samples_of(BOUNDS)

_MILLISECOND = 1_000_000
_Service = tuple[str, str, str]  # namespace, name and environment, which is empty for the default one
_KINDS = tuple(("span.kind", f"SPAN_KIND_{kind.name}") for kind in SpanKind)
_STATUSES = tuple(("status.code", f"STATUS_CODE_{status.name}") for status in StatusCode)


class SpanMetrics:
    """Counts each span once, from `start` on.

    Args:
        start: when counting began, nanoseconds.
        instance: tells counters of the same spans' names apart that several counted (`collector.instance.id`).
        budget: of samples, shared with others.

    Attributes:
        overflow: spans that were over a bound, and are counted together.
    """

    def __init__(self, start: int, instance: str = "", budget: SeriesBudget | None = None) -> None:
        self._start = start
        self._instance = instance
        self._services: dict[_Service, Histograms] = {}
        self._total = 0
        self._budget = budget or SeriesBudget()
        self.overflow = 0

    @property
    def samples(self) -> int:
        """Samples that count in the budget."""
        return sum(service.samples for service in self._services.values())

    def add(self, spans: Iterable[Span]) -> None:
        """Count spans. Ids are removed from their names, which the conventions want to be few."""
        resource, name = Resource(), ("", "", "")
        for span in spans:
            own: Labels = (_KINDS[span.kind], ("span.name", normalised(span.name)), _STATUSES[span.status])
            if span.resource is not resource:  # spans of one come together
                resource = span.resource
                environment = "" if resource.environment == DEFAULT_ENVIRONMENT else resource.environment
                name = text_of(resource.attributes.get("service.namespace")), resource.service_name, environment
            service, labels = self._series(name, own)
            service.record(labels, span.duration / _MILLISECOND, span.end, span.trace_id, span.span_id)

    def _series(self, name: _Service, labels: Labels) -> tuple[Histograms, Labels]:
        """Where a span of a service counts: under its labels, or with others that are over a bound."""
        service = self._services.get(name)
        if service is not None and labels in service:
            return service, labels
        short = is_short((*labels, ("service", "/".join(name))))
        has_room = short and len(self._services) < MAX_SERVICES if service is None else len(service) < MAX_SERIES
        if has_room and self._total < MAX_TOTAL and self._budget.has(SAMPLES):
            self._total += 1
            return self._services.setdefault(name, self._histograms()), labels
        self.overflow += 1
        if service is None:
            service = self._services.setdefault(("", OTHER, ""), self._histograms())
        return service, OVERFLOW

    def _histograms(self) -> Histograms:
        return Histograms(self._start, MAX_SERIES, BOUNDS, self._budget)

    def metrics(self, time: int) -> list[Metric]:
        """The metrics at a time, cumulative, two of each service; `processors.series.points.points_of` makes series of them."""
        found = []
        for (namespace, name, environment), service in sorted(self._services.items()):
            known = {"service.name": name, "service.namespace": namespace, "deployment.environment.name": environment}
            resource = Resource({attribute: value for attribute, value in known.items() if value})
            calls, durations = self._own(service.numbers(time)), self._own(service.points(time))
            found += [
                Metric("traces.span.metrics.calls", MetricType.SUM, calls, resource,
                       description="Spans", temporality=Temporality.CUMULATIVE, monotonic=True),
                Metric("traces.span.metrics.duration", MetricType.HISTOGRAM, durations, resource,
                       unit="ms", description="Duration of spans", temporality=Temporality.CUMULATIVE),
            ]  # fmt: skip
        return found

    def _own(self, points: tuple[DataPoint, ...]) -> tuple[DataPoint, ...]:
        if not self._instance:
            return points
        own = {"collector.instance.id": self._instance}
        return tuple(replace(point, attributes={**point.attributes, **own}) for point in points)
