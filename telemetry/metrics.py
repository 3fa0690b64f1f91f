"""Metrics as OpenTelemetry defines them, and the flat points that detectors and rules read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from telemetry.resource import Resource, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.resource import AttributeValue


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
    value: float
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
    """One point of a metric stream. `value` is the number of a gauge or sum; the others fill `count`, `total` and their own."""

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


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one series. `time` in nanoseconds since the epoch."""

    series: Series
    time: int
    value: float
