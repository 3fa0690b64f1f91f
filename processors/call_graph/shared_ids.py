"""Spans of a trace whose ids the two sides of a call share, apart: the server's side gets an id of its own.

Zipkin's tracers (Brave, Envoy) give both sides of a call one span id, and spans on either side name it as their parent.
Which is meant follows from the service. What is stored keeps the ids that were sent.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from telemetry.other_formats.zipkin import server_side_id
from telemetry.spans import SpanKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from telemetry.spans import Span

_CALLING = (SpanKind.CLIENT, SpanKind.PRODUCER)


def apart(spans: Collection[Span]) -> tuple[list[Span], dict[bytes, bytes]]:
    """The spans of a trace, each with an id of its own, in the same order; and by such an id the one that was sent.

    Args:
        spans: of one trace, each key once. Their order does not matter.
    """
    spans = list(spans)
    sharing = _sharing(spans)
    if not sharing:
        return spans, {}
    own = {span.key: side_id(span) for members in sharing.values() for span in members if len(members) > 1 and span.side}
    clients = {shared: next((span for span in members if not span.side), None) for shared, members in sharing.items()}
    servers = {shared: [span for span in members if span.side] for shared, members in sharing.items()}
    for span in spans:  # Zipkin says which spans share an id, and they have ids of their own from the decoder on
        if span.parent_span_id in servers and _is_apart(span):
            servers[span.parent_span_id].append(span)
    for members in servers.values():
        members.sort(key=_key)
    found = []
    for span in spans:
        span_id = own.get(span.key, span.span_id)
        parent = span.parent_span_id
        client = clients.get(span.span_id)
        if span_id != span.span_id and client is not None:
            if client.kind in _CALLING or client.service != span.service:
                parent = client.span_id
        elif servers.get(parent) and not _is_apart(span):
            parent = _above(span, clients.get(parent), servers[parent], own)
        same = span_id == span.span_id and parent == span.parent_span_id
        found.append(span if same else replace(span, span_id=span_id, parent_span_id=parent))
    return found, {own[span.key]: span.span_id for span in spans if span.key in own}


def side_id(span: Span) -> bytes:
    """The id of a server's side that shares its own with other spans: by kind and service."""
    return blake2b(span.key, digest_size=8, person=b"side").digest()


def _sharing(spans: Collection[Span]) -> dict[bytes, list[Span]]:
    """The spans of each id that several have, and of each of which a server's side has been given another id."""
    by_id: dict[bytes, list[Span]] = {}
    below: dict[bytes, int] = {}
    for span in spans:
        by_id.setdefault(span.span_id, []).append(span)
        below[span.parent_span_id] = below.get(span.parent_span_id, 0) + 1
    # One that is alone below its parent takes nothing from another.
    split = {span.parent_span_id for span in spans if below[span.parent_span_id] > 1 and _is_apart(span)}
    found = {span_id: members for span_id, members in by_id.items() if len(members) > 1}
    return found | {span_id: by_id.get(span_id, []) for span_id in split} if found or split else {}


def _is_apart(span: Span) -> bool:
    """Whether Zipkin's decoder gave a span an id of its own, and the shared one as its parent."""
    return span.kind is SpanKind.SERVER and span.span_id == server_side_id(span.parent_span_id)


def _above(span: Span, client: Span | None, servers: list[Span], own: dict[bytes, bytes]) -> bytes:
    """Which of those that share an id a span is below: the server's side, unless it belongs to the client's service alone."""
    server = next((server for server in servers if server.service == span.service), None)
    if server is None:
        if client is not None and client.service == span.service:
            return client.span_id
        server = servers[0]
    return own.get(server.key, server.span_id)


def _key(span: Span) -> bytes:
    return span.key
