"""Protobuf export requests as OTLP/JSON: ids in hex, enums as numbers, 64-bit integers as text."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject

_IDS = ("traceId", "spanId", "parentSpanId")


def traces_to_json(data: bytes) -> JsonObject:
    """A `TracesData`, or the `ExportTraceServiceRequest` that has the same fields, as a JSON object.

    Raises:
        google.protobuf.message.DecodeError: it is neither.
    """
    found = json_format.MessageToDict(TracesData.FromString(data), use_integers_for_enums=True)
    for resource in found.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                for holder in (span, *span.get("links", ())):
                    holder |= {name: _hex(holder[name]) for name in _IDS if name in holder}
    return found


def _hex(text: str) -> str:
    return base64.b64decode(text).hex()
