"""OTLP export requests to records and back.

Format: opentelemetry-proto 1.x (`opentelemetry/proto/collector/*/v1`). Protobuf is parsed by upb; each record is decoded
once, resource and scope are shared by the records under them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError as ProtobufDecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

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
from telemetry.resource import Resource, Scope
from telemetry.spans import Span, SpanEvent, SpanKind, SpanLink, StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from telemetry.resource import AttributeValue

_KINDS = tuple(SpanKind)
_STATUSES = tuple(StatusCode)
_TEMPORALITIES = (Temporality.UNSPECIFIED, Temporality.DELTA, Temporality.CUMULATIVE)


def parse_spans(data: bytes) -> ExportTraceServiceRequest:
    """The request as protobuf has it, ids checked for length.

    Raises:
        DecodeError: not such a request; names the field.
    """
    request: ExportTraceServiceRequest = _parse(ExportTraceServiceRequest, data)
    for r, resource_spans in enumerate(request.resource_spans):
        for s, scope_spans in enumerate(resource_spans.scope_spans):
            for i, span in enumerate(scope_spans.spans):
                if len(span.trace_id) != 16 or len(span.span_id) != 8:
                    where = f"resource_spans[{r}].scope_spans[{s}].spans[{i}]"
                    if len(span.trace_id) != 16:
                        raise DecodeError(f"{where}.trace_id", f"{len(span.trace_id)} bytes, must be 16")
                    raise DecodeError(f"{where}.span_id", f"{len(span.span_id)} bytes, must be 8")
    return request


def _parse(message: Any, data: bytes) -> Any:
    try:
        return message.FromString(data)
    except ProtobufDecodeError as error:
        raise DecodeError("", f"not a protobuf {message.DESCRIPTOR.name}: {error}") from error


def decode_spans(data: bytes) -> list[Span]:
    """The spans of a protobuf ExportTraceServiceRequest.

    Raises:
        DecodeError: not such a request, or an id of a wrong length; names the field.
    """
    return [
        _span(span, resource, scope)
        for resource_spans in parse_spans(data).resource_spans
        for resource in (_resource(resource_spans),)
        for scope_spans in resource_spans.scope_spans
        for scope in (_scope(scope_spans),)
        for span in scope_spans.spans
    ]


def _span(span: Any, resource: Resource, scope: Scope) -> Span:
    return Span(
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        span.name,
        _KINDS[span.kind] if span.kind < len(_KINDS) else SpanKind.UNSPECIFIED,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        resource,
        scope,
        _STATUSES[span.status.code] if span.status.code < len(_STATUSES) else StatusCode.UNSET,
        span.status.message,
        _attributes(span.attributes),
        tuple(SpanEvent(e.time_unix_nano, e.name, _attributes(e.attributes)) for e in span.events) if span.events else (),
        tuple(SpanLink(k.trace_id, k.span_id, _attributes(k.attributes)) for k in span.links) if span.links else (),
        span.trace_state,
    )


def decode_logs(data: bytes) -> list[LogRecord]:
    """The records of a protobuf ExportLogsServiceRequest.

    Raises:
        DecodeError: not such a request.
    """
    return [
        LogRecord(
            record.time_unix_nano,
            _value(record.body),
            resource,
            scope,
            record.observed_time_unix_nano,
            record.severity_number,
            record.severity_text,
            _attributes(record.attributes),
            record.trace_id,
            record.span_id,
            record.event_name,
        )
        for resource_logs in _parse(ExportLogsServiceRequest, data).resource_logs
        for resource in (_resource(resource_logs),)
        for scope_logs in resource_logs.scope_logs
        for scope in (_scope(scope_logs),)
        for record in scope_logs.log_records
    ]


def decode_metrics(data: bytes) -> list[Metric]:
    """The metrics of a protobuf ExportMetricsServiceRequest.

    Raises:
        DecodeError: not such a request.
    """
    return [
        _metric(metric, resource, scope)
        for resource_metrics in _parse(ExportMetricsServiceRequest, data).resource_metrics
        for resource in (_resource(resource_metrics),)
        for scope_metrics in resource_metrics.scope_metrics
        for scope in (_scope(scope_metrics),)
        for metric in scope_metrics.metrics
    ]


def _metric(metric: Any, resource: Resource, scope: Scope) -> Metric:
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
                    value=getattr(p, p.WhichOneof("value") or "as_double"),
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
    temporality = _TEMPORALITIES[getattr(data, "aggregation_temporality", 0)]
    monotonic = getattr(data, "is_monotonic", False)
    return Metric(metric.name, kind, points, resource, scope, metric.unit, metric.description, temporality, monotonic)


def _exemplars(point: Any) -> tuple[Exemplar, ...]:
    return tuple(
        Exemplar(
            e.time_unix_nano,
            getattr(e, e.WhichOneof("value") or "as_double"),
            e.trace_id,
            e.span_id,
            _attributes(e.filtered_attributes),
        )
        for e in point.exemplars
    )


def _resource(group: Any) -> Resource:
    return Resource(_attributes(group.resource.attributes), group.schema_url)


def _scope(group: Any) -> Scope:
    scope = group.scope
    return Scope(scope.name, scope.version, _attributes(scope.attributes), group.schema_url)


def _attributes(attributes: Iterable[Any]) -> dict[str, AttributeValue]:
    return {item.key: _value(item.value) for item in attributes}


def _value(value: Any) -> AttributeValue:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case which:
            return getattr(value, which)
