"""What OTLP calls invalid: items that parse, and yet cannot be what they claim.

Rules: the comments of opentelemetry-proto (`trace.proto`, `metrics.proto`). A log record has no field that could make it
invalid: an id of a wrong length there means "not associated with a trace".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, TypeVar

from telemetry.errors import DecodeError
from telemetry.otlp.request import MAX_TIME, NOT_HEX, SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer as Repeated
    from google.protobuf.message import Message
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint, Metric
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from telemetry.otlp.request import Signal

Item = TypeVar("Item", bound="Message")


class LinkIds(Protocol):
    """What a link names."""

    trace_id: bytes
    span_id: bytes


class SpanIds(Protocol):
    """What a span is known by, and when it was: a Span of protobuf, or what was read of it."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    start_time_unix_nano: int
    end_time_unix_nano: int

    @property
    def links(self) -> Sequence[LinkIds]:
        """The spans that it names."""


_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)
_PARENT_SIZES = frozenset({0, 8})
_COARSEST_SCALE = -11  # one bucket of this scale holds every double greater than one
_LEAST_EXPONENT, _GREATEST_EXPONENT = -1075, 1024  # every double but zero is between two to the power of these
_FINEST_SCALE = 52  # a double has no more bits to tell two buckets apart

MAX_BUCKETS = 10_000
"""Most buckets of a data point; SDKs make 160 at most by default. Two bytes of a bucket on the wire are many in a store."""

MAX_REPEATED = 128 * 2**20
"""Bytes of resources, scopes, schemas and descriptions in all documents of a request: 16,000 spans with a resource of 8 KiB."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """How many items were removed from a request, and what was wrong with the first. Not more: there may be millions."""

    count: int
    first: DecodeError


def reject(signal: Signal, request: Message) -> Rejection | None:
    """Remove the invalid spans or data points from a parsed request; None when all are valid.

    The error names the field by its path in the request as it came, in the names of protobuf.
    """
    if signal == "logs":
        return None
    shape = SHAPES[signal]
    count, first = 0, None
    for r, by_resource in enumerate(getattr(request, shape.by_resource)):
        for s, by_scope in enumerate(getattr(by_resource, shape.by_scope)):
            where = f"{shape.by_resource}[{r}].{shape.by_scope}[{s}].{shape.items}"
            items = getattr(by_scope, shape.items)
            for found in (
                (_reject(items, where, _what_is_wrong_with_span),) if signal == "spans" else _reject_points(items, where)
            ):
                if found is not None:
                    count += found.count
                    first = first or found.first
    return Rejection(count, first) if first is not None else None


def check_repetition(signal: Signal, request: Message) -> None:
    """Refuse a parsed request whose documents would be far larger than it: each has the whole resource, scope and metric.

    Raises:
        DecodeError: they would be larger than MAX_REPEATED altogether.
    """
    shape = SHAPES[signal]
    left = MAX_REPEATED
    for r, by_resource in enumerate(getattr(request, shape.by_resource)):
        resource = by_resource.resource.ByteSize() + len(by_resource.schema_url)
        for s, by_scope in enumerate(getattr(by_resource, shape.by_scope)):
            items = getattr(by_scope, shape.items)
            around = resource + by_scope.scope.ByteSize() + len(by_scope.schema_url)
            if signal == "metrics":
                left -= sum((around + _described(metric)) * len(data_points(metric)) for metric in items)
            else:
                left -= around * len(items)
            if left < 0:
                raise too_repetitive(f"{shape.by_resource}[{r}].{shape.by_scope}[{s}]")


def too_repetitive(field: str) -> DecodeError:
    """The error that says that more than MAX_REPEATED would be stored with the items up to a field."""
    return DecodeError(
        field,
        "resource, scope and description would be stored with each item: more than "
        f"{MAX_REPEATED} bytes up to here, which is the limit; send fewer items with so much around them",
    )


def _described(metric: Metric) -> int:
    return len(metric.name) + len(metric.description) + len(metric.unit)


def data_points(metric: Metric) -> Sequence[Message]:
    """The points of a protobuf Metric, whatever its type; empty when it has no type."""
    which = metric.WhichOneof("data")
    return getattr(metric, which).data_points if which else ()


def _reject_points(metrics: Iterable[Metric], where: str) -> Iterator[Rejection | None]:
    for i, metric in enumerate(metrics):
        which = metric.WhichOneof("data")
        if which:
            yield _reject(getattr(metric, which).data_points, f"{where}[{i}].{which}.data_points", _POINT_CHECKS[which])


def _reject(items: Repeated[Item], where: str, check: Callable[[Item], tuple[str, str] | None]) -> Rejection | None:
    invalid = [check(item) is not None for item in items]
    if not any(invalid):
        return None
    i = invalid.index(True)
    field, reason = check(items[i]) or ("", "")
    # To the end, where all go at once: taking out one by one is quadratic, and putting the others into a new list copies them.
    flags = iter(invalid)
    items.sort(key=lambda _: next(flags))
    del items[invalid.count(False) :]
    return Rejection(invalid.count(True), DecodeError(f"{where}[{i}].{field}", reason))


def what_is_wrong_with_ids(span: SpanIds) -> tuple[str, str] | None:
    """A field of a span's ids, times or links, and what is wrong with it, or None."""
    # The hot path of the collector: each field of a message is read once, for each reading makes an object.
    trace_id, span_id = span.trace_id, span.span_id
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        return "trace_id", _must_be("an id of 16 bytes, not all zero", trace_id)
    if len(span_id) != 8 or span_id == _NO_SPAN:
        return "span_id", _must_be("an id of 8 bytes, not all zero", span_id)
    if len(span.parent_span_id) not in _PARENT_SIZES:
        return "parent_span_id", _must_be("an id of 8 bytes, or empty for a root", span.parent_span_id)
    if span.start_time_unix_nano > MAX_TIME or span.end_time_unix_nano > MAX_TIME:
        return _what_is_wrong_with_times(span, ("start_time_unix_nano", "end_time_unix_nano"))
    if span.links:
        return _what_is_wrong_with_links(span)
    return None


