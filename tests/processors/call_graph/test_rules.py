"""The decision on each span, by traces of two or three spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processors.call_graph import call_graph
from processors.call_graph.calls import Rule
from processors.call_graph.explain import explain
from tests.processors.traces import CLIENT, CONSUMER, INTERNAL, OTHER_TRACE, PRODUCER, SERVER, TRACE, sid, span

if TYPE_CHECKING:
    from telemetry.spans import Span

KAFKA = {"messaging.system": "kafka", "messaging.destination.name": "orders"}


def decided(spans: list[Span]) -> dict[int, list[str]]:
    """The names of the rules that decided each span, by its number."""
    return {int.from_bytes(item.span_id, "big"): [rule.name for rule in item.rules] for item in explain(spans)}


def drawn(spans: list[Span]) -> list[tuple[str, str, int, int]]:
    """Caller, callee, and the numbers of the spans on both sides; 0 for none."""
    return sorted(
        (hop.caller.name, hop.callee.name, int.from_bytes(hop.client_span_id, "big"), int.from_bytes(hop.server_span_id, "big"))
        for hop in call_graph(spans).hops
    )


CASES: dict[str, tuple[list[Span], dict[int, list[str]], list[tuple[str, str, int, int]]]] = {
    "a server without a parent": (
        [span(1, 0, "a", SERVER, 0, 9)],
        {1: ["FROM_USER"]}, [("user", "a", 0, 1)],
    ),
    "a server that is its own parent": (
        [span(1, 1, "a", SERVER, 0, 9)],
        {1: ["FROM_USER"]}, [("user", "a", 0, 1)],
    ),
    "a server whose parent is missing": (
        [span(2, 1, "a", SERVER, 0, 9)],
        {2: ["FROM_UNKNOWN"]}, [("unknown", "a", 0, 2)],
    ),
    "an internal root": ([span(1, 0, "a", INTERNAL, 0, 9)], {1: ["LOCAL_ROOT"]}, []),
    "an internal orphan": ([span(2, 1, "a", INTERNAL, 0, 9)], {2: ["LOCAL_ORPHAN"]}, []),
    "work": (
        [span(1, 0, "a", INTERNAL, 0, 9), span(2, 1, "a", INTERNAL, 1, 8), span(3, 1, "a", SERVER, 1, 8)],
        {1: ["LOCAL_ROOT"], 2: ["SAME_SERVICE"], 3: ["SAME_SERVICE"]}, [],
    ),
    "an internal span below another service": (
        [span(1, 0, "a", INTERNAL, 0, 9), span(2, 1, "b", INTERNAL, 1, 8)],
        {1: ["LOCAL_ROOT", "CALLER"], 2: ["SERVICE_CHANGE"]}, [("a", "b", 0, 2)],
    ),
    "a client below another service": (
        [span(1, 0, "a", INTERNAL, 0, 9), span(2, 1, "b", CLIENT, 1, 8)],
        {1: ["LOCAL_ROOT", "CALLER"], 2: ["SERVICE_CHANGE", "TO_PEER"]}, [("a", "b", 0, 2), ("b", "unknown", 2, 0)],
    ),
    "a parent that wraps one call only": (
        [span(1, 0, "a", INTERNAL, 0, 9), span(2, 1, "a", INTERNAL, 1, 8), span(3, 2, "b", INTERNAL, 2, 7)],
        {1: ["LOCAL_ROOT"], 2: ["SAME_SERVICE"], 3: ["SERVICE_CHANGE_CLIENT"]}, [("a", "b", 2, 3)],
    ),
    "a parent with work of its own": (
        [
            span(1, 0, "a", INTERNAL, 0, 9), span(2, 1, "a", INTERNAL, 1, 8), span(3, 2, "b", INTERNAL, 2, 7),
            span(4, 2, "a", INTERNAL, 7, 8),
        ],
        {1: ["LOCAL_ROOT"], 2: ["SAME_SERVICE", "CALLER"], 3: ["SERVICE_CHANGE"], 4: ["SAME_SERVICE"]}, [("a", "b", 0, 3)],
    ),
    "a client and a server": (
        [span(1, 0, "a", CLIENT, 0, 9), span(2, 1, "b", SERVER, 1, 8)],
        {1: ["CALLED"], 2: ["CLIENT_SERVER"]}, [("a", "b", 1, 2)],
    ),
    "a client and an internal span of another service": (
        [span(1, 0, "a", CLIENT, 0, 9), span(2, 1, "b", INTERNAL, 1, 8)],
        {1: ["CALLED"], 2: ["SERVICE_CHANGE_CLIENT"]}, [("a", "b", 1, 2)],
    ),
    "a producer and a consumer": (
        [span(1, 0, "a", PRODUCER, 0, 2, attributes=KAFKA), span(2, 1, "b", CONSUMER, 5, 9, attributes=KAFKA)],
        {1: ["CALLED"], 2: ["PRODUCER_CONSUMER"]}, [("a", "b", 1, 2)],
    ),
    "a consumer below an internal span of another service": (
        [span(1, 0, "a", INTERNAL, 0, 2), span(2, 1, "b", CONSUMER, 5, 9, attributes=KAFKA)],
        {1: ["LOCAL_ROOT", "CALLER"], 2: ["SERVICE_CHANGE"]}, [("a", "b", 0, 2)],
    ),
    "a consumer without anything": (
        [span(1, 0, "b", CONSUMER, 5, 9, attributes=KAFKA)],
        {1: ["FROM_QUEUE"]}, [("kafka:orders", "b", 0, 1)],
    ),
    "a consumer below an internal span of its own service": (
        [span(1, 0, "b", INTERNAL, 0, 9), span(2, 1, "b", CONSUMER, 1, 8, attributes=KAFKA)],
        {1: ["LOCAL_ROOT"], 2: ["FROM_QUEUE"]}, [("kafka:orders", "b", 0, 2)],
    ),
    "a consumer inside a consumer": (
        [span(1, 0, "b", CONSUMER, 0, 9, attributes=KAFKA), span(2, 1, "b", CONSUMER, 1, 8, attributes=KAFKA)],
        {1: ["FROM_QUEUE"], 2: ["SAME_MESSAGE"]}, [("kafka:orders", "b", 0, 1)],
    ),
    "a consumer with a link into its trace": (
        [
            span(1, 0, "a", INTERNAL, 0, 9), span(2, 1, "a", PRODUCER, 1, 2, attributes=KAFKA),
            span(3, 0, "b", CONSUMER, 5, 9, attributes=KAFKA, links=[(TRACE, 2)]),
        ],
        {1: ["LOCAL_ROOT"], 2: ["CALLED"], 3: ["LINK"]}, [("a", "b", 2, 3)],
    ),
    "a consumer with a link to an internal span": (
        [span(1, 0, "a", INTERNAL, 0, 9), span(3, 0, "b", CONSUMER, 5, 9, attributes=KAFKA, links=[(TRACE, 1)])],
        {1: ["LOCAL_ROOT", "CALLER"], 3: ["LINK"]}, [("a", "b", 0, 3)],
    ),
    "a consumer with links to what was not seen, one of them twice": (
        [span(3, 0, "b", CONSUMER, 5, 9, attributes=KAFKA, links=[(TRACE, 7), (OTHER_TRACE, 7), (TRACE, 7)])],
        {3: ["LINK_UNSEEN", "LINK_UNSEEN"]}, [("kafka:orders", "b", 0, 3)] * 2,
    ),
    "a consumer whose messages a consumer below it processes": (
        [
            span(1, 0, "b", CONSUMER, 0, 9, attributes=KAFKA, links=[(OTHER_TRACE, 7)]),
            span(2, 1, "b", CONSUMER, 1, 8, attributes=KAFKA, links=[(OTHER_TRACE, 7)]),
        ],
        {1: ["SAME_MESSAGE"], 2: ["LINK_UNSEEN"]}, [("kafka:orders", "b", 0, 2)],
    ),
    "one of two messages of a consumer is processed below it": (
        [
            span(1, 0, "b", CONSUMER, 0, 9, attributes=KAFKA, links=[(OTHER_TRACE, 7), (OTHER_TRACE, 8)]),
            span(2, 1, "b", CONSUMER, 1, 8, attributes=KAFKA, links=[(OTHER_TRACE, 7)]),
        ],
        {1: ["LINK_UNSEEN"], 2: ["LINK_UNSEEN"]}, [("kafka:orders", "b", 0, 1), ("kafka:orders", "b", 0, 2)],
    ),
    "what a consumer of another service below it is linked to is its own": (
        [
            span(1, 0, "b", CONSUMER, 0, 9, attributes=KAFKA, links=[(OTHER_TRACE, 7)]),
            span(2, 1, "c", CONSUMER, 1, 8, attributes=KAFKA, links=[(OTHER_TRACE, 7)]),
        ],
        {1: ["LINK_UNSEEN", "CALLER"], 2: ["SERVICE_CHANGE", "LINK_UNSEEN"]},
        [("b", "c", 0, 2), ("kafka:orders", "b", 0, 1), ("kafka:orders", "c", 0, 2)],
    ),
    "a consumer with a producer above and a link to it": (
        [
            span(1, 0, "a", PRODUCER, 0, 2, attributes=KAFKA),
            span(2, 1, "b", CONSUMER, 5, 9, attributes=KAFKA, links=[(TRACE, 1), (OTHER_TRACE, 9)]),
        ],
        {1: ["CALLED"], 2: ["PRODUCER_CONSUMER", "LINK_UNSEEN"]}, [("a", "b", 1, 2), ("kafka:orders", "b", 0, 2)],
    ),
    "a consumer with a link to itself": (
        [span(1, 0, "b", CONSUMER, 5, 9, attributes=KAFKA, links=[(TRACE, 1)])],
        {1: ["FROM_QUEUE", "LINK_IGNORED"]}, [("kafka:orders", "b", 0, 1)],
    ),
    "a client around a client": (
        [
            span(1, 0, "a", CLIENT, 0, 9, attributes={"server.address": "b"}),
            span(2, 1, "a", CLIENT, 1, 8, attributes={"server.address": "c"}),
        ],
        {1: ["WRAPS_CALL"], 2: ["TO_PEER"]}, [("a", "c", 2, 0)],
    ),
    "a client and one to another server below work inside it": (
        [
            span(1, 0, "a", CLIENT, 0, 9, attributes={"server.address": "b"}),
            span(2, 1, "a", INTERNAL, 1, 8),
            span(3, 2, "a", CLIENT, 2, 7, attributes={"server.address": "dns"}),
        ],
        {1: ["TO_PEER"], 2: ["SAME_SERVICE"], 3: ["TO_PEER"]}, [("a", "b", 1, 0), ("a", "dns", 3, 0)],
    ),
    "a client and one to the same server below work inside it": (
        [
            span(1, 0, "a", CLIENT, 0, 9, attributes={"server.address": "b"}),
            span(2, 1, "a", INTERNAL, 1, 8),
            span(3, 2, "a", CLIENT, 2, 7, attributes={"server.address": "b"}),
        ],
        {1: ["WRAPS_CALL"], 2: ["SAME_SERVICE"], 3: ["TO_PEER"]}, [("a", "b", 3, 0)],
    ),
    "a client and one that names no server below work inside it": (
        [
            span(1, 0, "a", CLIENT, 0, 9, attributes={"server.address": "b"}),
            span(2, 1, "a", INTERNAL, 1, 8),
            span(3, 2, "a", CLIENT, 2, 7),
        ],
        {1: ["WRAPS_CALL"], 2: ["SAME_SERVICE"], 3: ["TO_PEER"]}, [("a", "unknown", 3, 0)],
    ),
    "a query with a request inside": (
        [
            span(1, 0, "a", CLIENT, 0, 9, attributes={"db.system.name": "redis"}),
            span(2, 1, "a", CLIENT, 1, 8, attributes={"server.address": "c"}),
        ],
        {1: ["TO_PEER"], 2: ["WITHIN_CALL"]}, [("a", "redis", 1, 0)],
    ),
    "a query whose request inside is answered": (
        [
            span(1, 0, "a", CLIENT, 0, 9, attributes={"db.system.name": "redis"}),
            span(2, 1, "a", CLIENT, 1, 8, attributes={"server.address": "c"}),
            span(3, 2, "c", SERVER, 2, 7),
        ],
        {1: ["WRAPS_CALL"], 2: ["CALLED"], 3: ["CLIENT_SERVER"]}, [("a", "c", 2, 3)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spans", "rules", "hops"), CASES.values(), ids=CASES)
def test_each_span_is_decided_and_drawn_as_its_case_says(
    spans: list[Span], rules: dict[int, list[str]], hops: list[tuple[str, str, int, int]]
) -> None:
    assert decided(spans) == rules
    assert drawn(spans) == hops
    assert decided(spans[::-1]) == rules, "the order of arrival decides"


def test_an_explanation_has_depth_copies_and_the_reasons_in_words() -> None:
    spans = [span(1, 0, "a", CLIENT, 0, 9), span(2, 1, "b", SERVER, 1, 8), span(3, 9, "b", INTERNAL, 2, 3)]
    client, server, orphan = explain([*spans, spans[1]])
    assert [(item.depth, item.copies, item.parent_missing) for item in (client, server, orphan)] == [
        (0, 1, False), (1, 2, False), (0, 1, True),
    ]  # fmt: skip
    assert (server.span_id, server.parent_span_id, server.service, server.start, server.end) == (sid(2), sid(1), "b", 1, 8)
    assert server.why == Rule.CLIENT_SERVER.value
    assert client.hops == server.hops
    assert (len(client.hops), orphan.hops) == (1, ())
