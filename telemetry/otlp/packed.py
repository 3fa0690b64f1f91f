"""Spans kept as the bytes that they came in, for as long as nobody looks into them.

A decoded span takes seven times its encoded size. One that waits for the rest of its trace is only asked for its ids and its
end; so it stays encoded until the trace is drawn.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from telemetry.otlp.decode import parse, resource_of, scope_of, span_of
from telemetry.spans import side_of

if TYPE_CHECKING:
    from collections.abc import Iterable

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

    def unpack(self) -> tuple[Resource, Scope]:
        """Decoded."""
        return (
            resource_of(ResourceMessage.FromString(self.resource), self.resource_schema),
            scope_of(InstrumentationScope.FromString(self.scope), self.scope_schema),
        )


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
        """Decoded, alone."""
        return span_of(SpanMessage.FromString(self.encoded), *self.group.unpack())

    def is_the_same_as(self, other: PackedSpan) -> bool:
        """Whether it says the same, as far as can be seen without decoding."""
        return self.encoded == other.encoded and self.group is other.group


def unpack(spans: Iterable[PackedSpan], known: dict[SpanGroup, tuple[Resource, Scope]]) -> dict[bytes, Span]:
    """Spans by their keys, decoded; those of one group in `known`, which grows, share its resource and scope."""
    found = {}
    for span in spans:
        who = known.get(span.group)
        if who is None:
            who = known[span.group] = span.group.unpack()
        found[span.span_id + span.side] = span_of(SpanMessage.FromString(span.encoded), *who)
    return found


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
        for resource_spans in parse("spans", data).resource_spans:
            resource = resource_spans.resource.SerializeToString()
            for scope_spans in resource_spans.scope_spans:
                scope = scope_spans.scope.SerializeToString()
                group = self._group((resource, resource_spans.schema_url, scope, scope_spans.schema_url))
                packed += [
                    PackedSpan(
                        span.trace_id,
                        span.span_id,
                        span.end_time_unix_nano,
                        span.SerializeToString(),
                        group,
                        side_of(span.kind, group.service),
                    )
                    for span in scope_spans.spans
                ]
        return packed

    def _group(self, content: tuple[bytes, str, bytes, str]) -> SpanGroup:
        group = self._groups.get(content)
        if group is not None:
            self._groups.move_to_end(content)
            return group
        resource, schema, _, _ = content
        group = SpanGroup(*content, service=resource_of(ResourceMessage.FromString(resource), schema).service)
        if sum(map(len, content)) <= KNOWN_GROUP_BYTES:
            self._groups[content] = group
            if len(self._groups) > KNOWN_GROUPS:
                self._groups.popitem(last=False)
        return group
