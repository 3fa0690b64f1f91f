"""Messages between the owners of two traces about a span link between them: references, link queries, link targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind

LINK_TARGET_BYTES, LINK_QUERY_BYTES = 700, 1300
"""Bytes of a link target in a trace, without its texts, and of a link query that waits. Measured, see docs/memory.md."""


class SpanReference(NamedTuple):
    """A message: the trace and the span that sent it."""

    trace_id: bytes
    span_id: bytes


@dataclass(frozen=True, slots=True, order=True)
class LinkQuery:
    """Says that a trace received a message of another one. `time` is the start of the span that received it."""

    message: SpanReference
    receiver: bytes  # trace id
    time: int


@dataclass(frozen=True, slots=True, order=True)
class LinkTarget:
    """What a trace has to know of the span that sent it a message. `trace_id` is the receiver's, `time` its link query's.

    A span that is neither a client nor a producer span did not time the sending: then `start` and `end` are 0.
    """

    trace_id: bytes
    message: SpanReference
    timed: bool
    start: int
    end: int
    service: str
    instance: str
    host: str
    time: int

    @property
    def memory(self) -> int:
        """Bytes of memory that it uses."""
        return LINK_TARGET_BYTES + len(self.service) + len(self.instance) + len(self.host)

    def span(self) -> Span:
        """The sender as far as a hop needs it."""
        known = {"service.name": self.service, "service.instance.id": self.instance, "host.id": self.host}
        return Span(
            self.message.trace_id,
            self.message.span_id,
            b"",
            "",
            SpanKind.PRODUCER if self.timed else SpanKind.INTERNAL,
            self.start,
            self.end,
            Resource({name: value for name, value in known.items() if value}),
        )
