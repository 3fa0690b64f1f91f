"""Export requests to attack with."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanloom import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Values = dict[str, Any]


def spans(
    service: str,
    count: int = 1,
    *,
    attributes: Callable[[int], Mapping[str, Any]] | None = None,
    name: Callable[[int], str] | None = None,
    trace: bytes = b"",
    resource: Mapping[str, Any] | None = None,
) -> bytes:
    """A trace request of spans that ended now, each a trace of its own unless `trace` says which."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    put(group.resource.attributes, {"service.name": service, **(resource or {})})
    scope = group.scope_spans.add()
    moment = clock.system()
    for i in range(count):
        span = scope.spans.add(
            trace_id=trace or os.urandom(16),
            span_id=os.urandom(8),
            name=name(i) if name else "GET /buy",
            kind=2,
            start_time_unix_nano=moment - 10_000_000,
            end_time_unix_nano=moment,
        )
        put(span.attributes, attributes(i) if attributes else {})
    encoded: bytes = request.SerializeToString()
    return encoded


def logs(service: str, count: int = 1, body: Any = "something happened", *, resource: Mapping[str, Any] | None = None) -> bytes:
    """A logs request."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    put(group.resource.attributes, {"service.name": service, **(resource or {})})
    scope = group.scope_logs.add()
    for _ in range(count):
        record = scope.log_records.add(time_unix_nano=clock.system(), severity_number=9)
        value(record.body, body)
    encoded: bytes = request.SerializeToString()
    return encoded


def gauge(service: str, points: Mapping[str, Any], *, resource: Mapping[str, Any] | None = None, **attributes: Any) -> bytes:
    """A metrics request: a gauge of each name with its value."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    put(group.resource.attributes, {"service.name": service, **(resource or {})})
    scope = group.scope_metrics.add()
    for name, number in points.items():
        point = scope.metrics.add(name=name).gauge.data_points.add(time_unix_nano=clock.system())
        put(point.attributes, attributes)
        if isinstance(number, int):
            point.as_int = number
        else:
            point.as_double = number
    encoded: bytes = request.SerializeToString()
    return encoded


def one(name: str, item: Any, _: int) -> Values:
    """The attributes of every span: one of that name."""
    return {name: item}


def put(attributes: Any, values: Mapping[str, Any]) -> None:
    """Add attributes of any type that OTLP has."""
    for key, item in values.items():
        value(attributes.add(key=key).value, item)


def value(target: Any, item: Any) -> None:
    """Set an AnyValue."""
    match item:
        case bool():
            target.bool_value = item
        case int():
            target.int_value = item
        case float():
            target.double_value = item
        case bytes():
            target.bytes_value = item
        case str():
            target.string_value = item
        case dict():
            target.kvlist_value.SetInParent()
            put(target.kvlist_value.values, item)
        case list():
            target.array_value.SetInParent()
            for each in item:
                value(target.array_value.values.add(), each)


def varint(number: int) -> bytes:
    """As protobuf writes it."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def field(number: int, content: bytes) -> bytes:
    """A field with a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def empty_items(size: int, *path: int) -> bytes:
    """So many bytes of nothing but empty messages of the last field of the path, within those before it."""
    items = bytes((path[-1] << 3 | 2, 0)) * (size // 2)
    for number in reversed(path[:-1]):
        items = field(number, items)
    return items


def packed(body: bytes) -> bytes:
    """Compressed as far as it goes."""
    return gzip.compress(body, 9, mtime=0)
