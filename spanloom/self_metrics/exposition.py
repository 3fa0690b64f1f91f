"""Metrics of the data model as a Prometheus registry exposes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import Metric as Family

from processors.series.points import points_of
from telemetry.metrics import MetricType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.metrics import Metric


def families(metrics: Iterable[Metric]) -> list[Family]:
    """One family a name, with the samples of all metrics of that name; cumulative sums, histograms and gauges."""
    found: dict[str, Family] = {}
    for metric in metrics:
        for point in points_of(metric):
            name = point.series.name
            if metric.type is MetricType.HISTOGRAM:
                base, kind = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count"), "histogram"
            elif metric.type is MetricType.SUM and metric.monotonic:
                base, kind = name.removesuffix("_total"), "counter"
            else:
                base, kind = name, "gauge"
            family = found.get(base)
            if family is None:
                family = found[base] = Family(base, metric.description, kind)
            family.add_sample(name, dict(point.series.labels), point.value)
    return list(found.values())
