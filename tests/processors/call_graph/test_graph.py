from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.assembly.edges import aggregate, merge, subtract
from processors.call_graph import call_graph
from processors.call_graph.hops import occupancy
from processors.call_graph.span_links import link_queries_of, link_target, link_targets_of, message_from
from processors.series import histogram
from telemetry.call_graph import CallGraph, Edge, EdgeKey, Hop, Node, NodeKind
from telemetry.spans import Span, SpanKind, StatusCode
from tests.processors.oracle import Oracle
from tests.processors.traces import (
    CLIENT,
    CONSUMER,
    INTERNAL,
    OTHER_TRACE,
    PRODUCER,
    SERVER,
    TRACE,
    sid,
    span,
    traces,
)

SERVICE_A, SERVICE_B = Node(NodeKind.SERVICE, "a"), Node(NodeKind.SERVICE, "b")
DB = {"db.system": "postgresql", "db.name": "orders"}
KAFKA = {"messaging.system": "kafka", "messaging.destination.name": "paid"}


def pairs(graph: CallGraph) -> list[tuple[str, str]]:
    return [(f"{hop.caller.kind}:{hop.caller.name}", f"{hop.callee.kind}:{hop.callee.name}") for hop in graph.hops]


def only(graph: CallGraph) -> Hop:
    (hop,) = graph.hops
    return hop


@given(traces(), st.data())
def test_the_call_graph_does_not_depend_on_order_or_repetition(spans: list[Span], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(spans)))
    assert call_graph(data.draw(st.permutations(spans + again))) == call_graph(spans)


@given(traces(), st.data())
def test_of_two_different_spans_with_one_id_the_same_is_kept_in_any_order(spans: list[Span], data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(spans))
    other = replace(victim, name="other", end=data.draw(st.integers(0, 24)))
    assert call_graph([*spans, other]) == call_graph([other, *reversed(spans)])


@given(traces(), st.data())
def test_edges_of_a_part_and_their_corrections_add_up_to_the_edges_of_the_whole(spans: list[Span], data: st.DataObject) -> None:
    """What is published when spans come in batches: the first count, then a correction for each later batch."""
    order = data.draw(st.permutations(spans))
    cuts = [*sorted(data.draw(st.lists(st.integers(1, len(spans)), max_size=3))), len(spans)]
    published: dict[tuple[EdgeKey, int], Edge] = {}
    counted: dict[tuple[EdgeKey, int], Edge] = {}
    for cut in cuts:
        now = aggregate(call_graph(order[:cut]).hops, 10)
        for key in now.keys() | counted.keys():
            correction = subtract(now.get(key) or nothing(*key), counted.get(key) or nothing(*key))
            published[key] = merge(published.get(key) or nothing(*key), correction)
        counted = now
    whole = aggregate(call_graph(spans).hops, 10)
    assert {key: numbers(edge) for key, edge in published.items() if edge.calls} == {
        key: numbers(edge) for key, edge in whole.items()
    }


def nothing(key: EdgeKey, start: int) -> Edge:
    return Edge(key, start, 10, 0, 0, 0, histogram.EMPTY)


def numbers(edge: Edge) -> tuple[object, ...]:
    return (edge.calls, edge.failures, edge.latency_sum, edge.latency, edge.self_time_sum, edge.critical_path_sum)


@given(traces())
def test_hop_ids_are_unique_in_the_trace(spans: list[Span]) -> None:
    ids = [hop.id for hop in call_graph(spans).hops]
    assert len(ids) == len(set(ids))


@given(traces())
def test_shares_of_the_critical_path_and_the_rest_sum_to_the_traces_duration(spans: list[Span]) -> None:
    graph = call_graph(spans)
    assert sum(segment.end - segment.start for segment in graph.critical_path) == graph.duration
    of_hops = sum(hop.critical_path_time for hop in graph.hops)
    assert 0 <= of_hops <= graph.duration
    if graph.duration:
        assert sum(hop.critical_path_share for hop in graph.hops) == pytest.approx(of_hops / graph.duration)


@given(traces())
def test_self_time_and_blocked_time_sum_to_the_callees_duration(spans: list[Span]) -> None:
    for hop in call_graph(spans).hops:
        if hop.server_duration is not None:
            parts = (hop.self_time, hop.blocked_sequential, hop.blocked_parallel)
            assert all(part is not None and part >= 0 for part in parts)
            assert sum(part or 0 for part in parts) == hop.server_duration