def _what_is_wrong_with_links(span: SpanIds) -> tuple[str, str] | None:
    for i, link in enumerate(span.links):
        if len(link.trace_id) != 16:
            return f"links[{i}].trace_id", _must_be("an id of 16 bytes", link.trace_id)
        if len(link.span_id) != 8:
            return f"links[{i}].span_id", _must_be("an id of 8 bytes", link.span_id)
    return None


def what_is_wrong_with_events(span: Span) -> tuple[str, str] | None:
    """A field of a span's events and what is wrong with it, or None."""
    for i, event in enumerate(span.events):
        if event.time_unix_nano > MAX_TIME:
            return f"events[{i}].time_unix_nano", _not_a_time(event.time_unix_nano)
    return None


def _what_is_wrong_with_span(span: Span) -> tuple[str, str] | None:
    return what_is_wrong_with_ids(span) or (what_is_wrong_with_events(span) if span.events else None)


def _what_is_wrong_with_times(item: object, fields: tuple[str, str]) -> tuple[str, str] | None:
    for field in fields:
        if getattr(item, field) > MAX_TIME:
            return field, _not_a_time(getattr(item, field))
    return None


def _what_is_wrong_with_point(point: Message) -> tuple[str, str] | None:
    return _what_is_wrong_with_times(point, ("time_unix_nano", "start_time_unix_nano"))


def _what_is_wrong_with_histogram_point(point: HistogramDataPoint) -> tuple[str, str] | None:
    bounds, counts = point.explicit_bounds, point.bucket_counts
    if max(len(counts), len(bounds)) > MAX_BUCKETS:
        return "bucket_counts", _too_many_buckets(max(len(counts), len(bounds)))
    if len(counts) != len(bounds) + 1 and (bounds or counts):
        return "bucket_counts", f"{len(counts)} counts for {len(bounds)} bounds, must be one more"
    if any(not low < high for low, high in pairwise(bounds)):
        return "explicit_bounds", "must increase from each to the next"
    return _what_is_wrong_with_point(point)


def _what_is_wrong_with_exponential_point(point: ExponentialHistogramDataPoint) -> tuple[str, str] | None:
    if not _COARSEST_SCALE <= point.scale <= _FINEST_SCALE:
        return "scale", f"{point.scale}, must be from {_COARSEST_SCALE} to {_FINEST_SCALE}"
    per_doubling = 2.0**point.scale
    for side in ("positive", "negative"):
        buckets = getattr(point, side)
        if len(buckets.bucket_counts) > MAX_BUCKETS:
            return f"{side}.bucket_counts", _too_many_buckets(len(buckets.bucket_counts))
        end = buckets.offset + len(buckets.bucket_counts)
        if buckets.offset + 1 < _LEAST_EXPONENT * per_doubling or end - 1 > _GREATEST_EXPONENT * per_doubling:
            return f"{side}.offset", f"{buckets.offset} puts {end - buckets.offset} buckets where a double cannot be"
    return _what_is_wrong_with_point(point)


_POINT_CHECKS: dict[str, Callable[..., tuple[str, str] | None]] = {
    "gauge": _what_is_wrong_with_point,
    "sum": _what_is_wrong_with_point,
    "histogram": _what_is_wrong_with_histogram_point,
    "exponential_histogram": _what_is_wrong_with_exponential_point,
    "summary": _what_is_wrong_with_point,
}


def _too_many_buckets(count: int) -> str:
    return f"{count} buckets, {MAX_BUCKETS} is the limit"


def _must_be(what: str, value: bytes) -> str:
    if value.startswith(NOT_HEX):
        return f"must be {what} in hex, not {value.removeprefix(NOT_HEX).decode(errors='replace')}"
    is_zero = len(value) in {8, 16} and not any(value)
    return f"must be {what}; it {'is all zero' if is_zero else f'has {len(value)} bytes'}"


def _not_a_time(value: int) -> str:
    return f"{value} is no time in nanoseconds: it is past the year 2262 (was it a negative number?)"
