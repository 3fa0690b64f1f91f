"""The spans of one trace as a forest: each span once, cycles cut, children in time order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from processors.call_graph.operations import operation_of
from processors.call_graph.shared_ids import apart
from telemetry import attributes as names
from telemetry.attributes import text
from telemetry.documents.signals import span_document
from telemetry.spans import SpanKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from telemetry.span_links import LinkTarget
    from telemetry.spans import Span

EXITS = (SpanKind.CLIENT, SpanKind.PRODUCER)
"""Kinds of spans that are the near side of a call or a message."""

_INSIDE = (SpanKind.INTERNAL, SpanKind.UNSPECIFIED)

_RECEIVING = ("receive", "process", "deliver")


class TreeSpan:
    """A span in its place.

    `client` is the nearest client or producer span above, with at most internal spans of its service between: whose call a
    span of the other side answers. `latest` is the end of the last span at or below it, which an asynchronous child can make
    later than its own. `role` is its kind, but for receiving: that is the consumer's side, also where newer conventions give
    it kind client.
    """

    __slots__ = ("_operation", "children", "client", "end", "latest", "parent", "role", "service", "span", "start")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.service = span.resource.service
        self.role = span.kind
        if span.kind is SpanKind.CLIENT and text(span.attributes, names.MESSAGING_OPERATION_TYPE) in _RECEIVING:
            self.role = SpanKind.CONSUMER
        self.start = span.start
        self.end = self.latest = max(span.start, span.end)  # a clock that went backwards makes a span without duration
        self.parent: TreeSpan | None = None
        self.client: TreeSpan | None = None
        self.children: list[TreeSpan] = []
        self._operation: str | None = None

    @property
    def operation(self) -> str:
        """What the span does; see `processors.call_graph.operations`. Worked out once, where it is asked for."""
        if self._operation is None:
            self._operation = operation_of(self.span)
        return self._operation


class SpanTree:
    """The spans of one trace, each with an id of its own: `shared` has, by those that were given, the ids that were sent.

    `order` has parents before their children. `roots` have no parent, the root of the trace first: one that names no
    parent before one whose parents form a cycle, then the earliest. `orphans` name a parent in `missing`. `senders` are
    spans of other traces that sent a message to this one, and not in any order or place.
    """

    __slots__ = ("by_id", "missing", "order", "orphans", "roots", "senders", "shared")

    def __init__(self, spans: Collection[Span], link_targets: Iterable[LinkTarget] = ()) -> None:
        self.senders: dict[tuple[bytes, bytes], TreeSpan] = {item.message: TreeSpan(item.span()) for item in link_targets}
        separate, self.shared = apart(unique(spans))
        members = [TreeSpan(span) for span in separate]
        members.sort(key=_by_start)
        self.by_id = by_id = {member.span.span_id: member for member in members}
        self.roots: list[TreeSpan] = []
        self.orphans: list[TreeSpan] = []
        missing = set()
        for member in members:
            parent_id = member.span.parent_span_id
            parent = by_id.get(parent_id)
            if not parent_id or parent is member:
                self.roots.append(member)
            elif parent is None:
                self.orphans.append(member)
                missing.add(parent_id)
            else:
                member.parent = parent
                parent.children.append(member)
        self.missing = tuple(sorted(missing))
        self.order = self._reached(self.roots + self.orphans)
        if len(self.order) < len(members):
            self._cut_cycles(members)
        self.roots.sort(key=_root_rank)
        for member in self.order:
            member.client = _client_of(member)
        for member in reversed(self.order):
            parent = member.parent
            if parent is not None and parent.latest < member.latest:
                parent.latest = member.latest

    @property
    def main(self) -> TreeSpan | None:
        """The root of the trace, or the earliest orphan where it is missing."""
        tops = self.roots or self.orphans
        return tops[0] if tops else None

    def _reached(self, tops: Iterable[TreeSpan]) -> list[TreeSpan]:
        order = list(tops)
        for member in order:  # grows while it is walked: breadth first, so no deep trace can exhaust the stack
            order.extend(member.children)
        return order

    def _cut_cycles(self, members: list[TreeSpan]) -> None:
        """Make the earliest span of each cycle of parents a root."""
        reached = set(map(id, self.order))
        for member in members:
            if id(member) in reached:
                continue
            seen: dict[int, TreeSpan] = {}
            at = member
            while id(at) not in seen:
                seen[id(at)] = at
                assert at.parent is not None  # noqa: S101 - what has no parent has been reached
                at = at.parent
            trail = list(seen.values())
            first = min(trail[trail.index(at) :], key=_by_start)
            assert first.parent is not None  # noqa: S101 - it is in a cycle
            first.parent.children.remove(first)
            first.parent = None
            self.roots.append(first)
            found = self._reached([first])
            self.order += found
            reached.update(map(id, found))


def _client_of(member: TreeSpan) -> TreeSpan | None:
    """See `TreeSpan`; that of the parent is known."""
    parent = member.parent
    if parent is None or parent.role in EXITS:
        return parent
    client = parent.client
    return client if client is not None and parent.role in _INSIDE and parent.service == client.service else None


def _by_start(member: TreeSpan) -> tuple[int, bytes]:
    return member.start, member.span.span_id


def _root_rank(member: TreeSpan) -> tuple[bool, int, bytes]:
    return bool(member.span.parent_span_id), member.start, member.span.span_id


def unique(spans: Iterable[Span]) -> Collection[Span]:
    """Each span once. Of different spans with one key `preferred` decides."""
    found: dict[bytes, Span] = {}
    for span in spans:
        key = span.key
        known = found.setdefault(key, span)
        if known is not span:
            found[key] = preferred(known, span)
    return found.values()


def preferred(one: Span, other: Span) -> Span:
    """Which of two spans of one id to keep, whatever the order in which they came: the longer, then the richer one."""
    if one == other:
        return one
    return max(one, other, key=_content)


def _content(span: Span) -> tuple[int, int, bytes]:
    body = orjson.dumps(span_document(span).body, option=orjson.OPT_SORT_KEYS)
    return span.duration, len(body), body
