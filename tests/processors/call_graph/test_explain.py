from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from processors.call_graph import call_graph
from processors.call_graph.calls import Rule
from processors.call_graph.explain import explain
from tests.processors.traces import CLIENT, CONSUMER, INTERNAL, SERVER, TRACE, sid, span, traces

if TYPE_CHECKING:
    from telemetry.spans import Span


@given(traces())
def test_every_span_is_explained_and_every_hop_is_some_spans(spans: list[Span]) -> None:
    explained = explain(spans)
    assert sorted(item.span_id for item in explained) == sorted(item.span_id for item in spans)
    assert all(item.why for item in explained)
    hops = call_graph(spans).hops
    assert {hop for item in explained for hop in item.hops} == {hop.id for hop in hops}
    for item in explained:
        sides = {hop.id for hop in hops if item.span_id in {hop.client_span_id, hop.server_span_id}}
        assert sides <= set(item.hops)
        assert sides == set(item.hops) or Rule.CALLER in item.rules


def test_an_explanation_says_why_in_words() -> None:
    client, server = span(2, 1, "a", CLIENT, 1, 9), span(3, 2, "b", SERVER, 2, 8)
    explained = explain([server, client, client, span(1, 0, "a", INTERNAL, 0, 10), span(4, 77, "a", INTERNAL, 3, 4)])
    assert [(item.span_id, item.depth, item.rules, item.copies, item.parent_missing) for item in explained] == [
        (sid(1), 0, (Rule.LOCAL_ROOT,), 1, False),
        (sid(2), 1, (Rule.CALLED,), 2, False),
        (sid(3), 2, (Rule.CLIENT_SERVER,), 1, False),
        (sid(4), 0, (Rule.LOCAL_ORPHAN,), 1, True),
    ]
    assert [(item.service, item.operation, item.kind, item.start, item.end) for item in explained] == [
        ("a", "work", INTERNAL, 0, 10),
        ("a", "work", CLIENT, 1, 9),
        ("b", "work", SERVER, 2, 8),
        ("a", "work", INTERNAL, 3, 4),
    ]
    assert [item.parent_span_id for item in explained] == [sid(0), sid(1), sid(2), sid(77)]
    assert explained[2].why == Rule.CLIENT_SERVER.value
    assert explained[1].hops == explained[2].hops == (sid(3),)


def test_a_caller_that_is_no_client_is_a_side_of_the_call_all_the_same() -> None:
    wrapping, callee = span(2, 1, "a", INTERNAL, 1, 9), span(3, 2, "b", INTERNAL, 2, 4)
    other, writer = span(4, 2, "b", INTERNAL, 5, 6), span(5, 1, "a", INTERNAL, 9, 10)
    reader = span(6, 1, "c", CONSUMER, 12, 13, links=[(TRACE, 5)])
    explained = {
        item.span_id: item for item in explain([span(1, 0, "a", SERVER, 0, 20), wrapping, callee, other, writer, reader])
    }
    assert explained[sid(2)].rules == (Rule.SAME_SERVICE, Rule.CALLER)
    assert set(explained[sid(2)].hops) == {*explained[sid(3)].hops, *explained[sid(4)].hops}
    assert explained[sid(5)].rules == (Rule.SAME_SERVICE, Rule.CALLER)
    assert set(explained[sid(5)].hops) <= set(explained[sid(6)].hops)
    assert explained[sid(5)].hops
