"""Both sides of a call with one span id, as Zipkin's tracers, Brave and Envoy write them, over Zipkin's format and as OTLP."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.call_graph import call_graph
from processors.call_graph.explain import explain
from processors.call_graph.shared_ids import apart, side_id
from processors.call_graph.span_tree import SpanTree, unique
from processors.call_graph.visits import visits_of
from processors.detectors.trace_shapes import is_whole
from telemetry.other_formats.zipkin import decode_zipkin
from tests.processors.traces import CLIENT, CONSUMER, INTERNAL, PRODUCER, SERVER, sharing_traces, sid, span

if TYPE_CHECKING:
    from telemetry.spans import Span

DB = {"db.system": "postgresql", "db.name": "stock"}

EDGE = span(1, 0, "edge", SERVER, 0, 100)
CALL = span(2, 1, "edge", CLIENT, 10, 90)
ANSWER = span(2, 1, "stock", SERVER, 20, 80)
QUERY = span(3, 2, "stock", CLIENT, 30, 60, attributes=DB)


def calls(spans: list[Span]) -> list[tuple[str, str]]:
    return [(hop.caller.name, hop.callee.name) for hop in call_graph(spans).hops]


def test_each_call_of_spans_that_share_ids_is_there_once_in_every_order() -> None:
    for order in permutations([EDGE, CALL, ANSWER, QUERY]):
        graph = call_graph(list(order))
        assert calls(list(order)) == [("user", "edge"), ("edge", "stock"), ("stock", "postgresql:stock")]
        assert (graph.span_count, graph.completeness, graph.missing_parents) == (4, 1.0, ())
        edge, stock, query = graph.hops
        assert (stock.client_span_id, stock.server_span_id, stock.gap) == (sid(2), side_id(ANSWER), 20)
        assert (edge.self_time, stock.self_time, query.client_duration) == (20, 30, 30)
        assert not stock.inferred


def test_children_are_below_the_servers_side_and_those_of_the_clients_service_below_the_client() -> None:
    inside = span(4, 2, "edge", INTERNAL, 11, 12, name="connect")
    tree = SpanTree([EDGE, CALL, ANSWER, QUERY, inside])
    parents = {member.span.name + member.service: member.parent.service for member in tree.order if member.parent}
    assert parents == {"workedge": "edge", "workstock": "stock", "connectedge": "edge"}
    assert [item.depth for item in explain([EDGE, CALL, ANSWER, QUERY, inside])] == [0, 1, 2, 2, 3]


def test_a_child_of_a_third_service_was_called_by_the_servers_side() -> None:
    third = span(3, 2, "bank", SERVER, 30, 60)
    assert calls([EDGE, CALL, ANSWER, third]) == [("user", "edge"), ("edge", "stock"), ("stock", "bank")]


def test_a_chain_of_calls_that_all_share_ids_is_drawn() -> None:
    spans = [CALL, ANSWER, span(3, 2, "stock", CLIENT, 30, 60), span(3, 2, "bank", SERVER, 35, 55)]
    assert calls([*spans, EDGE]) == [("user", "edge"), ("edge", "stock"), ("stock", "bank")]


def test_a_service_that_calls_itself_may_share_ids_too() -> None:
    answer = replace(ANSWER, resource=EDGE.resource)
    assert calls([EDGE, CALL, answer]) == [("user", "edge"), ("edge", "edge")]


def test_two_servers_of_one_id_are_both_called() -> None:
    shadow = span(2, 1, "stock-next", SERVER, 21, 70)
    assert calls([EDGE, CALL, ANSWER, shadow]) == [("user", "edge"), ("edge", "stock"), ("edge", "stock-next")]


def test_a_child_of_one_of_two_servers_of_one_id_is_below_its_own() -> None:
    shadow = span(2, 1, "stock-next", SERVER, 21, 70)
    inside = span(4, 2, "stock-next", INTERNAL, 30, 40, name="count")
    for order in permutations([EDGE, CALL, ANSWER, shadow, inside]):
        (parent,) = (member.parent for member in SpanTree(order).order if member.span.name == "count")
        assert parent is not None
        assert parent.service == "stock-next"


def test_a_message_may_share_its_id_on_both_sides() -> None:
    spans = [replace(CALL, kind=PRODUCER), replace(ANSWER, kind=CONSUMER, start=95, end=99), EDGE]
    assert calls(spans) == [("user", "edge"), ("edge", "stock")]


def test_the_servers_side_keeps_its_id_as_long_as_nobody_shares_it() -> None:
    assert [hop.server_span_id for hop in call_graph([EDGE, ANSWER]).hops] == [sid(1), sid(2)]


def test_a_trace_whose_root_call_shares_its_id_is_whole_and_the_logs_of_that_id_belong_to_the_server() -> None:
    spans = [replace(CALL, parent_span_id=b""), replace(ANSWER, parent_span_id=b"")]
    assert is_whole(spans)
    assert [(visit.service, visit.span_ids) for visit in visits_of(spans)] == [("edge", ()), ("stock", (sid(2),))]


TRACE_ID = "1" * 32


def zipkin(id_: str, kind: str, service: str, start: int, duration: int, **more: object) -> dict[str, object]:
    return {
        "traceId": TRACE_ID,
        "id": id_,
        "kind": kind,
        "name": "get",
        "timestamp": 1795960000000000 + start,
        "duration": duration,
        "localEndpoint": {"serviceName": service},
        **more,
    }


@pytest.mark.parametrize("flag", [{"shared": True}, {}])
@pytest.mark.parametrize("parents", [{}, {"parentId": "0000000000000001"}])
def test_zipkins_shared_spans_have_their_children_below_the_server_with_its_flag_and_without(
    flag: dict[str, object], parents: dict[str, object]
) -> None:
    mysql = {"parentId": "0000000000000002", "remoteEndpoint": {"serviceName": "mysql"}}
    sent = [
        zipkin("0000000000000002", "CLIENT", "edge", 0, 90000, **parents),
        zipkin("0000000000000002", "SERVER", "stock", 10000, 60000, **flag, **parents),
        zipkin("0000000000000003", "CLIENT", "stock", 20000, 1000, **mysql),
        zipkin("0000000000000004", "CLIENT", "stock", 30000, 1000, **mysql),
    ]
    spans, flaw = decode_zipkin(orjson.dumps(sent))
    assert flaw is None
    for order in permutations(spans):
        assert calls(list(order)) == [("edge", "stock"), ("stock", "mysql"), ("stock", "mysql")]
    without_client = spans[1:]
    assert [pair for pair in calls(without_client) if pair[0] == "stock"] == [("stock", "mysql")] * 2


@given(sharing_traces(), st.data())
def test_spans_that_share_ids_are_drawn_alike_in_every_order_each_with_an_id_of_its_own(
    spans: list[Span], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(spans)))
    graph = call_graph(spans)
    assert call_graph(data.draw(st.permutations(spans + again))) == graph
    assert graph.span_count == len(spans)
    assert len({hop.id for hop in graph.hops}) == len(graph.hops)
    separate, _ = apart(unique(spans))
    assert len({item.span_id for item in separate}) == len(spans)
