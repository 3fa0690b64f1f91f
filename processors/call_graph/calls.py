"""Which spans of a trace are the two sides of a call, and by which rule.

Every span gets at least one decision, so that "why is there no edge?" has an answer from the code that draws the edges.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from processors.call_graph.peers import UNKNOWN, USER, names_resource, peer_of, queue_of
from processors.call_graph.span_links import names_span
from processors.call_graph.span_tree import EXITS
from telemetry.spans import SpanKind

if TYPE_CHECKING:
    from processors.call_graph.span_tree import SpanTree, TreeSpan
    from telemetry.call_graph import Node
    from telemetry.spans import SpanLink


class Rule(StrEnum):
    """Why a span is, or is not, a side of a call; the value is the reason in words."""

    CLIENT_SERVER = "a server span whose parent is the client span of the call"
    PRODUCER_CONSUMER = "a consumer span whose parent is the producer span of the message"
    LINK = "a consumer span with a link to the producer span of the message in this trace"
    LINK_TRACE = "a consumer span with a link to the span of another trace that sent the message"
    LINK_UNSEEN = "a consumer span with a link to a span that was not seen: its message came from the queue"
    FROM_QUEUE = "a consumer span with neither producer nor link: its message came from the queue"
    FROM_USER = "a server span without a parent: the call came from outside"
    FROM_UNKNOWN = "a server span whose parent is missing: who called is not known yet"
    SERVICE_CHANGE = "the parent belongs to another service, so there was a call, though the kinds of the spans do not say so"
    SERVICE_CHANGE_CLIENT = (
        "the parent belongs to another service, so there was a call; the parent wraps nothing else and stands for its client"
    )
    TO_PEER = "a client or producer span with no server span below it: its attributes name the other side"
    CALLED = "the client side of the call that a span below it answers"
    CALLER = "the caller's side of a call, though its kind does not say so"
    WRAPS_CALL = "a client span around another client span of its service, which makes the call"
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
        decisions += [_exit(member, answered) for member in exits]
    return decisions


def _server(member: TreeSpan) -> Call:
    parent = member.parent
    if parent is None:
        if member.span.parent_span_id and member.span.parent_span_id != member.span.span_id:
            return Call(Rule.FROM_UNKNOWN, member, server=member, peer=UNKNOWN)
        return Call(Rule.FROM_USER, member, server=member, peer=USER)
    if parent.role in EXITS:
        return Call(Rule.CLIENT_SERVER, member, parent, parent, member)
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
    if parent.role in EXITS or _wraps_only(parent):
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
    parent = member.parent
    found = []
    if parent is not None:
        if parent.role in EXITS:
            found.append(Call(Rule.PRODUCER_CONSUMER, member, parent, parent, member))
        elif parent.service != member.service:
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
    """A call for each linked message that neither the parent nor a consumer span below is linked to."""
    parent = member.parent
    own = member.span.trace_id
    linked = {(own, parent.span.span_id)} if parent is not None else set()
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


def _exit(member: TreeSpan, answered: set[int]) -> Call:
    if id(member) in answered:
        return Call(Rule.CALLED, member)
    inner = _inner_exits(member)
    if inner and not (names_resource(member.span) and not any(id(child) in answered for child in inner)):
        return Call(Rule.WRAPS_CALL, member)
    parent = member.parent
    if (
        parent is not None
        and parent.role in EXITS
        and parent.service == member.service
        and id(parent) not in answered
        and names_resource(parent.span)
        and not any(id(child) in answered for child in parent.children)
    ):
        return Call(Rule.WITHIN_CALL, member)
    return Call(Rule.TO_PEER, member, member, member, peer=peer_of(member.span))


def _inner_exits(member: TreeSpan) -> list[TreeSpan]:
    return [child for child in member.children if child.service == member.service and child.role in EXITS]
