"""Spans as OpenTelemetry defines them. Ids are bytes, times integer nanoseconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from telemetry.resource import Resource, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.resource import AttributeValue


class SpanKind(IntEnum):
    """OTLP's numbers."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class StatusCode(IntEnum):
    """OTLP's numbers."""

    UNSET = 0
    OK = 1
    ERROR = 2


_ANSWERING = (SpanKind.SERVER, SpanKind.CONSUMER)


@lru_cache(maxsize=4096)
def side_of(kind: int, service: str) -> bytes:
    """What tells the server's side of a call from the client's, where both have one span id; empty for any other span.

    It is a function of the span alone, so that the order in which the two come does not matter.
    """
    return b"%d %s" % (kind, service.encode(errors="surrogatepass")) if kind in _ANSWERING else b""


class DroppedCounts(NamedTuple):
    """How much of a span its sender dropped, by its own limits."""

    attributes: int = 0
    events: int = 0
    links: int = 0


NONE_DROPPED = DroppedCounts()


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened during a span."""

    time: int
    name: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    dropped_attributes: int = 0


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A causal relation to a span of this or another trace."""

    trace_id: bytes
    span_id: bytes
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    trace_state: str = ""
    flags: int = 0
    dropped_attributes: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """One timed operation. `parent_span_id` is empty for a root."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    kind: SpanKind
    start: int
    end: int
    resource: Resource
    scope: Scope = field(default_factory=Scope)
    status: StatusCode = StatusCode.UNSET
    status_message: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    trace_state: str = ""
    flags: int = 0  # of W3C trace context, and whether the parent is remote
    dropped: DroppedCounts = NONE_DROPPED

    @property
    def duration(self) -> int:
        """Nanoseconds from start to end; 0 where the clock went backwards."""
        return max(0, self.end - self.start)

    @property
    def service(self) -> str:
        """The service that the span belongs to."""
        return self.resource.service

    @property
    def side(self) -> bytes:
        """See `side_of`."""
        return side_of(self.kind, self.resource.service)

    @property
    def key(self) -> bytes:
        """What the span is in its trace: its id, and where it answers a call, which side of the call it is."""
        return self.span_id + self.side
