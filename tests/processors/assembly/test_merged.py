"""What a trace adds to what is stored of it, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processors.assembly.assembler import (
    MAX_EXEMPLARS,
    MAX_TELEMETRY_ITEMS,
    ExemplarReference,
    LogReference,
    OpenTrace,
    revision,
)
from processors.assembly.reconcile import merge_trace, publish_trace, store_only
from telemetry.documents import Kind
from tests.processors.assembly.test_reconcile import WIDTH, bodies, merged_with, opened, window_of
from tests.processors.traces import CLIENT, SERVER, TRACE, span

SPANS = [span(1, 0, "a", CLIENT, 0, 90), span(2, 1, "b", SERVER, 10, 80)]
LOG = LogReference(TRACE, "log", 5, 17)
EXEMPLAR = ExemplarReference(TRACE, SPANS[0].span_id, 1, "wait", 2.0)


def whole() -> OpenTrace:
    trace = opened(SPANS, LOG)
    trace.exemplars = {EXEMPLAR}
    return trace


def test_what_came_before_counts_once_when_it_comes_again() -> None:
    first = publish_trace(whole())
    stored = [*first.parts(0, window_of), *first.trace()]
    again = merged_with(whole(), stored, LOG)
    assert again.revision == again.stored_revision == first.revision == 2 + 1 + 1
    assert again.logs == first.logs
    assert again.logs["exemplars"] == [{"span_id": SPANS[0].span_id.hex(), "time": 1, "metric": "wait", "value": 2.0}]
    assert (again.trace(), again.parts(0, window_of), again.new_spans, again.encoded) == ([], [], [], [])
    assert again.merged
    assert not first.merged


def test_another_exemplar_log_or_span_is_added_to_those_that_are_stored() -> None:
    first = publish_trace(whole())
    stored = [*first.parts(0, window_of), *first.trace()]
    late = opened([span(3, 2, "b", SERVER, 20, 30)], LogReference(TRACE, "other", 6, 13))
    late.exemplars = {replace(EXEMPLAR, time=2)}
    merged = merged_with(late, stored, LOG)
    assert merged.revision == 3 + 2 + 2
    assert merged.logs["logs"] == {"count": 2, "errors": 1, "warnings": 1}
    assert [item["time"] for item in merged.logs["exemplars"]] == [1, 2]
    assert [one.span_id for one in merged.new_spans] == [span(3, 2, "b", SERVER, 20, 30).span_id]
    assert [one.span_id for one in merged.spans] == [one.span_id for one in [*SPANS, span(3, 2, "b", SERVER, 20, 30)]]
    (document,) = merged.trace()
    assert document.body["revision"] == 7
    assert document.body["span_count"] == 3


def test_of_several_revisions_the_newest_has_the_exemplars() -> None:
    old = {"revision": 1, "exemplars": []}
    new = {"revision": 5, "exemplars": [{"span_id": "01" * 8, "time": 3, "metric": "m", "value": 1.0}]}
    for order in ([old, new], [new, old]):
        merged = merge_trace(OpenTrace(TRACE), order, [], [], [])
        assert (merged.stored_revision, len(merged.logs["exemplars"])) == (5, 1)
    nothing = merge_trace(OpenTrace(TRACE), [], [], [], [])
    assert (nothing.stored_revision, nothing.revision, nothing.trace()) == (0, 0, [])


def test_without_spans_the_graph_is_as_long_as_the_logs_say() -> None:
    logs = [LogReference(TRACE, name, time, 9) for name, time in (("a", 7), ("b", 3), ("c", 9))]
    graph = publish_trace(OpenTrace(TRACE, logs={log.id: log for log in logs})).graph
    assert (graph.trace_id, graph.start, graph.end, graph.span_count, graph.completeness) == (TRACE, 3, 9, 0, 0.0)
    assert (graph.hops, graph.root_span_id) == ((), b"")
    empty = publish_trace(OpenTrace(TRACE)).graph
    assert (empty.start, empty.end) == (0, 0)


@pytest.mark.parametrize("limit", ["closed_early", "full"])
def test_a_trace_that_a_limit_closed_is_half_as_complete(limit: str) -> None:
    trace = whole()
    trace.closed_early = limit == "closed_early"
    first = publish_trace(trace)
    first.full = limit == "full"
    (document,) = first.trace()
    (plain,) = publish_trace(whole()).trace()
    assert document.body["completeness"] == plain.body["completeness"] / 2
    assert (document.body["cut"], document.body.get("full", False)) == (True, limit == "full")
    assert "cut" not in plain.body or plain.body["cut"] is False


def test_a_trace_of_as_many_items_as_the_limit_is_full() -> None:
    for count in (MAX_TELEMETRY_ITEMS - 3, MAX_TELEMETRY_ITEMS - 2):
        logs = {str(number): LogReference(TRACE, str(number), 0, 9) for number in range(count)}
        trace = OpenTrace(TRACE, {one.key: one for one in SPANS}, logs)
        assert publish_trace(trace).full == (count == MAX_TELEMETRY_ITEMS - 2)
        assert merge_trace(trace, [], [], [], []).full == (count == MAX_TELEMETRY_ITEMS - 2)


def test_the_spans_of_a_full_trace_are_stored_and_nothing_else() -> None:
    first = publish_trace(opened(SPANS))
    hops = bodies(first.parts(0, window_of), Kind.HOP)
    only = store_only(opened(SPANS), 7, hops)
    assert [document.kind for document in only.parts(0, window_of)] == [Kind.SPAN, Kind.SPAN]
    assert (only.revision, only.stored_revision, only.trace(), only.spans, only.logs) == (7, 7, [], [], {})
    assert only.windows(window_of) == {window_of(0)}
    assert only.graph.trace_id == TRACE
    assert WIDTH > 90


def test_the_revision_counts_everything_and_a_bounded_number_of_exemplars() -> None:
    assert revision(1, 10, 3, 100) == 114
    assert revision(0, 0, MAX_EXEMPLARS + 5, 0) == MAX_EXEMPLARS == 16
