"""Each call is one hop, however the spans of its two sides are linked or nested. Most are cases that people reported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from processors.call_graph import call_graph
from processors.call_graph.calls import Rule
from processors.call_graph.explain import explain
from processors.call_graph.span_links import links_ignored
from telemetry.call_graph import NodeKind
from telemetry.spans import SpanKind, StatusCode
from tests.processors.traces import CLIENT, CONSUMER, INTERNAL, OTHER_TRACE, PRODUCER, SERVER, TRACE, sid, span

if TYPE_CHECKING:
    from telemetry.spans import Span

KAFKA = {"messaging.system": "kafka", "messaging.destination.name": "orders"}
NO_TRACE = bytes(16)


def sides(spans: list[Span]) -> list[tuple[str, str]]:
    return sorted((hop.caller.name, hop.callee.name) for hop in call_graph(spans).hops)


@pytest.mark.parametrize("link", [(NO_TRACE, bytes(8)), (TRACE, bytes(8)), (NO_TRACE, sid(7)), (b"", b""), (TRACE, sid(2))])
def test_a_link_that_names_no_other_span_is_ignored_and_counted(link: tuple[bytes, bytes]) -> None:
    publish = span(1, 0, "web", PRODUCER, 0, 5, attributes=KAFKA)
    process = span(2, 1, "mail", CONSUMER, 20, 30, attributes=KAFKA, links=[(OTHER_TRACE, 9)])
    process = replace(process, links=(replace(process.links[0], trace_id=link[0], span_id=link[1]),))
    (hop,) = call_graph([publish, process]).hops
    assert (hop.caller.name, hop.callee.name, hop.queue_wait, hop.link) == ("web", "mail", 15, False)
    assert explain([publish, process])[1].rules == (Rule.PRODUCER_CONSUMER, Rule.LINK_IGNORED)
    assert links_ignored([publish, process]) == 1
    alone = replace(process, parent_span_id=b"")
    (hop,) = call_graph([alone]).hops
    assert (hop.caller.name, hop.link) == ("kafka:orders", False)
    assert explain([alone])[0].rules == (Rule.FROM_QUEUE, Rule.LINK_IGNORED)


def test_a_link_to_the_parent_is_the_message_that_the_parent_sent() -> None:
    publish = span(1, 0, "web", PRODUCER, 0, 5, attributes=KAFKA)
    assert sides([publish, span(2, 1, "mail", CONSUMER, 20, 30, links=[(TRACE, 1)])]) == [("web", "mail")]


@pytest.mark.parametrize("depth", [0, 1, 2, 40])
@pytest.mark.parametrize("kind", [INTERNAL, SpanKind.UNSPECIFIED])
def test_internal_spans_of_the_caller_between_client_and_server_make_no_second_call(depth: int, kind: SpanKind) -> None:
    client = span(1, 0, "a", CLIENT, 0, 100, attributes={"server.address": "b.internal"})
    between = [span(number, number - 1, "a", kind, 1, 99, name="connect") for number in range(2, depth + 2)]
    server = span(depth + 2, depth + 1, "b", SERVER, 5, 30, name="GET /x")
    (hop,) = call_graph([client, *between, server]).hops
    assert (hop.caller.name, hop.callee.name, hop.operation) == ("a", "b", "GET /x")
    assert (hop.client_span_id, hop.server_span_id, hop.gap, hop.inferred) == (sid(1), server.span_id, 75, False)
    rules = {item.span_id: item.rules for item in explain([client, *between, server])}
    assert rules[sid(1)] == (Rule.CALLED,)
    assert rules[server.span_id] == (Rule.CLIENT_SERVER,)
    assert all(rules[item.span_id] == (Rule.SAME_SERVICE,) for item in between)


def test_the_nearest_client_is_the_caller_and_those_around_it_wrap_its_call() -> None:
    spans = [
        span(1, 0, "a", CLIENT, 0, 100, attributes={"server.address": "sdk"}),
        span(2, 1, "a", INTERNAL, 1, 99),
        span(3, 2, "a", CLIENT, 2, 98),
        span(4, 3, "a", INTERNAL, 3, 97),
        span(5, 4, "a", CLIENT, 4, 96),
    ]
    server = span(6, 5, "b", SERVER, 10, 90)
    (hop,) = call_graph([*spans, server]).hops
    assert (hop.client_span_id, hop.server_span_id, hop.gap) == (sid(5), sid(6), 12)
    (hop,) = call_graph(spans).hops
    assert hop.client_span_id == sid(5)


@pytest.mark.parametrize("system", ["db.system.name", "messaging.system"])
def test_the_clients_inside_a_call_to_a_database_or_queue_belong_to_it_at_any_depth(system: str) -> None:
    spans = [
        span(1, 0, "a", CLIENT, 0, 100, attributes={system: "dynamodb"}),
        span(2, 1, "a", INTERNAL, 1, 99),
        span(3, 2, "a", CLIENT, 2, 98, attributes={"server.address": "aws.example"}),
        span(4, 3, "a", CLIENT, 3, 97),
    ]
    (hop,) = call_graph(spans).hops
    assert hop.client_span_id == sid(1)
    (hop,) = call_graph([*spans, span(5, 4, "b", SERVER, 10, 90)]).hops
    assert (hop.client_span_id, hop.server_span_id) == (sid(4), sid(5))


def test_internal_spans_of_another_service_between_are_a_service_of_their_own() -> None:
    spans = [span(1, 0, "a", CLIENT, 0, 100), span(2, 1, "proxy", INTERNAL, 10, 90), span(3, 2, "b", SERVER, 20, 80)]
    assert sides(spans) == [("a", "proxy"), ("proxy", "b")]


def test_a_server_below_a_server_of_its_service_is_no_call_whatever_client_is_further_up() -> None:
    spans = [span(1, 0, "a", CLIENT, 0, 100), span(2, 1, "b", SERVER, 10, 90), span(3, 2, "b", INTERNAL, 20, 80)]
    assert sides([*spans, span(4, 3, "b", SERVER, 30, 70)]) == [("a", "b")]


def test_a_callee_without_a_server_span_answers_the_client_above_the_internal_spans_too() -> None:
    spans = [span(1, 0, "a", CLIENT, 0, 100), span(2, 1, "a", INTERNAL, 5, 95), span(3, 1, "a", INTERNAL, 1, 2)]
    (hop,) = call_graph([*spans, span(4, 2, "b", INTERNAL, 10, 90)]).hops
    assert (hop.client_span_id, hop.server_span_id, hop.inferred, hop.gap) == (sid(1), sid(4), True, 20)


def test_internal_spans_between_producer_and_consumer_make_no_second_message() -> None:
    publish = span(1, 0, "web", PRODUCER, 0, 5, attributes=KAFKA)
    inside = span(2, 1, "web", INTERNAL, 1, 4)
    process = span(3, 2, "mail", CONSUMER, 20, 30, attributes=KAFKA, links=[(TRACE, 1)])
    (hop,) = call_graph([publish, inside, process]).hops
    assert (hop.caller.name, hop.callee.name, hop.queue_wait, hop.link) == ("web", "mail", 15, False)


def batch_send(messages: int) -> list[Span]:
    """Messages created one by one and sent together, as the messaging conventions write it."""
    created = [
        span(number, 1, "web", PRODUCER, 1, 2, attributes=KAFKA | {"messaging.operation.type": "create"})
        for number in range(2, messages + 2)
    ]
    links = [(TRACE, item) for item in range(2, messages + 2)]
    send = span(90, 1, "web", CLIENT, 4, 9, attributes=KAFKA | {"messaging.operation.type": "send"}, links=links)
    return [span(1, 0, "web", SERVER, 0, 100), *created, send]


@pytest.mark.parametrize("messages", [1, 3])
def test_messages_created_one_by_one_and_sent_together_are_one_call_to_the_queue(messages: int) -> None:
    spans = batch_send(messages)
    queue = [hop for hop in call_graph(spans).hops if hop.callee.kind is NodeKind.QUEUE]
    assert [hop.client_span_id for hop in queue] == [sid(90)]
    rules = {item.span_id: item.rules for item in explain(spans)}
    assert rules[sid(2)] == (Rule.CREATED,)


def test_a_message_that_was_received_is_a_call_from_the_span_that_created_it_and_the_sending_is_none() -> None:
    spans = batch_send(2)
    received = [span(50 + number, 0, "mail", CONSUMER, 20, 30, links=[(TRACE, number)]) for number in (2, 3)]
    first = [hop.callee.name for hop in call_graph([*spans, received[0]]).hops if hop.caller.name == "web"]
    assert sorted(first) == ["kafka:orders", "mail"]  # the other message has been seen in the queue only
    assert [hop.callee.name for hop in call_graph([*spans, *received]).hops if hop.caller.name == "web"] == ["mail", "mail"]
    assert Rule.SENDS_CREATED in [item.rules[0] for item in explain([*spans, *received])]


def test_a_message_received_below_its_sending_is_not_counted_again_at_the_link_to_its_creation() -> None:
    received = span(50, 90, "mail", CONSUMER, 20, 30, links=[(TRACE, 2)])
    assert sides([*batch_send(1), received]) == [("user", "web"), ("web", "mail")]


S = 1_000_000_000


def gap(client: Span, server: Span) -> int | None:
    (hop,) = call_graph([client, server]).hops
    for value in (hop.gap, hop.self_time, hop.queue_wait, hop.client_duration, hop.server_duration, hop.blocked_sequential):
        assert value is None or value >= 0
    return hop.gap


def test_a_server_that_goes_on_after_its_client_gave_up_has_no_gap() -> None:
    client = span(1, 0, "front", CLIENT, 0, S, status=StatusCode.ERROR)
    assert gap(client, span(2, 1, "back", SERVER, S // 200, 5 * S)) is None  # longer than the client
    assert gap(client, span(2, 1, "back", SERVER, S // 2, 5 * S // 4)) is None  # shorter, and it ends later
    (hop,) = call_graph([client, span(2, 1, "back", SERVER, S // 2, 5 * S // 4)]).hops
    assert hop.skew is None
    assert gap(client, span(2, 1, "back", SERVER, S // 2, 3 * S // 4)) == 3 * S // 4


def test_a_gap_is_known_through_the_skew_of_two_hosts_clocks_and_not_by_one_clock() -> None:
    client = span(1, 0, "front", CLIENT, 0, S, host="h1")
    late = span(2, 1, "back", SERVER, S // 2, 5 * S // 4, host="h2")
    assert gap(client, late) == S // 4
    assert gap(client, replace(late, resource=client.resource)) is None
    failed = replace(client, status=StatusCode.ERROR)
    assert gap(failed, replace(late, status=StatusCode.ERROR)) == S // 4  # the server says how it ended: the client waited
    within = span(2, 1, "front", SERVER, -500_000, S - 500_000, host="h1")
    assert gap(client, within) == 0  # half a millisecond by one clock is how two processes read it


def test_databases_of_one_name_are_nodes_of_their_own_by_system_and_server() -> None:
    def query(number: int, system: str, server: str) -> Span:
        attributes = {"db.system.name": system, "db.namespace": "orders", "server.address": server}
        return span(number, 1, "orders", CLIENT, number, number + 1, attributes=attributes)

    spans = [
        span(1, 0, "orders", SERVER, 0, 100),
        query(2, "postgresql", "pg-1"),
        query(3, "postgresql", "pg-2"),
        query(4, "mongodb", "mongo-1"),
    ]
    databases = [hop.callee.name for hop in call_graph(spans).hops if hop.callee.kind is NodeKind.DATABASE]
    assert databases == ["postgresql://pg-1/orders", "postgresql://pg-2/orders", "mongodb://mongo-1/orders"]
