"""Records to protobuf export requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry.metrics import Buckets, ExponentialBuckets, Temporality
from telemetry.otlp.request import SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer as Repeated
    from google.protobuf.message import Message
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar as ExemplarMessage
    from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

    from telemetry.logs import LogRecord
    from telemetry.metrics import DataPoint, Exemplar, Metric
    from telemetry.otlp.request import Signal
    from telemetry.resource import AttributeValue, Resource, Scope
    from telemetry.spans import Span

_TEMPORALITIES = {Temporality.UNSPECIFIED: 0, Temporality.DELTA: 1, Temporality.CUMULATIVE: 2}


def encode_spans(spans: Iterable[Span]) -> bytes:
    """A protobuf ExportTraceServiceRequest of these spans, those of one resource and scope together."""
    groups = _Groups("spans")
    for span in spans:
        message = groups.items(span.resource, span.scope).add(
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_span_id=span.parent_span_id,
            name=span.name,
            kind=span.kind,
            start_time_unix_nano=span.start,
            end_time_unix_nano=span.end,
            trace_state=span.trace_state,
            flags=span.flags,
            dropped_attributes_count=span.dropped.attributes,
            dropped_events_count=span.dropped.events,
            dropped_links_count=span.dropped.links,
        )
        if span.status or span.status_message:
            message.status.code = span.status
            message.status.message = span.status_message
        _add_attributes(message.attributes, span.attributes)
        for event in span.events:
            added = message.events.add(
                time_unix_nano=event.time, name=event.name, dropped_attributes_count=event.dropped_attributes
            )
            _add_attributes(added.attributes, event.attributes)
        for link in span.links:
            added = message.links.add(
                trace_id=link.trace_id,
                span_id=link.span_id,
                trace_state=link.trace_state,
                flags=link.flags,
                dropped_attributes_count=link.dropped_attributes,
            )
            _add_attributes(added.attributes, link.attributes)
    return groups.encode()


def encode_logs(records: Iterable[LogRecord]) -> bytes:
    """A protobuf ExportLogsServiceRequest of these records, those of one resource and scope together."""
    groups = _Groups("logs")
    for record in records:
        message = groups.items(record.resource, record.scope).add(
            time_unix_nano=record.time,
            observed_time_unix_nano=record.observed_time,
            severity_number=record.severity,
            severity_text=record.severity_text,
            trace_id=record.trace_id,
            span_id=record.span_id,
            event_name=record.event_name,
            flags=record.flags,
            dropped_attributes_count=record.dropped_attributes,
        )
        if record.body is not None:
            _set_value(message.body, record.body)
        _add_attributes(message.attributes, record.attributes)
    return groups.encode()


def encode_metrics(metrics: Iterable[Metric]) -> bytes:
    """A protobuf ExportMetricsServiceRequest of these metrics, those of one resource and scope together."""
    groups = _Groups("metrics")
    for metric in metrics:
        message = groups.items(metric.resource, metric.scope).add(
            name=metric.name, unit=metric.unit, description=metric.description
        )
        data = getattr(message, metric.type.value)
        data.SetInParent()
        if metric.temporality is not Temporality.UNSPECIFIED:
            data.aggregation_temporality = _TEMPORALITIES[metric.temporality]
        if metric.monotonic:
            data.is_monotonic = True
        for point in metric.points:
            _add_point(data.data_points, point)
    return groups.encode()


def _add_point(points: Any, point: DataPoint) -> None:
    message = points.add(time_unix_nano=point.time, start_time_unix_nano=point.start, flags=point.flags)
    _add_attributes(message.attributes, point.attributes)
    if point.value is not None:
        _set_number(message, point.value)
    elif hasattr(message, "count"):
        message.count = point.count
        if point.total is not None:
            message.sum = point.total
    if point.minimum is not None:
        message.min = point.minimum
    if point.maximum is not None:
        message.max = point.maximum
    for quantile, value in point.quantiles:
        message.quantile_values.add(quantile=quantile, value=value)
    match point.buckets:
        case Buckets(bounds, counts):
            message.explicit_bounds.extend(bounds)
            message.bucket_counts.extend(counts)
        case ExponentialBuckets() as buckets:
            message.scale = buckets.scale
            message.zero_count = buckets.zero_count
            message.zero_threshold = buckets.zero_threshold
            message.positive.offset = buckets.positive_offset
            message.positive.bucket_counts.extend(buckets.positive)
            message.negative.offset = buckets.negative_offset
            message.negative.bucket_counts.extend(buckets.negative)
    for exemplar in point.exemplars:
        _add_exemplar(message.exemplars, exemplar)


def _add_exemplar(exemplars: Repeated[ExemplarMessage], exemplar: Exemplar) -> None:
    message = exemplars.add(time_unix_nano=exemplar.time, trace_id=exemplar.trace_id, span_id=exemplar.span_id)
    if exemplar.value is not None:
        _set_number(message, exemplar.value)
    _add_attributes(message.filtered_attributes, exemplar.attributes)


def _set_number(message: NumberDataPoint | ExemplarMessage, value: float) -> None:
    if isinstance(value, int):
        message.as_int = value
    else:
        message.as_double = value


class _Groups:
    """A request under construction. Equal resources share a group, as do equal scopes under one resource."""

    def __init__(self, signal: Signal) -> None:
        self._shape = SHAPES[signal]
        self._request = self._shape.message()
        self._items: dict[tuple[int, int], object] = {}
        self._kept: list[tuple[Resource, Scope]] = []  # keeps the ids of the keys above from being used again
        self._by_resource: dict[bytes, Message] = {}
        self._by_scope: dict[tuple[bytes, bytes], Message] = {}

    def items(self, resource: Resource, scope: Scope) -> Any:
        """The repeated field that the records of this resource and scope go to."""
        key = (id(resource), id(scope))
        found = self._items.get(key)
        if found is None:
            self._kept.append((resource, scope))
            found = self._items[key] = getattr(self._scope_group(resource, scope), self._shape.items)
        return found

    def _scope_group(self, resource: Resource, scope: Scope) -> Message:
        shape = self._shape
        lone = getattr(shape.message(), shape.by_resource).add(schema_url=resource.schema_url)
        _add_attributes(lone.resource.attributes, resource.attributes)
        lone.resource.dropped_attributes_count = resource.dropped_attributes
        resource_key = lone.SerializeToString()
        by_resource = self._by_resource.get(resource_key)
        if by_resource is None:
            by_resource = self._by_resource[resource_key] = getattr(self._request, shape.by_resource).add()
            by_resource.MergeFrom(lone)
        lone = getattr(lone, shape.by_scope).add(schema_url=scope.schema_url)
        lone.scope.name, lone.scope.version = scope.name, scope.version
        _add_attributes(lone.scope.attributes, scope.attributes)
        lone.scope.dropped_attributes_count = scope.dropped_attributes
        scope_key = (resource_key, lone.SerializeToString())
        by_scope = self._by_scope.get(scope_key)
        if by_scope is None:
            by_scope = self._by_scope[scope_key] = getattr(by_resource, shape.by_scope).add()
            by_scope.MergeFrom(lone)
        return by_scope

    def encode(self) -> bytes:
        """The request as bytes."""
        encoded: bytes = self._request.SerializeToString()
        return encoded


def _add_attributes(target: Repeated[KeyValue], attributes: Mapping[str, AttributeValue]) -> None:
    for key, value in attributes.items():
        item = target.add()
        item.key = key
        if type(value) is str:
            item.value.string_value = value
        else:
            _set_value(item.value, value)


def _set_value(target: AnyValue, value: AttributeValue) -> None:
    match value:
        case None:
            target.SetInParent()
        case str():
            target.string_value = value
        case bool():
            target.bool_value = value
        case int():
            target.int_value = value
        case float():
            target.double_value = value
        case bytes():
            target.bytes_value = value
        case list() | tuple():
            target.array_value.SetInParent()
            for item in value:
                _set_value(target.array_value.values.add(), item)
        case dict():
            target.kvlist_value.SetInParent()
            _add_attributes(target.kvlist_value.values, value)
        case _:
            raise TypeError(f"an attribute value cannot be a {type(value).__name__}")
