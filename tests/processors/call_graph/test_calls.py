"""Each call is one hop, however the spans of its two sides are linked or nested. Most are cases that people reported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from processors.call_graph import call_graph
from processors.call_graph.calls import Rule
from processors.call_graph.explain import explain
from processors.call_graph.span_links import links_ignored
from tests.processors.traces import CONSUMER, OTHER_TRACE, PRODUCER, TRACE, sid, span

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
    assert (hop.caller.name, hop.link) == ("orders", False)
    assert explain([alone])[0].rules == (Rule.FROM_QUEUE, Rule.LINK_IGNORED)


def test_a_link_to_the_parent_is_the_message_that_the_parent_sent() -> None:
    publish = span(1, 0, "web", PRODUCER, 0, 5, attributes=KAFKA)
    assert sides([publish, span(2, 1, "mail", CONSUMER, 20, 30, links=[(TRACE, 1)])]) == [("web", "mail")]
