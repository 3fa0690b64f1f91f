"""Export requests of spans in which each span stays encoded: for who sends spans on or keeps them, by their ids and times.

The messages have the field numbers of `opentelemetry/proto/trace/v1/trace.proto`. What is a message there and is not looked
into is `repeated bytes` here: put one behind the other they are that message, for so protobuf merges one that comes in parts.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from google.protobuf.message import DecodeError as ProtobufDecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from telemetry.errors import DecodeError
from telemetry.otlp.check import MAX_REPEATED, SpanIds, too_repetitive, what_is_wrong_with_ids
from telemetry.otlp.protobuf_messages import messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_CLASSES: Final = messages(
    "spanloom.encoded_spans",
    {
        "ExportTraceServiceRequest": {"resource_spans": (1, "*ByResource")},
        "ByResource": {"resource": (1, "*bytes"), "scope_spans": (2, "*ByScope"), "schema_url": (3, "bytes")},
        "ByScope": {"scope": (1, "*bytes"), "spans": (2, "*bytes"), "schema_url": (3, "bytes")},
        "Span": {
            "trace_id": (1, "bytes"),
            "span_id": (2, "bytes"),
            "parent_span_id": (4, "bytes"),
            "kind": (6, "int32"),
            "start_time_unix_nano": (7, "fixed64"),
            "end_time_unix_nano": (8, "fixed64"),
            "links": (13, "*LinkHead"),
        },
        "LinkHead": {"trace_id": (1, "bytes"), "span_id": (2, "bytes")},
    },
)
_Request = _CLASSES["ExportTraceServiceRequest"]
_Head = _CLASSES["Span"]

_TIMES: Final = struct.Struct("<BQBQ")
_START_TAG, _END_TAG = 7 << 3 | 1, 8 << 3 | 1


class EncodedSpans(NamedTuple):
    """Spans of one resource and scope, all of them encoded, and where they are in their request."""

    path: str
    resource: bytes
    resource_schema: bytes
    scope: bytes
    scope_schema: bytes
    spans: Sequence[bytes]


class SpanHead(SpanIds, Protocol):
    """What is read of a span that stays encoded."""

    kind: int


def read_encoded(data: bytes) -> Iterator[EncodedSpans]:
    """The groups of a protobuf ExportTraceServiceRequest in their order. Of its spans nothing was looked at.

    Raises:
        DecodeError: not such a request, or its documents would be far larger than it.
    """
    request = _parsed(_Request, data, "")
    left = MAX_REPEATED
    for r, by_resource in enumerate(request.resource_spans):
        resource, schema = b"".join(by_resource.resource), by_resource.schema_url
        _parsed(Resource, resource, f"resource_spans[{r}].resource")
        for s, by_scope in enumerate(by_resource.scope_spans):
            spans = list(by_scope.spans)
            scope = b"".join(by_scope.scope)
            left -= (len(resource) + len(schema) + len(scope) + len(by_scope.schema_url)) * len(spans)
            path = f"resource_spans[{r}].scope_spans[{s}]"
            _parsed(InstrumentationScope, scope, f"{path}.scope")
            if left < 0:
                raise too_repetitive(path)
            if not spans:
                continue  # nothing to send on or to keep
            yield EncodedSpans(path, resource, schema, scope, by_scope.schema_url, spans)


def write_encoded(groups: Iterable[EncodedSpans]) -> bytes:
    """Inverse of `read_encoded`: groups that stand one behind the other and have the same resource are below one."""
    request = _Request()
    written = by_resource = None
    for group in groups:
        resource = group.resource, group.resource_schema
        if by_resource is None or resource != written:
            written = resource
            by_resource = request.resource_spans.add(resource=_present(group.resource), schema_url=group.resource_schema)
        by_resource.scope_spans.add(scope=_present(group.scope), schema_url=group.scope_schema, spans=group.spans)
    return bytes(request.SerializeToString())


def heads_of(group: EncodedSpans) -> Iterator[tuple[bytes, SpanHead]]:
    """Each span of a group, encoded, and what it is known by.

    Raises:
        DecodeError: one is no span, or its ids, times or links are invalid; names the field.
    """
    for i, span in enumerate(group.spans):
        head = _parsed(_Head, span, f"{group.path}.spans[{i}]")
        wrong = what_is_wrong_with_ids(head)
        if wrong is not None:
            field, reason = wrong
            raise DecodeError(f"{group.path}.spans[{i}].{field}", reason)
        yield span, head


def with_times(span: bytes, start: int, end: int) -> bytes:
    """An encoded span with other times, in nanoseconds: of a field that comes twice the last counts."""
    return span + _TIMES.pack(_START_TAG, start, _END_TAG, end)


def _parsed(message: Any, data: bytes, path: str) -> Any:
    try:
        return message.FromString(data)
    except ProtobufDecodeError as error:
        raise DecodeError(path, f"not a protobuf {message.DESCRIPTOR.name}: {error}") from error


def _present(message: bytes) -> tuple[bytes, ...]:
    return (message,) if message else ()
