"""Zipkin's spans on Kafka (`zipkin_proto`, `zipkin_json`, v2), as its reporters and the OpenTelemetry Collector write them.

The mapping is that of the OpenTelemetry specification, "OpenTelemetry to Zipkin Transformation", read backwards.
"""

from __future__ import annotations

import ipaddress
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf.message import DecodeError as ProtobufDecodeError

from telemetry.attributes import NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT, SERVICE_PEER_NAME
from telemetry.errors import DecodeError
from telemetry.json_text import json_in, may_be_protobuf
from telemetry.other_formats.jaeger import between, padded
from telemetry.other_formats.protobuf import ZipkinSpans
from telemetry.resource import AttributeValue, Resource, Scope
from telemetry.spans import Span, SpanEvent, SpanKind, StatusCode
from telemetry.structure import check_json, check_protobuf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from telemetry.json_object import JsonObject

_KINDS = (SpanKind.UNSPECIFIED, SpanKind.CLIENT, SpanKind.SERVER, SpanKind.PRODUCER, SpanKind.CONSUMER)
_BY_NAME = {kind.name: kind for kind in _KINDS}
_MICROSECOND = 1000


def decode_zipkin(value: bytes) -> tuple[list[Span], DecodeError | None]:
    """The spans of one record: a `ListOfSpans` in protobuf, or a JSON array of spans (one alone too).

    Where some of them cannot be used, the others, and the error that says what is wrong with the first of those.

    A server span that shares its id with the client's (`shared`) gets an id of its own, with the client's as its parent;
    spans below it name the client's as their parent, until the call graph is drawn (`processors.call_graph.shared_ids`).

    Raises:
        DecodeError: it is neither, or no span of it has its ids and its start.
        TooManyElementsError: it would unfold to more than a record may.
    """
    text = json_in(value)
    if text:
        check_json(text)
        try:
            spans = orjson.loads(text)
        except ValueError as error:
            if not may_be_protobuf(value):
                raise DecodeError("", f"not a list of Zipkin's spans in JSON: {error}") from error
        else:
            return _usable(spans if isinstance(spans, list) else [spans], _read)
    check_protobuf(ZipkinSpans.DESCRIPTOR, value)
    message = ZipkinSpans()
    try:
        message.ParseFromString(value)
    except ProtobufDecodeError as error:
        raise DecodeError("", f"not a list of Zipkin's spans: {error}") from error
    return _usable(message.spans, _plain)


def _usable(spans: Sequence[Any], read: Callable[[Any], JsonObject]) -> tuple[list[Span], DecodeError | None]:
    usable: list[Span] = []
    flaws: list[DecodeError] = []
    for i, span in enumerate(spans):
        try:
            usable.append(_span(read(span), i))
        except DecodeError as error:
            flaws.append(error)
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError) as error:
            flaws.append(DecodeError(f"spans[{i}]", f"not a span of Zipkin's: {type(error).__name__}: {error}"))
    if not flaws:
        return usable, None
    first = flaws[0]
    if not usable:
        raise first
    kept = f"({len(flaws)} of {len(spans)} spans dropped, the others kept)"
    return usable, DecodeError(first.field, f"{first.reason} {kept}")


def _plain(message: Any) -> JsonObject:
    """A span of protobuf in the form of `_read`."""
    return {
        "trace_id": message.trace_id,
        "parent_id": message.parent_id,
        "id": message.id,
        "kind": _KINDS[message.kind] if message.kind < len(_KINDS) else SpanKind.UNSPECIFIED,
        "name": message.name,
        "timestamp": message.timestamp,
        "duration": message.duration,
        "local": message.local_endpoint.service_name,
        "remote": {
            "name": message.remote_endpoint.service_name,
            "address": _address(message.remote_endpoint.ipv4 or message.remote_endpoint.ipv6),
            "port": message.remote_endpoint.port,
        },
        "annotations": [(item.timestamp, item.value) for item in message.annotations],
        "tags": {tag.key: tag.value for tag in message.tags},
        "shared": message.shared,
    }


