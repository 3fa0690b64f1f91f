"""OTLP in protobuf and JSON, the three signals: from the bytes of a request to the documents and points made of it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import orjson

from collectors.replay.files import OtlpFile
from pipeline.incoming import RekeyCounts, read
from processors.kernels.protocol import KnownGroups
from processors.kernels.reference import split_spans, unpack
from processors.series.points import points_of
from telemetry import otlp
from telemetry.documents.signals import log_document, metric_document, span_document
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from telemetry.documents import Document
    from telemetry.otlp import Signal

RECORD = 600
"""Bytes of a record, for the splitting and truncating of what is larger."""

_ATTRIBUTES = [
    {"key": "service.name", "value": {"stringValue": "cart"}},
    {"key": "i", "value": {"intValue": "9007199254740993"}},
    {"key": "d", "value": {"doubleValue": 1.5}},
    {"key": "b", "value": {"boolValue": True}},
    {"key": "y", "value": {"bytesValue": "AP8="}},
    {"key": "l", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {"kvlistValue": {"values": []}}]}}},
    {"key": "", "value": {}},
]
_SPAN = {
    "traceId": "0102030405060708090a0b0c0d0e0f10",
    "spanId": "0102030405060708",
    "parentSpanId": "1112131415161718",
    "traceState": "a=b",
    "name": "GET /buy",
    "kind": 2,
    "startTimeUnixNano": "1700000000000000000",
    "endTimeUnixNano": "1700000000100000000",
    "attributes": _ATTRIBUTES,
    "events": [{"timeUnixNano": "1700000000050000000", "name": "exception", "attributes": _ATTRIBUTES}],
    "links": [{"traceId": "1102030405060708090a0b0c0d0e0f10", "spanId": "2102030405060708", "attributes": []}],
    "status": {"code": 2, "message": "no"},
}
_LOG = {
    "timeUnixNano": "1700000000000000000",
    "observedTimeUnixNano": "1700000000000000001",
    "severityNumber": 17,
    "severityText": "ERROR",
    "body": {"kvlistValue": {"values": _ATTRIBUTES}},
    "attributes": _ATTRIBUTES,
    "traceId": "0102030405060708090a0b0c0d0e0f10",
    "spanId": "0102030405060708",
    "eventName": "e",
}
_POINT = {
    "timeUnixNano": "1700000000000000000",
    "startTimeUnixNano": "1600000000000000000",
    "attributes": _ATTRIBUTES,
    "exemplars": [
        {
            "timeUnixNano": "1700000000000000000",
            "asInt": "-9007199254740993",
            "traceId": "0102030405060708090a0b0c0d0e0f10",
            "spanId": "0102030405060708",
            "filteredAttributes": _ATTRIBUTES,
        }
    ],
    "flags": 1,
}
_METRICS: list[dict[str, Any]] = [
    {"name": "g", "unit": "1", "gauge": {"dataPoints": [{**_POINT, "asInt": "9223372036854775807"}]}},
    {
        "name": "s_total",
        "unit": "By/s",
        "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [{**_POINT, "asDouble": "NaN"}]},
    },
    {
        "name": "h",
        "unit": "ms",
        "histogram": {
            "aggregationTemporality": 1,
            "dataPoints": [
                {**_POINT, "count": "3", "sum": 3.5, "min": 0, "max": 9, "bucketCounts": ["1", "2"], "explicitBounds": [1]}
            ],
        },
    },
    {
        "name": "e",
        "exponentialHistogram": {
            "aggregationTemporality": 2,
            "dataPoints": [
                {
                    **_POINT,
                    "count": "18446744073709551615",
                    "scale": 3,
                    "zeroCount": "1",
                    "zeroThreshold": 0.1,
                    "positive": {"offset": -2, "bucketCounts": ["1", "0", "2"]},
                    "negative": {"offset": 5, "bucketCounts": ["1"]},
                }
            ],
        },
    },
    {
        "name": "q",
        "summary": {"dataPoints": [{**_POINT, "count": 2, "sum": 2, "quantileValues": [{"quantile": 0.5, "value": 1}]}]},
    },
]
_RESOURCE = {"attributes": _ATTRIBUTES, "droppedAttributesCount": 1}
_SCOPE = {"name": "lib", "version": "1", "attributes": _ATTRIBUTES}
REQUESTS: dict[Signal, dict[str, Any]] = {
    "spans": {"resourceSpans": [{"resource": _RESOURCE, "scopeSpans": [{"scope": _SCOPE, "spans": [_SPAN]}]}]},
    "logs": {"resourceLogs": [{"resource": _RESOURCE, "scopeLogs": [{"scope": _SCOPE, "logRecords": [_LOG]}]}]},
    "metrics": {"resourceMetrics": [{"resource": _RESOURCE, "scopeMetrics": [{"scope": _SCOPE, "metrics": _METRICS}]}]},
}
_JSON_WORDS = tuple(
    word.encode()
    for word in (
        '"kind":', '"traceId":""', '"asInt":', '"doubleValue":', "18446744073709551616", "-1", "1e999", "NaN", '"Infinity"',
        "null", "[]", "{}", '"\\ud800"', '"intValue":"9223372036854775808"', '"kvlistValue":{"values":[', '"arrayValue":',
    )
)  # fmt: skip


def use(signal: Signal, request: Any) -> None:
    """What the collector does with a parsed request, and what the first stage makes of it."""
    invalid = otlp.reject(signal, request)
    assert (otlp.reject(signal, request) is None) or invalid is None, "what is left after taking out invalid items is invalid"
    if not otlp.count_items(signal, request):
        return
    fitted = otlp.fit(signal, request, RECORD)
    assert all(len(part) <= RECORD for part in fitted.parts), "a part is larger than a record may be"
    use_record(signal, request.SerializeToString())


def use_record(signal: Signal, value: bytes) -> None:
    """A record of the topic as the first stage reads it."""
    match signal:
        case "spans":
            parts, _, _ = split_spans(value, 4, 1)
            spans = [span for part in parts.values() for span in otlp.decode_spans(part, checked=True)]
            _written(map(span_document, spans))
            again = otlp.decode_spans(otlp.encode_spans(spans))
            assert sorted(map(repr, again)) == sorted(map(repr, spans)), "spans differ after encoding and decoding"
        case "logs":
            _written(map(log_document, read("logs", value, otlp.decode_logs, RekeyCounts())[0]))
        case "metrics":
            metrics = read("metrics", value, otlp.decode_metrics, RekeyCounts())[0]
            _written(metric_document(metric, point) for metric in metrics for point in metric.points)
            for metric in metrics:
                list(points_of(metric))


def _written(documents: Iterable[Document]) -> None:
    for document in documents:
        orjson.dumps(document.body)


def _of_protobuf(signal: Signal) -> Target:
    def run(data: bytes) -> None:
        use(signal, otlp.read_protobuf(signal, data).message)

    return Target(
        f"otlp-protobuf-{signal}",
        run,
        (otlp.json_to_protobuf(signal, orjson.dumps(REQUESTS[signal])),),
        (b"\x0a\x00", b"\xff" * 10, b"\x12\x00" * 8, b"\x0a\x02\x12\x00"),
        seconds_per_byte=60e-6,
        bytes_per_byte=3000,
    )


def _of_json(signal: Signal) -> Target:
    def run(data: bytes) -> None:
        use(signal, otlp.read_json(signal, data).message)

    seeds = (orjson.dumps(REQUESTS[signal]),)
    return Target(f"otlp-json-{signal}", run, seeds, _JSON_WORDS, seconds_per_byte=60e-6, bytes_per_byte=3000)


def of_files(folder: Path) -> Target:
    """Files of OTLP/JSON lines, plain and gzip."""
    file = folder / "telemetry.jsonl"

    def run(data: bytes) -> None:
        file.write_bytes(data)
        for signal, value, _ in OtlpFile(file, on_error=lambda _: None):
            use_record(signal, value)

    lines = b"\n".join(map(orjson.dumps, REQUESTS.values()))
    return Target("otlp-files", run, (lines, gzip.compress(lines, mtime=0)), _JSON_WORDS, bytes_per_byte=3000)


def _encoded(data: bytes) -> None:
    """A record that claims to come from a collector, from the first stage to its traces: nothing within it was looked at."""
    parts, _, _ = split_spans(data, 4, 1)
    for value in parts.values():
        spans, _ = unpack(otlp.SpanPacker().pack(value), KnownGroups())
        _written(map(span_document, spans.values()))


_ENCODED = Target(
    "otlp-encoded-spans",
    _encoded,
    (otlp.json_to_protobuf("spans", orjson.dumps(REQUESTS["spans"])),),
    (b"\x0a\x00", b"\xff" * 10, b"\x12\x00" * 8, b"\x0a\x02\x12\x00"),
    seconds_per_byte=60e-6,
    bytes_per_byte=3000,
)

TARGETS = (*map(_of_protobuf, otlp.SIGNALS), *map(_of_json, otlp.SIGNALS), _ENCODED)
