"""Jaeger's spans on Kafka, as its collector and the OpenTelemetry Collector (`jaeger_proto`, `jaeger_json`) write them.

The mapping is that of the OpenTelemetry specification, "OpenTelemetry to Jaeger Transformation", read backwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError as ProtobufDecodeError

from telemetry.errors import DecodeError
from telemetry.json_text import json_in, may_be_protobuf
from telemetry.other_formats.protobuf import JaegerSpan
from telemetry.otlp.request import MAX_TIME
from telemetry.resource import AttributeValue, Resource, Scope
from telemetry.spans import Span, SpanEvent, SpanKind, SpanLink, StatusCode
from telemetry.structure import check_json, check_protobuf

if TYPE_CHECKING:
    from collections.abc import Iterable

_VALUES = ("v_str", "v_bool", "v_int64", "v_float64", "v_binary")
_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_FOLLOWS_FROM = 1
_SECOND = 1_000_000_000


def decode_jaeger(value: bytes) -> list[Span]:
    """The span of one record: an `api_v2.Span` in protobuf, or in protobuf's JSON.

    Raises:
        DecodeError: it is neither, or lacks an id.
        TooManyElementsError: it would unfold to more than a record may.
    """
    message = JaegerSpan()
    try:
        text = json_in(value)
        if text[:1] == b"{" and not may_be_protobuf(value):
            check_json(text)
            json_format.Parse(text, message, ignore_unknown_fields=True)
        else:
            check_protobuf(JaegerSpan.DESCRIPTOR, value)
            message.ParseFromString(value)
    except (ProtobufDecodeError, json_format.ParseError, UnicodeError) as error:
        raise DecodeError("", f"not a span of Jaeger: {error}") from error
    return [_span(message)]


def _span(message: Any) -> Span:
    trace_id, span_id = padded(message.trace_id, 16, "trace_id"), padded(message.span_id, 8, "span_id")
    tags = _attributes(message.tags)
    parent, links = b"", []
    for reference in message.references:
        other = padded(reference.trace_id or message.trace_id, 16, "references.trace_id")
        other_span = padded(reference.span_id, 8, "references.span_id")
        if not parent and other == trace_id and reference.ref_type != _FOLLOWS_FROM:
            parent = other_span
        else:
            links.append(SpanLink(other, other_span))
    start, end = between(_nanoseconds(message.start_time), _nanoseconds(message.duration), "start_time")
    kind = _KINDS.get(str(tags.pop("span.kind", "unspecified")).lower(), SpanKind.UNSPECIFIED)
    status, status_message = _status(tags)
    scope = Scope(
        str(tags.pop("otel.scope.name", tags.pop("otel.library.name", ""))),
        str(tags.pop("otel.scope.version", tags.pop("otel.library.version", ""))),
    )
    return Span(
        trace_id,
        span_id,
        parent,
        message.operation_name,
        kind,
        start,
        end,
        Resource({"service.name": message.process.service_name, **_attributes(message.process.tags)}),
        scope,
        status,
        status_message,
        tags,
        tuple(_event(log) for log in message.logs),
        tuple(links),
        str(tags.pop("w3c.tracestate", "")),
    )


def _event(log: Any) -> SpanEvent:
    fields = _attributes(log.fields)
    time, _ = between(_nanoseconds(log.timestamp), 0, "logs.timestamp")
    return SpanEvent(time, str(fields.pop("event", fields.pop("message", "log"))), fields)


def _status(tags: dict[str, AttributeValue]) -> tuple[StatusCode, str]:
    message = str(tags.pop("otel.status_description", ""))
    status = str(tags.pop("otel.status_code", "")).upper()
    if status in {"OK", "ERROR"}:
        tags.pop("error", None)
        return StatusCode[status], message
    if "error" in tags and str(tags["error"]).lower() not in {"false", ""}:
        tags.pop("error")
        return StatusCode.ERROR, message
    return StatusCode.UNSET, message


def _attributes(items: Iterable[Any]) -> dict[str, AttributeValue]:
    return {item.key: getattr(item, _VALUES[item.v_type] if item.v_type < len(_VALUES) else "v_str") for item in items}


def _nanoseconds(message: Any) -> int:
    """Of a Timestamp or a Duration."""
    return int(message.seconds) * _SECOND + int(message.nanos)


def between(start: int, duration: int, field: str) -> tuple[int, int]:
    """Start and end in nanoseconds.

    Raises:
        DecodeError: one of them is no time.
    """
    if not (0 <= start <= MAX_TIME and 0 <= start + duration <= MAX_TIME):
        raise DecodeError(field, f"{start} ns and {duration} ns later are no times between the years 1970 and 2262")
    return start, start + duration


def padded(value: bytes, length: int, field: str) -> bytes:
    """An id of half the length is the same with zeros before it.

    Raises:
        DecodeError: it is no id.
    """
    if not any(value) or len(value) not in {8, length}:
        raise DecodeError(field, f"must be an id of {length} bytes, not all zero; it has {len(value)} bytes")
    return value.rjust(length, b"\0")
