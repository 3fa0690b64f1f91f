"""Spans kept as the bytes that they came in, for as long as nobody looks into them.

A decoded span takes seven times its encoded size. One that waits for the rest of its trace is only asked for its ids and its
end; so it stays encoded until the trace is drawn.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError as ProtobufDecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from telemetry.errors import DecodeError
from telemetry.otlp.check import what_is_wrong_with_events
from telemetry.otlp.decode import resource_of, scope_of, span_of
from telemetry.otlp.encoded_spans import heads_of, read_encoded
from telemetry.spans import side_of

if TYPE_CHECKING:
    from telemetry.resource import Resource, Scope
    from telemetry.spans import Span

SPAN_BYTES = 330
"""Bytes of a packed span beside its encoding: the object, ids, a time, and its place in a dictionary. Measured, see
docs/memory.md."""

GROUP_BYTES = 380
"""Bytes of a group beside its encodings."""

KNOWN_GROUPS = 2048
"""Groups that are shared by the spans of different requests."""

KNOWN_GROUP_BYTES = 4096
"""Bytes of a group up to which it is remembered for that: with all of them eight megabytes."""


@dataclass(slots=True, eq=False)
class SpanGroup:
    """The resource and scope of spans, encoded. `users` counts the spans that are kept with it."""

    resource: bytes
    resource_schema: str
    scope: bytes
    scope_schema: str
    users: int = 0
    service: str = ""

    @property
    def memory(self) -> int:
        """Bytes of memory that it uses."""
        return GROUP_BYTES + len(self.resource) + len(self.scope) + len(self.resource_schema) + len(self.scope_schema)

    def unpack(self, known: dict[tuple[bytes, str], Resource]) -> tuple[Resource, Scope]:
        """Decoded; groups that differ in their scope share the resource by `known`, which grows."""
        content = self.resource, self.resource_schema
        resource = known.get(content)
        if resource is None:
            resource = known[content] = resource_of(ResourceMessage.FromString(self.resource), self.resource_schema)
        return resource, scope_of(InstrumentationScope.FromString(self.scope), self.scope_schema)


@dataclass(slots=True, eq=False)
class PackedSpan:
    """A span, encoded, with what is asked of one that waits."""

    trace_id: bytes
    span_id: bytes
    end: int
    encoded: bytes
    group: SpanGroup
    side: bytes  # see `Span.side`

    @property
    def memory(self) -> int:
        """Memory that it uses, without its group."""
        return SPAN_BYTES + len(self.encoded)

    def unpack(self) -> Span:
        """Decoded, alone.

        Raises:
            DecodeError: what is within it is no span.
        """
        return self.decoded(*self.group.unpack({}))

    def decoded(self, resource: Resource, scope: Scope) -> Span:
        """Decoded, given its group's resource and scope.

        Raises:
            DecodeError: what is within it is no span.
        """
        return span_of(_parse(self.encoded), resource, scope)

    def is_the_same_as(self, other: PackedSpan) -> bool:
        """Whether it says the same, as far as can be seen without decoding."""
        return self.encoded == other.encoded and self.group is other.group


def _parse(encoded: bytes) -> SpanMessage:
    try:
        span = SpanMessage.FromString(encoded)
    except ProtobufDecodeError as error:
        raise DecodeError("", f"not a protobuf Span: {error}") from error
    wrong = what_is_wrong_with_events(span) if span.events else None
    if wrong is not None:
        raise DecodeError(*wrong)
    return span


def _text(schema: bytes) -> str:
    return schema.decode(errors="replace")


class SpanPacker:
    """Packs spans, and lets those of one resource and scope share a group across requests."""

    def __init__(self) -> None:
        self._groups: OrderedDict[tuple[bytes, str, bytes, str], SpanGroup] = OrderedDict()

    def pack(self, data: bytes) -> list[PackedSpan]:
        """The spans of a protobuf ExportTraceServiceRequest whose spans were found valid before.

        Raises:
            DecodeError: not such a request.
        """
        packed = []
        schemas: dict[bytes, str] = {}  # each text once, however many groups have it
        services: dict[tuple[bytes, str], str] = {}  # of each resource, which is decoded for no more
        for group in read_encoded(data):
            for schema in (group.resource_schema, group.scope_schema):
                if schema not in schemas:
                    schemas[schema] = _text(schema)
            content = group.resource, schemas[group.resource_schema], group.scope, schemas[group.scope_schema]
            kept = self._group(content, services)
            for encoded, head in heads_of(group):
                end, side = head.end_time_unix_nano, side_of(head.kind, kept.service)
                packed.append(PackedSpan(head.trace_id, head.span_id, end, encoded, kept, side))
        return packed

    def _group(self, content: tuple[bytes, str, bytes, str], services: dict[tuple[bytes, str], str]) -> SpanGroup:
        group = self._groups.get(content)
        if group is not None:
            self._groups.move_to_end(content)
            return group
        resource, schema, _, _ = content
        service = services.get((resource, schema))
        if service is None:
            service = services[resource, schema] = resource_of(ResourceMessage.FromString(resource), schema).service
        group = SpanGroup(*content, service=service)
        if sum(map(len, content)) <= KNOWN_GROUP_BYTES:
            self._groups[content] = group
            if len(self._groups) > KNOWN_GROUPS:
                self._groups.popitem(last=False)
        return group
