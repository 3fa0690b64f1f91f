"""Traces for tests: one written by hand in a line a span, and arbitrary ones, well formed or not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind, SpanLink, StatusCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TRACE = b"t" * 16
OTHER_TRACE = b"o" * 16

SERVER, CLIENT, PRODUCER, CONSUMER, INTERNAL = (
    SpanKind.SERVER,
    SpanKind.CLIENT,
    SpanKind.PRODUCER,
    SpanKind.CONSUMER,
    SpanKind.INTERNAL,
)


def sid(number: int) -> bytes:
    """A span id; 0 is no span."""
    return number.to_bytes(8, "big") if number else b""


def span(
    number: int,
    parent: int,
    service: str,
    kind: SpanKind,
    start: int,
    end: int,
    *,
    name: str = "work",
    attributes: Mapping[str, object] | None = None,
    links: Sequence[tuple[bytes, int]] = (),
    status: StatusCode = StatusCode.UNSET,
    host: str = "",
) -> Span:
    """A span of TRACE; its instance is its service."""
    resource = {"service.name": service, "service.instance.id": f"{service}-1"}
    if host:
        resource["host.name"] = host
    return Span(
        TRACE,
        sid(number),
        sid(parent),
        name,
        kind,
        start,
        end,
        Resource(resource),
        status=status,
        attributes=attributes or {},
        links=tuple(SpanLink(trace, sid(linked)) for trace, linked in links),
    )


@st.composite
def sharing_traces(draw: st.DrawFn) -> list[Span]:
    """Traces in which some spans that answer a call share the id of another span, mostly their caller's, as Zipkin's do."""
    spans = draw(traces())
    keys = {one.key for one in spans}
    for place, one in enumerate(spans):
        other = draw(st.sampled_from([*spans, *[caller for caller in spans if caller.span_id == one.parent_span_id] * 3]))
        moved = replace(one, span_id=other.span_id, parent_span_id=other.parent_span_id)
        if one.side and moved.key not in keys and draw(st.booleans()):
            keys.add(moved.key)
            below = {one.span_id: other.span_id}
            spans[place] = moved
            spans = [replace(each, parent_span_id=below.get(each.parent_span_id, each.parent_span_id)) for each in spans]
    return spans


@st.composite
def traces(draw: st.DrawFn, max_spans: int = 9, max_time: int = 24) -> list[Span]:
    """Spans of one trace: half of them well formed, half as a hostile world sends them.

    There parents are missing, circular or later, and times in any order.
    """
    count = draw(st.integers(1, max_spans))
    tidy = draw(st.booleans())
    parents = [st.integers(number > 1, number - 1) if tidy else st.integers(0, count + 1) for number in range(1, count + 1)]
    times = [draw(st.lists(st.integers(0, max_time), min_size=2, max_size=2)) for _ in range(count)]
    if tidy:
        times = [sorted(pair) for pair in times]
    peers = st.sampled_from(
        [
            {},
            {"db.system.name": "postgresql", "db.namespace": "orders"},
            {"messaging.system": "kafka", "messaging.destination.name": "paid"},
            {"server.address": "bank.example"},
        ]
    )
    return [
        span(
            number,
            draw(parents[number - 1]),  # 0: no parent; count + 1: a span never seen
            draw(st.sampled_from("aab" if tidy else "abc")),
            draw(st.sampled_from(SpanKind)),
            *times[number - 1],
            name=draw(st.sampled_from(["GET /x", "work"])),
            attributes=draw(peers),
            links=draw(st.lists(st.tuples(st.sampled_from([TRACE, OTHER_TRACE]), st.integers(1, count + 1)), max_size=2)),
            status=draw(st.sampled_from(StatusCode)),
        )
        for number in range(1, count + 1)
    ]
