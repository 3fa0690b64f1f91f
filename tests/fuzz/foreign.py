"""Spans of Zipkin and Jaeger on Kafka, in protobuf and JSON."""

from __future__ import annotations

import json

from telemetry import otlp
from telemetry.other_formats.jaeger import decode_jaeger
from telemetry.other_formats.protobuf import JaegerSpan, ZipkinSpans
from telemetry.other_formats.zipkin import decode_zipkin
from tests.fuzz.otlp import use_record
from tests.fuzz.target import Target

_ZIPKIN = {
    "traceId": "0102030405060708090a0b0c0d0e0f10",
    "id": "0102030405060708",
    "parentId": "1112131415161718",
    "kind": "SERVER",
    "name": "get /buy",
    "timestamp": 1_700_000_000_000_000,
    "duration": 100_000,
    "shared": True,
    "localEndpoint": {"serviceName": "cart", "ipv4": "127.0.0.1"},
    "remoteEndpoint": {"serviceName": "shop", "ipv6": "::1", "port": 8080},
    "annotations": [{"timestamp": 1_700_000_000_000_001, "value": "ws"}],
    "tags": {"error": "no", "otel.status_code": "ERROR", "otel.scope.name": "lib"},
}
_JAEGER = {
    "traceId": "AQIDBAUGBwgJCgsMDQ4PEA==",
    "spanId": "AQIDBAUGBwg=",
    "operationName": "GET /buy",
    "references": [{"traceId": "AQIDBAUGBwgJCgsMDQ4PEA==", "spanId": "ERITFBUWFxg=", "refType": "CHILD_OF"}],
    "startTime": "2023-11-14T22:13:20Z",
    "duration": "0.1s",
    "tags": [{"key": "span.kind", "vStr": "server"}, {"key": "error", "vType": "BOOL", "vBool": True}],
    "logs": [{"timestamp": "2023-11-14T22:13:20Z", "fields": [{"key": "event", "vStr": "x"}]}],
    "process": {"serviceName": "cart", "tags": [{"key": "hostname", "vStr": "h"}]},
}


def _zipkin_message() -> bytes:
    message = ZipkinSpans()
    span = message.spans.add(
        trace_id=bytes(range(1, 17)),
        id=bytes(range(1, 9)),
        kind=2,
        name="get /buy",
        timestamp=1_700_000_000_000_000,
        duration=9,
    )
    span.local_endpoint.service_name = "cart"
    span.remote_endpoint.ipv4 = bytes((127, 0, 0, 1))
    span.annotations.add(timestamp=1_700_000_000_000_001, value="ws")
    span.tags.add(key="error", value="no")
    encoded: bytes = message.SerializeToString()
    return encoded


def _jaeger_message() -> bytes:
    message = JaegerSpan(trace_id=bytes(range(1, 17)), span_id=bytes(range(1, 9)), operation_name="GET /buy")
    message.references.add(trace_id=bytes(range(1, 17)), span_id=bytes(range(2, 10)))
    message.start_time.seconds = 1_700_000_000
    message.duration.nanos = 5
    message.tags.add(key="span.kind", v_str="server")
    message.logs.add().fields.add(key="event", v_str="x")
    message.process.service_name = "cart"
    encoded: bytes = message.SerializeToString()
    return encoded


def _zipkin(data: bytes) -> None:
    use_record("spans", otlp.encode_spans(decode_zipkin(data)[0]))


def _jaeger(data: bytes) -> None:
    use_record("spans", otlp.encode_spans(decode_jaeger(data)))


_WORDS = (b"null", b"[]", b"{}", b"1e400", b"-1", b'"\\ud800"', b'"' + b"0" * 33 + b'"', b"18446744073709551616", b"\x00" * 8)
TARGETS = (
    Target("zipkin", _zipkin, (json.dumps([_ZIPKIN]).encode(), _zipkin_message()), _WORDS, 60e-6, 3000),
    Target("jaeger", _jaeger, (json.dumps(_JAEGER).encode(), _jaeger_message()), _WORDS, 60e-6, 3000),
)
