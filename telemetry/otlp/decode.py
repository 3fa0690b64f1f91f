"""Protobuf export requests to records."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from google.protobuf.message import DecodeError as ProtobufDecodeError

from telemetry.errors import DecodeError
from telemetry.logs import LogRecord
from telemetry.metrics import (
    Buckets,
    DataPoint,
    Exemplar,
    ExponentialBuckets,
    Metric,
    MetricType,
    Temporality,
)
from telemetry.otlp.check import check_repetition, data_points, reject
from telemetry.otlp.request import MAX_TIME, SHAPES
from telemetry.resource import Resource, Scope
from telemetry.spans import NONE_DROPPED, DroppedCounts, Span, SpanEvent, SpanKind, SpanLink, StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from google.protobuf.message import Message
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar as ExemplarMessage
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as MetricMessage
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

    from telemetry.otlp.request import Signal
    from telemetry.resource import AttributeValue

Request = TypeVar("Request", bound="Message")

# Enums of protobuf are open: a number that is not known yet reads as unspecified.
_KINDS = {int(kind): kind for kind in SpanKind}
_STATUSES = {int(status): status for status in StatusCode}
_TEMPORALITIES = {1: Temporality.DELTA, 2: Temporality.CUMULATIVE}

_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)


@overload
def parse(signal: Literal["spans"], data: bytes) -> ExportTraceServiceRequest: ...
@overload
def parse(signal: Literal["logs"], data: bytes) -> ExportLogsServiceRequest: ...
@overload
def parse(signal: Literal["metrics"], data: bytes) -> ExportMetricsServiceRequest: ...
@overload
def parse(signal: Signal, data: bytes) -> Message: ...
def parse(signal: Signal, data: bytes) -> Message:
    """The export request as protobuf has it; its items are not checked (see `reject`).

    Raises:
        DecodeError: not such a request.
    """
    message = SHAPES[signal].message
    try:
        return message.FromString(data)
    except ProtobufDecodeError as error:
        raise DecodeError("", f"not a protobuf {message.DESCRIPTOR.name}: {error}") from error


def parse_spans(data: bytes) -> ExportTraceServiceRequest:
    """The ExportTraceServiceRequest as protobuf has it, every span of it valid.

    Raises:
        DecodeError: not such a request, or a span that OTLP calls invalid; names the field.
    """
    return _valid("spans", parse("spans", data))


def _valid(signal: Signal, request: Request) -> Request:
    check_repetition(signal, request)
    invalid = reject(signal, request)
    if invalid is not None:
        raise invalid.first
    return request


def count_items(signal: Signal, request: Message) -> int:
    """How many spans, log records or data points a parsed request has."""
    shape = SHAPES[signal]
    groups = [
        getattr(by_scope, shape.items)
        for by_resource in getattr(request, shape.by_resource)
        for by_scope in getattr(by_resource, shape.by_scope)
    ]
    if signal != "metrics":
        return sum(map(len, groups))
    return sum(len(data_points(metric)) for metrics in groups for metric in metrics)


def has_more_than(limit: int, signal: Signal, request: Message) -> bool:
    """Whether a parsed request has more resources, scopes, metrics and items together; looks at no more than it must."""
    shape = SHAPES[signal]
    left = limit
    for by_resource in getattr(request, shape.by_resource):
        left -= 1
        for by_scope in getattr(by_resource, shape.by_scope):
            items = getattr(by_scope, shape.items)
            left -= 1 + len(items)
            if signal == "metrics" and left >= 0:
                left -= sum(len(data_points(metric)) for metric in items)
            if left < 0:
                return True
        if left < 0:
            return True
    return False


def decode_spans(data: bytes, *, checked: bool = False) -> list[Span]:
    """The spans of a protobuf ExportTraceServiceRequest.

    Args:
        data: the request.
        checked: every span of it was found valid before, which is a tenth of the price of decoding.

    Raises:
        DecodeError: not such a request, or a span that OTLP calls invalid; names the field.
    """
    request = parse("spans", data) if checked else parse_spans(data)
    return [
        span_of(span, resource, scope)
        for resource_spans in request.resource_spans
        for resource in (resource_of(resource_spans.resource, resource_spans.schema_url),)
        for scope_spans in resource_spans.scope_spans
        for scope in (scope_of(scope_spans.scope, scope_spans.schema_url),)
        for span in scope_spans.spans
    ]


def span_of(span: SpanMessage, resource: Resource, scope: Scope) -> Span:
    """A span as protobuf has it."""
    return Span(
        span.trace_id,
        span.span_id,
        span.parent_span_id if span.parent_span_id != _NO_SPAN else b"",
        span.name,
        _KINDS.get(span.kind, SpanKind.UNSPECIFIED),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        resource,
        scope,
        _STATUSES.get(span.status.code, StatusCode.UNSET),
        span.status.message,
        _attributes(span.attributes),
        tuple(map(_event, span.events)) if span.events else (),
        tuple(map(_link, span.links)) if span.links else (),
        span.trace_state,
        span.flags,
        _dropped(span),
    )


def _event(event: SpanMessage.Event) -> SpanEvent:
    return SpanEvent(event.time_unix_nano, event.name, _attributes(event.attributes), event.dropped_attributes_count)


def _link(link: SpanMessage.Link) -> SpanLink:
    return SpanLink(
        link.trace_id,
        link.span_id,
        _attributes(link.attributes),
        link.trace_state,
        link.flags,
        link.dropped_attributes_count,
    )


def _dropped(span: SpanMessage) -> DroppedCounts:
    attributes, events, links = span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count
    return DroppedCounts(attributes, events, links) if attributes or events or links else NONE_DROPPED


def decode_logs(data: bytes) -> list[LogRecord]:
    """The records of a protobuf ExportLogsServiceRequest.

    Raises:
        DecodeError: not such a request.
    """
    return [
        LogRecord(
            _known_time(record.time_unix_nano),
            _value(record.body),
            resource,
            scope,
            _known_time(record.observed_time_unix_nano),
            record.severity_number,
            record.severity_text,
            _attributes(record.attributes),
            _valid_id(record.trace_id, _NO_TRACE),
            _valid_id(record.span_id, _NO_SPAN),
            record.event_name,
            record.flags,
            record.dropped_attributes_count,
        )
        for resource_logs in _valid("logs", parse("logs", data)).resource_logs
        for resource in (resource_of(resource_logs.resource, resource_logs.schema_url),)
        for scope_logs in resource_logs.scope_logs
        for scope in (scope_of(scope_logs.scope, scope_logs.schema_url),)
        for record in scope_logs.log_records
    ]


def decode_metrics(data: bytes) -> list[Metric]:
    """The metrics of a protobuf ExportMetricsServiceRequest.

    Raises:
        DecodeError: not such a request, or a data point that OTLP calls invalid; names the field.
    """
    return [
        _metric(metric, resource, scope)
        for resource_metrics in _valid("metrics", parse("metrics", data)).resource_metrics
        for resource in (resource_of(resource_metrics.resource, resource_metrics.schema_url),)
        for scope_metrics in resource_metrics.scope_metrics
        for scope in (scope_of(scope_metrics.scope, scope_metrics.schema_url),)
        for metric in scope_metrics.metrics
    ]


def _metric(metric: MetricMessage, resource: Resource, scope: Scope) -> Metric:
    which = metric.WhichOneof("data") or "gauge"
    data = getattr(metric, which)
    kind = MetricType(which)
    match kind:
        case MetricType.GAUGE | MetricType.SUM:
            points = tuple(
                DataPoint(
                    p.time_unix_nano,
                    p.start_time_unix_nano,
                    _attributes(p.attributes),
                    value=_number(p),
                    exemplars=_exemplars(p),
                    flags=p.flags,
                )
                for p in data.data_points
            )
        case MetricType.SUMMARY:
            points = tuple(
                DataPoint(
                    p.time_unix_nano,
                    p.start_time_unix_nano,
                    _attributes(p.attributes),
                    count=p.count,
                    total=p.sum,
                    quantiles=tuple((q.quantile, q.value) for q in p.quantile_values),
                    flags=p.flags,
                )
                for p in data.data_points
            )
        case _:
            points = tuple(
                DataPoint(
                    p.time_unix_nano,
                    p.start_time_unix_nano,
                    _attributes(p.attributes),
                    count=p.count,
                    total=p.sum if p.HasField("sum") else None,
                    minimum=p.min if p.HasField("min") else None,
                    maximum=p.max if p.HasField("max") else None,
                    buckets=Buckets(tuple(p.explicit_bounds), tuple(p.bucket_counts))
                    if kind is MetricType.HISTOGRAM
                    else ExponentialBuckets(
                        p.scale,
                        p.zero_count,
                        p.zero_threshold,
                        p.positive.offset,
                        tuple(p.positive.bucket_counts),
                        p.negative.offset,
                        tuple(p.negative.bucket_counts),
                    ),
                    exemplars=_exemplars(p),
                    flags=p.flags,
                )
                for p in data.data_points
            )
    temporality = _TEMPORALITIES.get(getattr(data, "aggregation_temporality", 0), Temporality.UNSPECIFIED)
    monotonic = getattr(data, "is_monotonic", False)
    return Metric(metric.name, kind, points, resource, scope, metric.unit, metric.description, temporality, monotonic)


def _exemplars(point: NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint) -> tuple[Exemplar, ...]:
    return tuple(
        Exemplar(
            _known_time(e.time_unix_nano),
            _number(e),
            _valid_id(e.trace_id, _NO_TRACE),
            _valid_id(e.span_id, _NO_SPAN),
            _attributes(e.filtered_attributes),
        )
        for e in point.exemplars
    )


def _number(message: NumberDataPoint | ExemplarMessage) -> float | int | None:
    which = message.WhichOneof("value")
    return getattr(message, which) if which else None


def _valid_id(value: bytes, invalid: bytes) -> bytes:
    """The id, or empty: a log record or exemplar with an invalid id is one without (opentelemetry-proto, `logs.proto`)."""
    return value if len(value) == len(invalid) and value != invalid else b""


def _known_time(time: int) -> int:
    """The time, or 0 for unknown: past 2262 it is no time but what a Go writer makes of a time that was never set."""
    return time if time <= MAX_TIME else 0


def resource_of(resource: ResourceMessage, schema_url: str) -> Resource:
    """A resource as protobuf has it."""
    return Resource(_attributes(resource.attributes), schema_url, resource.dropped_attributes_count)


def scope_of(scope: InstrumentationScope, schema_url: str) -> Scope:
    """A scope as protobuf has it."""
    return Scope(scope.name, scope.version, _attributes(scope.attributes), schema_url, scope.dropped_attributes_count)


def _attributes(attributes: Iterable[KeyValue]) -> dict[str, AttributeValue]:
    # Most are texts: asking for one first is half the price of asking which of seven kinds it is.
    return {item.key: item.value.string_value or _value(item.value) for item in attributes}


def _value(value: AnyValue) -> AttributeValue:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case which:
            return getattr(value, which)
