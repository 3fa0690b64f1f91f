"""Call graphs by definition: slow, recursive, written from the rules and not from the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.spans import SpanKind
from tests.processors.traces import CLIENT, CONSUMER, INTERNAL, PRODUCER, SERVER

if TYPE_CHECKING:
    from telemetry.spans import Span

Piece = tuple[bytes, int, int]

EXITS = {CLIENT, PRODUCER}
UNSPECIFIED = SpanKind.UNSPECIFIED


class Oracle:
    """What follows from the spans of a trace whose ids are unique."""

    def __init__(self, spans: list[Span]) -> None:
        self.spans = {span.span_id: span for span in spans}
        self.ends = {span.span_id: max(span.start, span.end) for span in spans}
        self.parents = {span.span_id: self._parent(span) for span in spans}

    def _parent(self, span: Span) -> Span | None:
        """The parent where it is known and not below the span, except that a cycle ends at its earliest member."""
        trail = [span]
        while (above := self.spans.get(trail[-1].parent_span_id)) is not None and above not in trail:
            trail.append(above)
        if above is span:  # the span is on a cycle, and trail is that cycle
            first = min(trail, key=lambda member: (member.start, member.span_id))
            if first is span:
                return None
        return self.spans.get(span.parent_span_id)

    def children(self, span: Span) -> list[Span]:
        return [child for child in self.spans.values() if self.parents[child.span_id] is span]

    def latest(self, span: Span) -> int:
        return max([self.ends[span.span_id], *(self.latest(child) for child in self.children(span))])

    def main(self) -> Span:
        """The root: without a parent's name first, then cut from a cycle, then an orphan; the earliest of its sort."""

        def rank(span: Span) -> tuple[int, int, bytes]:
            named = span.parent_span_id
            sort = 0 if not named else 1 if named in self.spans else 2
            return sort, span.start, span.span_id

        return min((span for span in self.spans.values() if self.parents[span.span_id] is None), key=rank)

    def critical_path(self) -> list[Piece]:
        main = self.main()
        tops = [span for span in self.spans.values() if self.parents[span.span_id] is None and span is not main]
        low = min(span.start for span in self.spans.values())
        high = max(self.ends.values())
        return self._blocking(main, low, high, self.children(main) + tops)

    def _blocking(self, span: Span, low: int, high: int, children: list[Span]) -> list[Piece]:
        """Who held up the trace from low to high, given that this span and what is below it did."""
        ended = [child for child in children if low < self.latest(child) <= high and child.start < self.latest(child)]
        if not ended:
            return [(span.span_id, low, high)] if low < high else []
        last = max(ended, key=lambda child: (self.latest(child), child.start, child.span_id))
        begun, ended_at = max(low, last.start), self.latest(last)
        rest = [child for child in children if child is not last]
        own = [(span.span_id, ended_at, high)] if ended_at < high else []
        return self._blocking(span, low, begun, rest) + self._blocking(last, begun, ended_at, self.children(last)) + own

    def calls_within(self, span: Span, clients: set[bytes], servers: set[bytes], called: set[bytes]) -> list[Span]:
        """The spans that time the calls which the work of a span waits for.

        Args:
            span: where to look, and below.
            clients: spans that time a call at its caller.
            servers: spans that answer a call: the work below one is its own.
            called: those that answer a call of their parent which no client span times.
        """
        if span.span_id in clients:
            return [span]
        found = []
        for child in self.children(span):
            if child.span_id in called:
                found.append(child)
            elif child.span_id not in servers:
                found += self.calls_within(child, clients, servers, called)
        return found

    def client(self, span: Span) -> Span | None:
        """The nearest client or producer span above, if all between are internal spans of its service."""
        between: list[Span] = []
        above = self.parents[span.span_id]
        while above is not None and above.kind not in EXITS:
            between.append(above)
            above = self.parents[above.span_id]
        if above is None:
            return None
        inside = all(each.kind in {INTERNAL, UNSPECIFIED} and each.service == above.service for each in between)
        return above if inside else None

    def sides(self) -> list[tuple[bytes, bytes, bytes]]:
        """Client, caller and callee span of every call without links and without names of peers; empty where unknown."""
        found = []
        for span in self.spans.values():
            parent = self.parents[span.span_id]
            if parent is None:
                if span.kind in {SERVER, CONSUMER}:
                    found.append((b"", b"", span.span_id))
                continue
            client = self.client(span)
            called = span.kind in {SERVER, CONSUMER} and client is not None
            moved = parent.service != span.service
            if called or moved:
                alone = len(self.children(parent)) == 1 and parent.kind is not CONSUMER
                above = self.parents[parent.span_id]
                wraps = alone and above is not None and above.service == parent.service
                timed = client or (parent if wraps and moved else None)
                source = client or parent
                found.append((timed.span_id if timed else b"", source.span_id, span.span_id))
            elif span.kind is CONSUMER and parent.kind is not CONSUMER:
                found.append((b"", b"", span.span_id))
        answered = {client for client, _, _ in found if client}
        for span in self.spans.values():
            inner = [
                other
                for other in self.spans.values()
                if other.kind in EXITS and other.service == span.service and self.client(other) is span
            ]
            if span.kind in EXITS and span.span_id not in answered and not inner:
                found.append((span.span_id, span.span_id, b""))
        return sorted(found)