@given(traces())
def test_completeness_never_falls_when_a_missing_parent_arrives(spans: list[Span]) -> None:
    graph = call_graph(spans)
    for missing in graph.missing_parents:
        found = replace(spans[0], span_id=missing, parent_span_id=b"")
        assert call_graph([*spans, found]).completeness > graph.completeness


def test_a_client_and_its_server_are_one_hop_with_its_gap() -> None:
    graph = call_graph(
        [
            span(1, 0, "a", CLIENT, 0, 100, attributes={"http.request.method": "GET"}),
            span(2, 1, "b", SERVER, 20, 90, name="GET /orders/17", status=StatusCode.ERROR),
        ]
    )
    hop = only(graph)
    assert (hop.caller, hop.callee) == (SERVICE_A, SERVICE_B)
    assert (hop.operation, hop.protocol) == ("GET /orders/{id}", "http")
    assert (hop.client_duration, hop.server_duration, hop.gap) == (100, 70, 30)
    assert hop.failed
    assert not hop.inferred
    assert hop.skew == 0


@pytest.mark.parametrize(("start", "end", "skew"), [(30, 80, 0), (-40, 10, 40), (150, 200, -100), (-10, 120, None)])
def test_the_skew_of_a_hop_is_the_least_that_puts_the_server_inside_the_client(start: int, end: int, skew: int | None) -> None:
    graph = call_graph([span(1, 0, "a", CLIENT, 1000, 1100), span(2, 1, "b", SERVER, 1000 + start, 1000 + end)])
    assert only(graph).skew == skew


def test_a_root_server_is_called_by_the_user_and_an_orphan_server_by_someone_unknown() -> None:
    assert pairs(call_graph([span(1, 0, "a", SERVER, 0, 9)])) == [("user:user", "service:a")]
    orphan = call_graph([span(2, 1, "a", SERVER, 0, 9)])
    assert pairs(orphan) == [("unknown:unknown", "service:a")]
    assert orphan.missing_parents == (sid(1),)
    assert orphan.orphans == (sid(2),)
    assert orphan.completeness == 0.25  # one of two spans, and no root
    assert orphan.root_span_id == b""


def test_a_late_server_span_replaces_the_virtual_node_of_its_client() -> None:
    client = span(1, 0, "a", CLIENT, 0, 10, attributes={"server.address": "b.internal", "server.port": 8080})
    assert pairs(call_graph([client])) == [("service:a", "external:b.internal:8080")]
    assert pairs(call_graph([client, span(2, 1, "b", SERVER, 1, 9)])) == [("service:a", "service:b")]


