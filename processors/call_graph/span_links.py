"""Messages that one trace sends and another receives, as a batch receive does that is linked to the messages of many traces.

The two traces may have different owners. So the receiver's link becomes a link query, which goes to the owner of the sender's
trace; who has the sender's span answers with a link target, which goes to the owner of the receiver's trace. There the hop
is drawn, once from the queue and then, corrected, from the sender: the same hop whichever of all these comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from processors.call_graph.span_tree import EXITS, TreeSpan
from telemetry.call_graph import NodeKind
from telemetry.span_links import LINK_QUERY_BYTES, LinkQuery, LinkTarget, SpanReference
from telemetry.spans import Span, SpanKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from telemetry.call_graph import Hop

_RECEIVING = (SpanKind.CONSUMER, SpanKind.CLIENT)  # newer conventions give a span that polls the kind client


class _Link(Protocol):
    """A link of a span, decoded or as protobuf has it."""

    @property
    def trace_id(self) -> bytes: ...

    @property
    def span_id(self) -> bytes: ...


def names_span(link: _Link, span: _Link) -> bool:
    """Whether a span's link names another span: some senders write zeros where they know none, or the span itself."""
    return any(link.trace_id) and any(link.span_id) and (link.trace_id, link.span_id) != (span.trace_id, span.span_id)


def links_ignored(spans: Iterable[Span]) -> int:
    """How many links of these spans name no other span."""
    return sum(not names_span(link, span) for span in spans for link in span.links)


def link_queries(trace_id: bytes, kind: int, start: int, links: Iterable[_Link]) -> Iterator[LinkQuery]:
    """The link queries of a span to other traces, if it can have received messages.

    Its parts are given one by one, for stage 1 has the span as protobuf. A link of zeros names no span.
    """
    if kind in _RECEIVING:
        for link in links:
            if link.trace_id != trace_id and any(link.trace_id) and any(link.span_id):
                yield LinkQuery(SpanReference(link.trace_id, link.span_id), trace_id, start)


def link_queries_of(span: Span) -> Iterator[LinkQuery]:
    """The link queries of a decoded span."""
    return link_queries(span.trace_id, span.kind, span.start, span.links)


def message_from(span: Span) -> SpanReference:
    """The message that a span sends."""
    return SpanReference(span.trace_id, span.span_id)


def link_target(query: LinkQuery, sender: Span) -> LinkTarget:
    """The answer to a link query."""
    timed = TreeSpan(sender).role in EXITS
    resource = sender.resource
    return LinkTarget(
        query.receiver,
        query.message,
        timed,
        sender.start if timed else 0,
        max(sender.start, sender.end) if timed else 0,
        resource.service,
        resource.instance,
        resource.host,
        query.time,
    )


def link_targets_of(hops: Iterable[Hop]) -> dict[SpanReference, LinkTarget]:
    """The link targets that hops of a trace were made with."""
    found = {}
    for hop in hops:
        if not hop.link or hop.caller.kind is not NodeKind.SERVICE:
            continue
        message = SpanReference(hop.id[8:24], hop.id[24:])  # see `Hop.id`
        if message.trace_id == hop.trace_id:
            continue
        timed = hop.client_duration is not None
        found[message] = LinkTarget(
            hop.trace_id,
            message,
            timed,
            hop.start if timed else 0,
            hop.start + (hop.client_duration or 0) if timed else 0,
            hop.caller.name,
            hop.caller_instance,
            hop.caller_host,
            hop.start,
        )
    return found


def preferred_link_target(one: LinkTarget, other: LinkTarget) -> LinkTarget:
    """Which of two answers to keep, as of two spans: the longer."""
    return max(one, other, key=lambda item: (item.end - item.start, item))


class OpenLinkQueries:
    """Link queries of one partition whose sender has not been seen: each waits a while, and is then to be stored.

    Args:
        wait: event time in nanoseconds for which the sender is waited for.
        most: how many wait at most; past it the oldest are given up early.
    """

    def __init__(self, wait: int, most: int) -> None:
        self._wait, self._most = wait, most
        self._open: dict[SpanReference, dict[bytes, _Open]] = {}
        self._order: dict[tuple[SpanReference, bytes], None] = {}  # oldest first
        self._new: set[tuple[SpanReference, bytes]] = set()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._order)

    @property
    def memory(self) -> int:
        """Memory that they take."""
        return LINK_QUERY_BYTES * len(self._order)

    def add(self, source: int, watermark: int, queries: Collection[LinkQuery]) -> int:
        """Add the link queries of a record; returns how many times `source` will be released."""
        touched = set()
        for query in queries:
            place = query.message, query.receiver
            touched.add(place)
            waiting = self._open.setdefault(query.message, {})
            known = waiting.get(query.receiver)
            if known is None:
                waiting[query.receiver] = _Open(query, {source}, watermark + self._wait)
                self._order[place] = None
                self._new.add(place)
            else:
                known.query = min(known.query, query)
                known.sources.add(source)
        return len(touched)

    def new(self) -> set[SpanReference]:
        """Messages with link queries that came since this was asked for, of those that wait."""
        new, self._new = self._new, set()
        return {message for message, _ in new if message in self._open}

    def answered(self, sender: Callable[[SpanReference], Span | None]) -> tuple[list[LinkTarget], list[int]]:
        """Link targets of the messages whose sender is known, which wait no more, and their sources."""
        return self._answer((message, sender(message)) for message in list(self._open))

    def answered_by(self, spans: Iterable[Span]) -> tuple[list[LinkTarget], list[int]]:
        """The same, for senders among these spans."""
        if not self._open:
            return [], []
        return self._answer((message_from(span), span) for span in spans)

    def _answer(self, senders: Iterable[tuple[SpanReference, Span | None]]) -> tuple[list[LinkTarget], list[int]]:
        link_targets: list[LinkTarget] = []
        sources: list[int] = []
        for message, span in senders:
            if span is None or message not in self._open:
                continue
            if span.side:  # the caller's side of a call may have the same id, and it is meant when it comes
                waiting = [item for item in self._open[message].values() if not item.answered]
                link_targets += [link_target(item.query, span) for item in waiting]
                for item in waiting:
                    item.answered = True
                continue
            for receiver, item in self._open.pop(message).items():
                del self._order[message, receiver]
                link_targets.append(link_target(item.query, span))
                sources += item.sources
        return link_targets, sources

    def overdue(self, watermark: int) -> list[tuple[LinkQuery, set[int], bool]]:
        """Link queries that have waited long enough, and those past the limit, which wait no more.

        Each with its sources, and whether a span that answers a call has answered it.
        """
        unanswered = []
        while self._order:
            message, receiver = place = next(iter(self._order))
            item = self._open[message][receiver]
            if place in self._new:
                break  # it came meanwhile: its sender may be stored
            if item.due > watermark and len(self._order) <= self._most:
                break
            del self._order[place], self._open[message][receiver]
            if not self._open[message]:
                del self._open[message]
            unanswered.append((item.query, item.sources, item.answered))
        return unanswered


@dataclass(slots=True)
class _Open:
    query: LinkQuery
    sources: set[int]
    due: int
    answered: bool = False  # by the callee's side of a call
