"""Protobuf messages of Jaeger and Zipkin, as far as spans need them.

Field numbers: jaeger-idl `api_v2/model.proto`, zipkin-api `zipkin.proto`.
"""

from __future__ import annotations

from typing import Any

from telemetry.otlp.protobuf_messages import messages

_JAEGER = {
    "KeyValue": {
        "key": (1, "string"),
        "v_type": (2, "ValueType"),
        "v_str": (3, "string"),
        "v_bool": (4, "bool"),
        "v_int64": (5, "int64"),
        "v_float64": (6, "double"),
        "v_binary": (7, "bytes"),
    },
    "Log": {"timestamp": (1, ".google.protobuf.Timestamp"), "fields": (2, "*KeyValue")},
    "SpanRef": {"trace_id": (1, "bytes"), "span_id": (2, "bytes"), "ref_type": (3, "SpanRefType")},
    "Process": {"service_name": (1, "string"), "tags": (2, "*KeyValue")},
    "Span": {
        "trace_id": (1, "bytes"),
        "span_id": (2, "bytes"),
        "operation_name": (3, "string"),
        "references": (4, "*SpanRef"),
        "flags": (5, "uint32"),
        "start_time": (6, ".google.protobuf.Timestamp"),
        "duration": (7, ".google.protobuf.Duration"),
        "tags": (8, "*KeyValue"),
        "logs": (9, "*Log"),
        "process": (10, "Process"),
    },
}
_JAEGER_ENUMS = {"ValueType": ("STRING", "BOOL", "INT64", "FLOAT64", "BINARY"), "SpanRefType": ("CHILD_OF", "FOLLOWS_FROM")}

_ZIPKIN = {
    "Endpoint": {"service_name": (1, "string"), "ipv4": (2, "bytes"), "ipv6": (3, "bytes"), "port": (4, "int32")},
    "Annotation": {"timestamp": (1, "fixed64"), "value": (2, "string")},
    "Tag": {"key": (1, "string"), "value": (2, "string")},  # an entry of a map reads as this
    "Span": {
        "trace_id": (1, "bytes"),
        "parent_id": (2, "bytes"),
        "id": (3, "bytes"),
        "kind": (4, "Kind"),
        "name": (5, "string"),
        "timestamp": (6, "fixed64"),
        "duration": (7, "uint64"),
        "local_endpoint": (8, "Endpoint"),
        "remote_endpoint": (9, "Endpoint"),
        "annotations": (10, "*Annotation"),
        "tags": (11, "*Tag"),
        "shared": (13, "bool"),
    },
    "ListOfSpans": {"spans": (1, "*Span")},
}
_ZIPKIN_ENUMS = {"Kind": ("SPAN_KIND_UNSPECIFIED", "CLIENT", "SERVER", "PRODUCER", "CONSUMER")}

JaegerSpan: Any = messages("jaeger.api_v2", _JAEGER, _JAEGER_ENUMS)["Span"]
ZipkinSpans: Any = messages("zipkin.proto3", _ZIPKIN, _ZIPKIN_ENUMS)["ListOfSpans"]