@pytest.mark.parametrize(
    ("attributes", "node", "protocol"),
    [
        (DB, "database:postgresql:orders", "postgresql"),
        ({"db.system.name": "postgresql", "db.namespace": "orders"}, "database:postgresql:orders", "postgresql"),
        (DB | {"server.address": "pg-1"}, "database:postgresql://pg-1/orders", "postgresql"),
        (DB | {"net.peer.name": "pg-1", "net.peer.port": 5432}, "database:postgresql://pg-1/orders", "postgresql"),
        (DB | {"server.address": "pg-1", "server.port": 5433}, "database:postgresql://pg-1:5433/orders", "postgresql"),
        (DB | {"network.peer.address": "10.0.0.7"}, "database:postgresql:orders", "postgresql"),
        (DB | {"peer.service": "ledger", "server.address": "pg-1"}, "database:ledger", "postgresql"),
        (
            {"db.system": "mssql", "db.name": "orders", "server.address": "db"},
            "database:microsoft.sql_server://db/orders",
            "microsoft.sql_server",
        ),
        ({"db.system": "redis", "db.namespace": "0", "server.address": "cache"}, "database:redis://cache/0", "redis"),
        ({"db.system": "redis", "db.redis.database_index": 1, "net.peer.name": "cache"}, "database:redis://cache/1", "redis"),
        ({"db.system": "redis", "network.peer.address": "10.0.0.7"}, "database:redis://10.0.0.7", "redis"),
        (
            {"db.system.name": "elasticsearch", "url.full": "http://es:9200/logs/_search"},
            "database:elasticsearch://es",
            "elasticsearch",
        ),
        ({"db.system": "sqlite"}, "database:sqlite", "sqlite"),
        (KAFKA, "queue:kafka:paid", "kafka"),
        (KAFKA | {"server.address": "broker-1", "server.port": 9092}, "queue:kafka:paid", "kafka"),
        ({"messaging.system": "kafka", "messaging.destination": "paid"}, "queue:kafka:paid", "kafka"),
        ({"messaging.system": "jms", "messaging.temp_destination": True}, "queue:jms:(temporary)", "jms"),
        ({"messaging.system": "rabbitmq", "messaging.destination.temporary": True}, "queue:rabbitmq:(temporary)", "rabbitmq"),
        ({"service.peer.name": "bank"}, "service:bank", ""),
        ({"peer.service": "bank", "http.method": "GET"}, "service:bank", "http"),
        ({"server.address": "bank.example", "server.port": 443}, "external:bank.example", ""),
        ({"net.peer.name": "bank.example", "net.peer.port": "8443"}, "external:bank.example:8443", ""),
        ({"server.address": "::1", "server.port": 80}, "external:::1", ""),
        ({"server.address": "::1", "server.port": 90}, "external:[::1]:90", ""),
        ({"url.full": "https://u:p@bank.example:443/pay?id=1"}, "external:bank.example", ""),
        ({"http.url": "http://bank.example:81/pay"}, "external:bank.example:81", ""),
        ({"http.url": "http://bank.example:port/"}, "unknown:unknown", ""),
        ({"rpc.system": "grpc"}, "unknown:unknown", "grpc"),
        ({}, "unknown:unknown", ""),
    ],
)
def test_a_client_without_a_server_calls_what_its_attributes_name(
    attributes: dict[str, object], node: str, protocol: str
) -> None:
    graph = call_graph([span(1, 0, "a", CLIENT, 0, 10, attributes=attributes)])
    assert pairs(graph) == [("service:a", node)]
    assert only(graph).protocol == protocol
    assert only(graph).self_time is None


def test_a_consumer_below_its_producer_waited_in_the_queue() -> None:
    graph = call_graph(
        [
            span(1, 0, "a", PRODUCER, 0, 10, attributes=KAFKA),
            span(2, 1, "b", CONSUMER, 25, 40),
            span(3, 1, "c", CONSUMER, 30, 40),
        ]
    )
    assert pairs(graph) == [("service:a", "service:b"), ("service:a", "service:c")]
    assert [hop.queue_wait for hop in graph.hops] == [15, 20]
    assert [hop.gap for hop in graph.hops] == [None, None]
    assert graph.duration == 40
    assert [hop.critical_path_time for hop in graph.hops] == [30, 10]  # the wait belongs to the producer's first hop


def test_a_message_received_before_its_sending_ended_did_not_wait() -> None:
    graph = call_graph([span(1, 0, "a", PRODUCER, 0, 10), span(2, 1, "b", CONSUMER, 8, 40)])
    assert only(graph).queue_wait == 0


def test_a_batch_receive_has_a_hop_for_each_link() -> None:
    graph = call_graph(
        [
            span(1, 0, "a", PRODUCER, 0, 10, attributes=KAFKA),
            span(2, 0, "b", CONSUMER, 15, 40, attributes=KAFKA, links=[(TRACE, 1), (OTHER_TRACE, 7), (OTHER_TRACE, 8)]),
        ]
    )
    assert sorted(pairs(graph)) == [
        ("queue:kafka:paid", "service:b"),
        ("queue:kafka:paid", "service:b"),
        ("service:a", "service:b"),
    ]
    assert all(hop.link for hop in graph.hops)
    assert [hop.queue_wait for hop in graph.hops] == [5, None, None]


@pytest.mark.parametrize(("kind", "timed", "start", "end"), [(PRODUCER, True, 3, 9), (INTERNAL, False, 0, 0)])
def test_a_link_target_is_read_back_from_the_hop_that_it_made(kind: SpanKind, timed: bool, start: int, end: int) -> None:  # noqa: FBT001  # a column
    receiver = span(2, 0, "b", CONSUMER, 15, 40, attributes=KAFKA, links=[(OTHER_TRACE, 1)])
    sender = replace(span(1, 0, "a", kind, 3, 9, attributes=KAFKA, host="h"), trace_id=OTHER_TRACE)
    (query,) = link_queries_of(receiver)
    target = link_target(query, sender)
    assert (target.timed, target.start, target.end) == (timed, start, end)
    found = link_targets_of(call_graph([receiver], [target]).hops)
    assert [replace(one, time=target.time) for one in found.values()] == [target]
    assert list(found) == [message_from(sender)]


