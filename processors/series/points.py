"""Metrics as Prometheus sees them: flat points with a name and labels.

Names and labels follow OpenTelemetry's "Prometheus and OpenMetrics Compatibility" specification: characters that a
name cannot have become `_`, a known unit becomes a suffix, a monotonic sum ends in `_total`, `job` and `instance` come
from the resource. A histogram becomes `_bucket`, `_sum` and `_count`; a summary its quantiles.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from components.bounded_cache import remembered
from telemetry.environment import RESOURCE_LABEL
from telemetry.metrics import STALE, Buckets, MetricType, Point, Series, Temporality
from telemetry.resource import environment_name, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.metrics import DataPoint, Metric
    from telemetry.resource import Resource

_UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "m": "meters", "V": "volts", "A": "amperes",
    "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius", "Hz": "hertz", "%": "percent",
}  # fmt: skip
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_RESOURCE_LABELS = ("k8s.pod.name", "k8s.node.name")
"""Resource attributes that become labels beside job and instance: where alerts and culprits look."""


@remembered(1 << 20)
def prometheus_name(name: str, unit: str, *, monotonic: bool) -> str:
    """The metric's name in Prometheus."""
    base = re.sub(r"_+", "_", re.sub(r"[^a-zA-Z0-9_:]", "_", name)).strip("_") or "_"
    if base[0].isdigit():
        base = f"_{base}"
    suffix = _unit_suffix(unit)
    if suffix and not base.endswith(suffix):
        base = f"{base}_{suffix}"
    if monotonic and not base.endswith("_total"):
        base = f"{base}_total"
    return base


def _unit_suffix(unit: str) -> str:
    if not unit or "{" in unit or unit == "1":
        return "ratio" if unit == "1" else ""
    amount, _, per = unit.partition("/")
    suffix = _UNITS.get(amount, _plain(amount))
    return f"{suffix}_per_{_PER.get(per, _plain(per))}" if per else suffix


def _plain(unit: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]", "_", unit).strip("_")


_SUFFIXES = {f"_{suffix}": unit for unit, suffix in _UNITS.items()} | {"_ratio": "1", "_per_second": "1/s"}


def unit_of(name: str) -> str:
    """The unit that a series' name in Prometheus ends in; empty where it names none."""
    base = name.removesuffix("_total").removesuffix("_sum")
    return next((unit for suffix, unit in _SUFFIXES.items() if base.endswith(suffix)), "")


@remembered(1 << 20)
def label_name(name: str) -> str:
    """An attribute's name as a label. OTLP allows an empty name, Prometheus does not: that one is `_`."""
    label = re.sub(r"[^a-zA-Z0-9_]", "_", name) or "_"
    return f"key_{label}" if label[0].isdigit() else label


def resource_labels(resource: Resource) -> dict[str, str]:
    """The labels that say who speaks: service_name, service_namespace, job, instance, pod, node and environment where known."""
    get = resource.attributes.get
    labels = {"service_name": resource.service_name, "job": resource.service}
    namespace = get("service.namespace")
    if namespace:
        labels["service_namespace"] = text_of(namespace)
    instance = get("service.instance.id") or get("host.name")
    if instance:
        labels["instance"] = text_of(instance)
    for name in _RESOURCE_LABELS:
        value = get(name)
        if value:
            labels[label_name(name)] = text_of(value)
    environment = environment_name(resource.attributes)
    if environment:
        labels[RESOURCE_LABEL] = environment
    return labels


def points_of(metric: Metric) -> Iterator[Point]:
    """The points of a metric, flat. What is of temporality delta is a gauge of its interval: no total, and no `_total`.

    A point without a value makes its series stale, of a distribution all those that the point names.
    """
    counter = metric.type is MetricType.SUM and metric.monotonic and metric.temporality is Temporality.CUMULATIVE
    cumulative = metric.type is MetricType.SUMMARY or metric.temporality is Temporality.CUMULATIVE
    unit = "" if metric.unit == "1" and metric.type is not MetricType.GAUGE else metric.unit
    name = prometheus_name(metric.name, unit, monotonic=counter)
    resource = resource_labels(metric.resource)
    for point in metric.points:
        labels = resource | {label_name(key): text_of(value) for key, value in point.attributes.items()}
        if metric.type in {MetricType.GAUGE, MetricType.SUM}:
            value = STALE if point.value is None or not metric.has_value(point) else float(point.value)
            yield Point(_series(name, labels, total=counter), point.time, value)
        elif not metric.has_value(point):
            without = replace(point, total=point.total or 0.0)
            for stale in _distribution(name, labels, without, total=cumulative):
                yield replace(stale, value=STALE)
        elif point.quantiles or point.count or point.buckets is not None:
            yield from _distribution(name, labels, point, total=cumulative)


def _distribution(name: str, labels: dict[str, str], point: DataPoint, *, total: bool) -> Iterator[Point]:
    yield Point(_series(f"{name}_count", labels, total=total), point.time, float(point.count))
    if point.total is not None:
        yield Point(_series(f"{name}_sum", labels, total=total), point.time, point.total)
    for quantile, value in point.quantiles:
        yield Point(_series(name, labels | {"quantile": f"{quantile:g}"}), point.time, value)
    if isinstance(point.buckets, Buckets):
        so_far = 0
        for bound, count in zip((*point.buckets.bounds, float("inf")), point.buckets.counts, strict=False):
            so_far += count
            yield Point(
                _series(f"{name}_bucket", labels | {"le": "+Inf" if bound == float("inf") else f"{bound:g}"}),
                point.time,
                float(so_far),
            )


def _series(name: str, labels: dict[str, str], *, total: bool = False) -> Series:
    return Series(name, tuple(sorted(labels.items())), total)
