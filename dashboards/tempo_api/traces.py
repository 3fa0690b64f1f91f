"""Whole traces as Tempo returns them: in protobuf, and in the JSON of its protobuf messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from telemetry.documents.read_back import span_from_body
from telemetry.otlp.encode import encode_spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.documents import Body
    from telemetry.json_object import JsonObject

PROTOBUF = "application/protobuf"

# Fields of tempopb.TraceByIDResponse: https://github.com/grafana/tempo/blob/main/pkg/tempopb/tempo.proto
_TRACE, _STATUS, _MESSAGE = b"\x0a", b"\x18", b"\x22"
_PARTIAL = b"\x01"


def encoded(spans: Sequence[Body]) -> bytes:
    """A `tempopb.Trace` of span documents: it has the one field of OTLP's `TracesData`."""
    return encode_spans(map(span_from_body, spans))


def as_json(trace: bytes) -> JsonObject:
    """The JSON of the first version: resource spans are `batches`; ids are base64, as protobuf's JSON has bytes."""
    return {"batches": _resource_spans(trace)}


def as_json_v2(trace: bytes, cut: str) -> JsonObject:
    """The JSON of a `tempopb.TraceByIDResponse`; with why spans may be missing, if they may."""
    partial = {"status": "PARTIAL", "message": cut} if cut else {}
    return {"trace": {"resourceSpans": _resource_spans(trace)}, "metrics": {}, **partial}


def as_protobuf_v2(trace: bytes, cut: str) -> bytes:
    """The same as protobuf."""
    partial = _STATUS + _PARTIAL + _delimited(_MESSAGE, cut.encode()) if cut else b""
    return _delimited(_TRACE, trace) + partial


def _resource_spans(trace: bytes) -> object:
    return json_format.MessageToDict(TracesData.FromString(trace)).get("resourceSpans", [])


def _delimited(tag: bytes, content: bytes) -> bytes:
    length, size = len(content), bytearray()
    while length >= 0x80:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return tag + bytes([*size, length]) + content