@pytest.mark.parametrize("receive", [CONSUMER, CLIENT])
def test_a_message_received_and_processed_in_two_spans_is_one_hop(receive: SpanKind) -> None:
    attributes = KAFKA | {"messaging.operation.type": "receive"}
    graph = call_graph(
        [
            replace(span(1, 0, "b", CLIENT, 15, 20, attributes=attributes, links=[(OTHER_TRACE, 7)]), kind=receive),
            span(2, 1, "b", CONSUMER, 21, 40, attributes=KAFKA, links=[(OTHER_TRACE, 7)]),
        ]
    )
    assert pairs(graph) == [("queue:kafka:paid", "service:b")]
    assert only(graph).server_span_id == sid(2)


def test_a_consumer_that_knows_no_producer_got_its_message_from_the_queue() -> None:
    assert pairs(call_graph([span(1, 0, "b", CONSUMER, 0, 9, attributes=KAFKA)])) == [("queue:kafka:paid", "service:b")]


def test_a_change_of_service_between_internal_spans_is_an_inferred_hop() -> None:
    root, inside = span(1, 0, "a", INTERNAL, 0, 100), span(2, 1, "a", INTERNAL, 10, 90)
    hop = only(call_graph([root, inside, span(3, 2, "b", INTERNAL, 20, 80)]))
    assert hop.inferred
    assert (hop.client_duration, hop.gap) == (80, 20)  # span 2 wraps the call and nothing else
    beside = span(4, 2, "a", INTERNAL, 80, 85)
    hop = only(call_graph([root, inside, beside, span(3, 2, "b", INTERNAL, 20, 80)]))
    assert (hop.client_duration, hop.server_duration) == (None, 60)


def test_a_client_span_that_belongs_to_another_service_than_its_parent_is_callee_and_caller() -> None:
    graph = call_graph([span(1, 0, "a", INTERNAL, 0, 9), span(2, 1, "b", CLIENT, 1, 8, attributes=DB)])
    assert sorted(pairs(graph)) == [("service:a", "service:b"), ("service:b", "database:postgresql:orders")]


def test_a_client_around_a_client_is_one_hop() -> None:
    outer, inner = span(1, 0, "a", CLIENT, 0, 10), span(2, 1, "a", CLIENT, 1, 9, attributes={"server.address": "x"})
    assert pairs(call_graph([outer, inner])) == [("service:a", "external:x")]
    outer = replace(outer, attributes={"db.system": "elasticsearch"})
    assert pairs(call_graph([outer, inner])) == [("service:a", "database:elasticsearch")]
    assert pairs(call_graph([outer, inner, span(3, 2, "b", SERVER, 2, 8)])) == [("service:a", "service:b")]


def test_retries_under_one_client_span_are_hops_without_a_gap() -> None:
    graph = call_graph([span(1, 0, "a", CLIENT, 0, 10), span(2, 1, "b", SERVER, 1, 4), span(3, 1, "b", SERVER, 5, 9)])
    assert [hop.gap for hop in graph.hops] == [None, None]
    assert [hop.server_duration for hop in graph.hops] == [3, 4]


def test_the_time_of_a_callee_is_its_own_or_blocked_on_one_or_more_calls() -> None:
    graph = call_graph(
        [
            span(1, 0, "a", SERVER, 0, 100),
            span(2, 1, "a", INTERNAL, 0, 100),  # work of its own is self time
            span(3, 2, "a", CLIENT, 10, 40),
            span(4, 3, "b", SERVER, 12, 38),
            span(5, 2, "a", CLIENT, 30, 60, attributes=DB),
        ]
    )
    root = graph.hops[0]
    assert (root.self_time, root.blocked_sequential, root.blocked_parallel) == (50, 40, 10)