def _read(span: JsonObject) -> JsonObject:
    """A span of JSON with its ids as bytes."""
    remote = span.get("remoteEndpoint") or {}
    return {
        "trace_id": bytes.fromhex(span["traceId"].rjust(16, "0")),
        "parent_id": bytes.fromhex((span.get("parentId") or "").rjust(16, "0")),
        "id": bytes.fromhex(span["id"].rjust(16, "0")),
        "kind": _BY_NAME.get(str(span.get("kind")), SpanKind.UNSPECIFIED),
        "name": str(span.get("name") or ""),
        "timestamp": int(span.get("timestamp") or 0),
        "duration": int(span.get("duration") or 0),
        "local": str((span.get("localEndpoint") or {}).get("serviceName") or ""),
        "remote": {
            "name": str(remote.get("serviceName") or ""),
            "address": str(remote.get("ipv4") or remote.get("ipv6") or ""),
            "port": int(remote.get("port") or 0) & 0xFFFF,
        },
        "annotations": [(int(item["timestamp"]), str(item["value"])) for item in span.get("annotations") or ()],
        "tags": {str(key): str(value) for key, value in (span.get("tags") or {}).items()},
        "shared": bool(span.get("shared")),
    }


def _span(span: JsonObject, place: int) -> Span:
    span["timestamp"] = span["timestamp"] or min((time for time, _ in span["annotations"] if time), default=0)
    trace_id = padded(span["trace_id"], 16, f"spans[{place}].trace_id")
    span_id = padded(span["id"], 8, f"spans[{place}].id")
    parent = span["parent_id"] if any(span["parent_id"]) else b""
    if span["shared"] and span["kind"] is SpanKind.SERVER:
        span_id, parent = server_side_id(span_id), span_id
    tags: dict[str, AttributeValue] = span["tags"]
    start, end = between(span["timestamp"] * _MICROSECOND, span["duration"] * _MICROSECOND, f"spans[{place}].timestamp")
    events = [(between(time * _MICROSECOND, 0, f"spans[{place}].annotations")[0], text) for time, text in span["annotations"]]
    status, status_message = _status(tags)
    scope = Scope(
        str(tags.pop("otel.scope.name", tags.pop("otel.library.name", ""))),
        str(tags.pop("otel.scope.version", tags.pop("otel.library.version", ""))),
    )
    return Span(
        trace_id,
        span_id,
        parent,
        span["name"],
        span["kind"],
        start,
        end,
        Resource({"service.name": span["local"]} if span["local"] else {}),
        scope,
        status,
        status_message,
        {**dict(_remote(span["remote"])), **tags},
        tuple(SpanEvent(time, text) for time, text in events),
    )


def server_side_id(span_id: bytes) -> bytes:
    """The id of a server span that shares `span_id` with the client's: that is its parent then."""
    return blake2b(span_id, digest_size=8, person=b"server").digest()


def _status(tags: dict[str, AttributeValue]) -> tuple[StatusCode, str]:
    status = str(tags.pop("otel.status_code", "")).upper()
    failed = "error" in tags
    message = str(tags.pop("error", ""))
    if status in {"OK", "ERROR"}:
        return StatusCode[status], message
    # The mere presence of the tag says error, whatever its value but "false".
    return (StatusCode.ERROR, message) if failed and message.lower() != "false" else (StatusCode.UNSET, "")


def _remote(remote: dict[str, object]) -> Iterator[tuple[str, AttributeValue]]:
    for names, key in ((SERVICE_PEER_NAME, "name"), (NETWORK_PEER_ADDRESS, "address"), (NETWORK_PEER_PORT, "port")):
        if remote[key]:
            yield names[0], remote[key]


def _address(value: bytes) -> str:
    return str(ipaddress.ip_address(value)) if len(value) in {4, 16} else ""
