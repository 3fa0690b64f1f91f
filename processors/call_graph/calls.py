"""Which spans of a trace are the two sides of a call, and by which rule.

Every span gets at least one decision, so that "why is there no edge?" has an answer from the code that draws the edges.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from processors.call_graph.peers import UNKNOWN, USER, address_of, names_resource, peer_of, queue_of
from processors.call_graph.span_links import names_span
from processors.call_graph.span_tree import EXITS
from telemetry import attributes as names
from telemetry.attributes import text
from telemetry.spans import SpanKind

if TYPE_CHECKING:
    from processors.call_graph.span_tree import SpanTree, TreeSpan
    from telemetry.call_graph import Node
    from telemetry.spans import SpanLink


class Rule(StrEnum):
    """Why a span is, or is not, a side of a call; the value is the reason in words."""

    CLIENT_SERVER = "a server span below the client span of the call, with at most internal spans of the caller between them"
    PRODUCER_CONSUMER = (
        "a consumer span below the producer span of the message, with at most internal spans of the sender between them"
    )
    LINK = "a consumer span with a link to the producer span of the message in this trace"
    LINK_TRACE = "a consumer span with a link to the span of another trace that sent the message"
    LINK_UNSEEN = "a consumer span with a link to a span that was not seen: its message came from the queue"
    FROM_QUEUE = "a consumer span with neither producer nor link: its message came from the queue"
    FROM_USER = "a server span without a parent: the call came from outside"
    FROM_UNKNOWN = "a server span whose parent is missing: who called is not known yet"
    SERVICE_CHANGE = "the parent belongs to another service, so there was a call, though the kinds of the spans do not say so"
    SERVICE_CHANGE_CLIENT = (
        "the parent belongs to another service, so there was a call; its client is the client span above, "
        "or a parent that wraps nothing else"
    )
    TO_PEER = "a client or producer span with no server span below it: its attributes name the other side"
    CALLED = "the client side of the call that a span below it answers"
    CALLER = "the caller's side of a call, though its kind does not say so"
    WRAPS_CALL = "a client span around another client span of its service, which makes the call"
    CREATED = "a span that creates a message which another one sends: the sending is the call"
    SENDS_CREATED = "a span that sends messages which others have created: each is a call from the span that created it"
    WITHIN_CALL = "a client span inside the call to a database or queue that its parent makes"
    LINK_IGNORED = "a link that names no span, or the span itself: it says nothing of a message"
    SAME_MESSAGE = "a consumer span inside a consumer span of its service: the same message, counted there"
    SAME_SERVICE = "its parent belongs to the same service: work, not a call"
    LOCAL_ROOT = "it has no parent and is no server or consumer span: the trace begins here"
    LOCAL_ORPHAN = "its parent is missing and it is no server or consumer span: whether this is a call is not known yet"


class Call(NamedTuple):
    """A decision on `span`. It is a call where a side is known: `server` or `peer` the callee, `source` or `peer` the caller.

    `client` is the span that timed the call at the caller, `source` any span of the caller. With neither `source` nor
    `server` it is no call.
    """

    rule: Rule
    span: TreeSpan
    source: TreeSpan | None = None
    client: TreeSpan | None = None
    server: TreeSpan | None = None
    peer: Node | None = None
    link: SpanLink | None = None


def calls_of(tree: SpanTree) -> list[Call]:
    """The decisions on all spans of a trace; those on client and producer spans come last."""
    decisions: list[Call] = []
    exits: list[TreeSpan] = []
    for member in tree.order:
        kind = member.role
        if kind is SpanKind.SERVER:
            decisions.append(_server(member))
        elif kind is SpanKind.CONSUMER:
            decisions += _consumer(member, tree)
        elif kind in EXITS:
            exits.append(member)
            parent = member.parent
            if parent is not None and parent.service != member.service:
                decisions.append(_service_change(member, parent))
        else:
            decisions.append(_local(member))
    if exits:
        answered = {id(call.client) for call in decisions if call.client is not None}
        decisions += _Exits(tree, exits, answered).decisions()
    return decisions


def _server(member: TreeSpan) -> Call:
    parent = member.parent
    if parent is None:
        if member.span.parent_span_id and member.span.parent_span_id != member.span.span_id:
            return Call(Rule.FROM_UNKNOWN, member, server=member, peer=UNKNOWN)
        return Call(Rule.FROM_USER, member, server=member, peer=USER)
    client = member.client
    if client is not None:
        return Call(Rule.CLIENT_SERVER, member, client, client, member)
    if parent.service != member.service:
        return _service_change(member, parent)
    return Call(Rule.SAME_SERVICE, member)


def _local(member: TreeSpan) -> Call:
    parent = member.parent
    if parent is None:
        return Call(Rule.LOCAL_ORPHAN if member.span.parent_span_id else Rule.LOCAL_ROOT, member)
    if parent.service != member.service:
        return _service_change(member, parent)
    return Call(Rule.SAME_SERVICE, member)


def _service_change(member: TreeSpan, parent: TreeSpan) -> Call:
    client = member.client
    if client is not None:
        return Call(Rule.SERVICE_CHANGE_CLIENT, member, client, client, member)
    if _wraps_only(parent):
        return Call(Rule.SERVICE_CHANGE_CLIENT, member, parent, parent, member)
    return Call(Rule.SERVICE_CHANGE, member, parent, None, member)


def _wraps_only(parent: TreeSpan) -> bool:
    """Whether a span around one single call stands for its client: work of its own would show as a span before it."""
    above = parent.parent
    return (
        len(parent.children) == 1
        and above is not None
        and above.service == parent.service
        and parent.role is not SpanKind.CONSUMER
    )


def _consumer(member: TreeSpan, tree: SpanTree) -> list[Call]:
    links = [link for link in member.span.links if names_span(link, member.span)]
    found = _received(member, links, tree)
    if len(links) < len(member.span.links):
        found.append(Call(Rule.LINK_IGNORED, member))
    return found


def _received(member: TreeSpan, links: list[SpanLink], tree: SpanTree) -> list[Call]:
    parent, producer = member.parent, member.client
    found = []
    if producer is not None:
        found.append(Call(Rule.PRODUCER_CONSUMER, member, producer, producer, member))
    elif parent is not None and parent.service != member.service:
        found.append(_service_change(member, parent))
    if links:
        found += _linked(member, links, tree)
    if found:
        return found
    if parent is not None and parent.role is SpanKind.CONSUMER:
        return [Call(Rule.SAME_MESSAGE, member)]
    if links:  # each is counted at a span below, which processes the message
        return [Call(Rule.SAME_MESSAGE, member)]
    return [Call(Rule.FROM_QUEUE, member, server=member, peer=queue_of(member.span))]


def _linked(member: TreeSpan, links: list[SpanLink], tree: SpanTree) -> list[Call]:
    """A call for each linked message that neither its producer above nor a consumer span below stands for."""
    own = member.span.trace_id
    linked = {(own, above.span.span_id) for above in (member.parent, member.client) if above is not None}
    if member.client is not None:  # it sent what these have created
        linked.update((link.trace_id, link.span_id) for link in member.client.span.links)
    for child in member.children:
        if child.span.links and child.service == member.service and child.role is SpanKind.CONSUMER:
            linked.update((link.trace_id, link.span_id) for link in child.span.links)
    calls = []
    for link in sorted(links, key=lambda link: (link.trace_id, link.span_id)):
        target = link.trace_id, link.span_id
        if target in linked:
            continue
        linked.add(target)
        source = tree.by_id.get(link.span_id) if link.trace_id == own else tree.senders.get(target)
        if source is None:
            calls.append(Call(Rule.LINK_UNSEEN, member, server=member, peer=queue_of(member.span), link=link))
        else:
            client = source if source.role in EXITS else None
            rule = Rule.LINK if link.trace_id == own else Rule.LINK_TRACE
            calls.append(Call(rule, member, source, client, member, link=link))
    return calls


class _Exits:
    """The decisions on client and producer spans. `answered` are those that a span below them answers."""

    def __init__(self, tree: SpanTree, exits: list[TreeSpan], answered: set[int]) -> None:
        self._exits, self._answered = exits, answered
        self._outer = {id(member): client for member in exits if (client := _around(member)) is not None}
        self._inner: dict[int, list[int]] = {}
        for own, client in self._outer.items():
            self._inner.setdefault(id(client), []).append(own)
        self._carried = set(answered)  # answered, or around one that is
        for member in reversed(exits):
            if not self._carried.isdisjoint(self._inner.get(id(member), ())):
                self._carried.add(id(member))
        self._created = {id(member): _created(member, tree) for member in exits if member.span.links}
        unreceived = (messages for messages in self._created.values() if not messages <= self._carried)
        self._sent = {message for messages in unreceived for message in messages}
        self._resources: set[int] = set()  # calls to a database or queue: what is inside belongs to them

    def decisions(self) -> list[Call]:
        """A decision on each, parents first."""
        return [self._decision(member) for member in self._exits]

    def _decision(self, member: TreeSpan) -> Call:
        own, uses_resource = id(member), names_resource(member.span)
        if own in self._answered:
            return Call(Rule.CALLED, member)
        if own in self._outer and id(self._outer[own]) in self._resources:
            self._resources.add(own)
            return Call(Rule.WITHIN_CALL, member)
        if own in self._inner and not (uses_resource and self._carried.isdisjoint(self._inner[own])):
            return Call(Rule.WRAPS_CALL, member)
        if self._created.get(own) and self._created[own] <= self._carried:
            return Call(Rule.SENDS_CREATED, member)
        if own in self._sent:
            return Call(Rule.CREATED, member)
        if uses_resource:
            self._resources.add(own)
        return Call(Rule.TO_PEER, member, member, member, peer=peer_of(member.span))


def _around(member: TreeSpan) -> TreeSpan | None:
    """The client span around another one of its service: both are one call.

    With internal spans between them they are two where they name different servers, as a request and the lookup of its address.
    """
    client = member.client
    if client is None or client.service != member.service:
        return None
    if client is not member.parent:
        outside, inside = address_of(client.span), address_of(member.span)
        if outside and inside and outside != inside:
            return None
    return client


def _created(member: TreeSpan, tree: SpanTree) -> set[int]:
    """The spans that created the messages which a span sends: new conventions link the sending to them."""
    if _creates(member):
        return set()
    own = member.span.trace_id
    linked = (tree.by_id.get(link.span_id) for link in member.span.links if link.trace_id == own)
    return {id(span) for span in linked if span is not None and span.service == member.service and _creates(span)}


def _creates(span: TreeSpan) -> bool:
    return span.role in EXITS and text(span.span.attributes, names.MESSAGING_OPERATION_TYPE) == "create"