def test_a_call_within_the_work_of_a_call_blocks_once() -> None:
    graph = call_graph(
        [
            span(1, 0, "a", SERVER, 0, 100),
            span(2, 1, "a", CLIENT, 10, 40, attributes={"server.address": "bank"}),
            span(3, 2, "a", INTERNAL, 15, 35),  # such as a lookup of the address
            span(4, 3, "a", CLIENT, 20, 30, attributes={"server.address": "dns"}),
        ]
    )
    assert [hop.callee.name for hop in graph.hops] == ["a", "bank", "dns"]
    root = graph.hops[0]
    assert (root.self_time, root.blocked_sequential, root.blocked_parallel) == (70, 30, 0)


def test_calls_that_took_no_time_block_nobody() -> None:
    graph = call_graph([span(1, 0, "a", SERVER, 0, 9), *(span(number, 1, "a", CLIENT, 5, 5) for number in (2, 3, 4))])
    assert (graph.hops[0].self_time, graph.hops[0].blocked_parallel) == (9, 0)


def test_cycles_of_parents_are_cut_at_their_earliest_span() -> None:
    graph = call_graph([span(1, 2, "a", SERVER, 5, 9), span(2, 1, "a", INTERNAL, 1, 9), span(3, 2, "b", SERVER, 2, 8)])
    assert graph.root_span_id == sid(2)
    assert graph.span_count == 3
    assert graph.completeness == 1.0
    assert call_graph([span(1, 1, "a", SERVER, 5, 9)]).root_span_id == sid(1)


def test_a_trace_deeper_than_the_stack_is_drawn() -> None:
    depth = 5000
    graph = call_graph([span(n, n - 1, "a", INTERNAL, n, 3 * depth - n) for n in range(1, depth + 1)])
    assert graph.span_count == depth
    assert len(graph.critical_path) == 2 * depth - 1


def test_a_graph_names_its_root_and_counts_its_spans_and_their_errors() -> None:
    failed = span(2, 1, "b", SERVER, 1, 5, status=StatusCode.ERROR)
    graph = call_graph([span(1, 0, "a", SERVER, 0, 9), failed, span(3, 1, "a", INTERNAL, 6, 7)])
    assert (graph.root_service, graph.root_operation, graph.span_count, graph.errors) == ("a", "work", 3, 1)
    without = call_graph([failed])
    assert (without.root_service, without.root_operation, without.root_span_id) == ("", "", b"")


def test_no_spans_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one span"):
        call_graph([])


@given(traces())
def test_hops_are_those_of_the_rules(spans: list[Span]) -> None:
    spans = [replace(item, links=(), attributes={}) for item in spans]
    graph, oracle = call_graph(spans), Oracle(spans)
    drawn = []
    for hop in graph.hops:
        caller = oracle.parents.get(hop.server_span_id) if hop.caller.kind is NodeKind.SERVICE else None
        source = hop.client_span_id or (caller.span_id if caller else b"")
        drawn.append((hop.client_span_id, source, hop.server_span_id))
        for side, node in ((source, hop.caller), (hop.server_span_id, hop.callee)):
            assert node.name == oracle.spans[side].service if side else node.kind is not NodeKind.SERVICE
    assert sorted(drawn) == oracle.sides()


@given(traces())
def test_a_callee_is_blocked_by_the_outermost_calls_of_its_work(spans: list[Span]) -> None:
    hops, oracle = call_graph(spans).hops, Oracle(spans)
    clients = {hop.client_span_id for hop in hops}
    servers = {hop.server_span_id for hop in hops}
    called = {hop.server_span_id for hop in hops if hop.inferred and not hop.client_span_id}
    for hop in hops:
        if hop.server_span_id:
            server = oracle.spans[hop.server_span_id]
            waits = oracle.calls_within(server, clients, servers, called)
            instants = range(server.start, oracle.ends[server.span_id])
            running = [sum(call.start <= at < oracle.ends[call.span_id] for call in waits) for at in instants]
            assert hop.self_time == running.count(0)
            assert hop.blocked_sequential == running.count(1)


@given(st.lists(st.tuples(st.integers(-5, 25), st.integers(-5, 25)).map(sorted), max_size=6))
def test_occupancy_is_counted_instant_by_instant(intervals: list[list[int]]) -> None:
    running = [sum(low <= instant < high for low, high in intervals) for instant in range(20)]
    spent = occupancy(0, 20, [(low, high) for low, high in intervals])
    assert spent == (running.count(0), running.count(1), sum(number > 1 for number in running))
