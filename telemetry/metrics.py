"""Metrics as OpenTelemetry defines them, and the flat points that detectors and rules read."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from telemetry.resource import Resource, Scope, service_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.resource import AttributeValue


_STALE_BITS: Final = struct.pack("<Q", 0x7FF0000000000002)
STALE: Final[float] = struct.unpack("<d", _STALE_BITS)[0]
"""Prometheus's stale marker: a NaN of its own that ends a series."""

NO_RECORDED_VALUE: Final = 1
"""Flag of a data point that says only that its series has no value now."""


def is_stale(value: float) -> bool:
    """Whether the value is the stale marker and not another NaN."""
    return math.isnan(value) and struct.pack("<d", value) == _STALE_BITS


class MetricType(StrEnum):
    """The data point types of OTLP."""

    GAUGE = "gauge"
    SUM = "sum"
    HISTOGRAM = "histogram"
    EXPONENTIAL_HISTOGRAM = "exponential_histogram"
    SUMMARY = "summary"


class Temporality(StrEnum):
    """Whether a point counts since the start of the stream or since the last point."""

    UNSPECIFIED = "unspecified"
    DELTA = "delta"
    CUMULATIVE = "cumulative"


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One measurement that ties a metric to a trace."""

    time: int
    value: float | None
    trace_id: bytes = b""
    span_id: bytes = b""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Explicit-bound histogram: `counts` has one more item than `bounds`; a bucket holds its upper bound."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ExponentialBuckets:
    """OTLP exponential histogram: bucket i of a side covers (base**(offset+i), base**(offset+i+1)], base = 2**(2**-scale)."""

    scale: int
    zero_count: int
    zero_threshold: float
    positive_offset: int
    positive: tuple[int, ...]
    negative_offset: int = 0
    negative: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DataPoint:
    """One point of a metric stream. `value` is the number of a gauge or sum; the others fill `count`, `total` and their own.

    A point may be without a value: see `Metric.has_value`.
    """

    time: int
    start: int = 0
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    value: float | int | None = None
    count: int = 0
    total: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    buckets: Buckets | ExponentialBuckets | None = None
    quantiles: tuple[tuple[float, float], ...] = ()
    exemplars: tuple[Exemplar, ...] = ()
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Metric:
    """A named instrument of one resource and scope, with its points."""

    name: str
    type: MetricType
    points: tuple[DataPoint, ...]
    resource: Resource
    scope: Scope = field(default_factory=Scope)
    unit: str = ""
    description: str = ""
    temporality: Temporality = Temporality.UNSPECIFIED
    monotonic: bool = False

    def has_value(self, point: DataPoint) -> bool:
        """Whether one of its points has a value; one that has none says that its series is stale."""
        if point.flags & NO_RECORDED_VALUE:
            return False
        if self.type not in {MetricType.GAUGE, MetricType.SUM}:
            return True
        return point.value is not None and not is_stale(point.value)


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """A metric name and its labels, sorted by label name: what Prometheus calls a time series.

    `total` says that its values run up from a start, so that only their growth means something. It is no part of what
    tells one series from another.
    """

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    total: bool = field(default=False, compare=False)

    @property
    def length(self) -> int:
        """Characters of its name and labels."""
        return len(self.name) + sum(len(name) + len(label) for name, label in self.labels)

    def label(self, name: str) -> str:
        """The value of a label, or empty."""
        return next((value for key, value in self.labels if key == name), "")

    @property
    def service(self) -> str:
        """The service that the series is about: of a sender's its resource, of ours `service` or `server`; empty for none."""
        name = self.label("service_name")
        return service_of(name, self.label("service_namespace")) if name else self.label("service") or self.label("server")


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one series, or `STALE`. `time` in nanoseconds since the epoch."""

    series: Series
    time: int
    value: float
