"""OTLP export requests to records and back, in protobuf and in JSON.

Format: opentelemetry-proto 1.x (`opentelemetry/proto/collector/*/v1`) and the OTLP specification's "JSON Protobuf
Encoding". Protobuf is parsed by upb; a record is decoded once, resource and scope are shared by the records under them.
Two requests of one signal, put one behind the other as bytes, are one request: that is how protobuf merges.
"""

from telemetry.otlp.check import check_repetition, reject
from telemetry.otlp.decode import (
    count_items,
    decode_logs,
    decode_metrics,
    decode_spans,
    has_more_than,
    parse,
    parse_spans,
    resource_of,
)
from telemetry.otlp.encode import encode_logs, encode_metrics, encode_spans
from telemetry.otlp.encoded_spans import EncodedSpans, heads_of, read_encoded, with_times, write_encoded
from telemetry.otlp.fit import fit
from telemetry.otlp.json import json_path, json_to_protobuf, parse_any_json, parse_json
from telemetry.otlp.lenient import ReadRequest, read_any_json, read_json, read_protobuf
from telemetry.otlp.packed import PackedSpan, SpanGroup, SpanPacker
from telemetry.otlp.request import SIGNALS, Signal
from telemetry.otlp.split import split
from telemetry.otlp.truncate import TRUNCATED, truncate_spans

__all__ = [
    "SIGNALS",
    "TRUNCATED",
    "EncodedSpans",
    "PackedSpan",
    "ReadRequest",
    "Signal",
    "SpanGroup",
    "SpanPacker",
    "check_repetition",
    "count_items",
    "decode_logs",
    "decode_metrics",
    "decode_spans",
    "encode_logs",
    "encode_metrics",
    "encode_spans",
    "fit",
    "has_more_than",
    "heads_of",
    "json_path",
    "json_to_protobuf",
    "parse",
    "parse_any_json",
    "parse_json",
    "parse_spans",
    "read_any_json",
    "read_encoded",
    "read_json",
    "read_protobuf",
    "reject",
    "resource_of",
    "split",
    "truncate_spans",
    "with_times",
    "write_encoded",
]
