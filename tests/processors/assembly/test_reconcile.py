from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.assembly.assembler import ExemplarReference, LogReference, OpenTrace
from processors.assembly.edges import aggregate, edge_from_body, is_empty, merge
from processors.assembly.reconcile import corrections, merge_trace, publish_trace
from telemetry.call_graph import Hop, Node, NodeKind
from telemetry.documents import Document, Kind, edge_document, hop_document, latest
from tests.generated import traces
from tests.processors.traces import INTERNAL, SERVER, span

if TYPE_CHECKING:
    from processors.assembly.reconcile import Publication
    from telemetry.documents import Body
    from telemetry.spans import Span

WIDTH = 5_000_000


def window_of(time: int) -> int:
    return time - time % WIDTH


def opened(spans: list[Span], *logs: LogReference) -> OpenTrace:
    return OpenTrace(spans[0].trace_id, {span.key: span for span in spans}, {log.id: log for log in logs})


def bodies(documents: list[Document], kind: Kind) -> list[Body]:
    return [document.body for document in documents if document.kind is kind]


def merged_with(trace: OpenTrace, stored: list[Document], *logs: LogReference) -> Publication:
    traces_, hops_ = bodies(stored, Kind.TRACE), bodies(stored, Kind.HOP)
    spans = [document.body | {"_id": document.id} for document in stored if document.kind is Kind.SPAN]
    return merge_trace(trace, traces_, spans, hops_, list(logs))


def without(body: Body) -> Body:
    return {name: value for name, value in body.items() if name != "revision"}


@settings(max_examples=40)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_a_trace_published_part_by_part_reads_as_one_published_whole(seed: int, parts: int) -> None:
    chance = random.Random(seed)
    spans = next(traces(1, seed))
    chance.shuffle(spans)
    stored: list[Document] = []
    for number in range(parts):
        part = spans[number::parts]
        publication = merged_with(opened(part), stored) if stored else publish_trace(opened(part))
        stored += [*publication.parts(0, window_of), *publication.trace()]
    whole = publish_trace(opened(spans))
    documents = [*whole.parts(0, window_of), *whole.trace()]
    assert len({(document.kind, document.id) for document in stored}) == len(stored)
    assert {document.id for document in stored if document.kind is Kind.SPAN} == {
        document.id for document in documents if document.kind is Kind.SPAN
    }
    for kind in (Kind.TRACE, Kind.HOP):
        expected = {body["id"]: without(body) for body in bodies(documents, kind)}
        assert {body["id"]: without(body) for body in latest(bodies(stored, kind))} == expected


def test_publishing_again_what_is_stored_publishes_nothing() -> None:
    spans = next(traces(1))
    first = publish_trace(opened(spans))
    stored = [*first.parts(0, window_of), *first.trace()]
    again = merged_with(opened(spans), stored)
    assert (again.parts(0, window_of), again.trace()) == ([], [])


def test_the_window_of_a_retracted_hop_is_counted_again_because_a_crash_may_have_come_before_its_correction() -> None:
    parent = span(1, 0, "a", INTERNAL, 0, 900)
    child = span(2, 1, "a", SERVER, 3 * WIDTH, 3 * WIDTH + 5)  # called by someone unknown until its parent comes
    first = publish_trace(opened([child]))
    stored = [*first.parts(0, window_of), *first.trace()]
    late = merged_with(opened([parent]), stored)
    stored += [*late.parts(0, window_of), *late.trace()]
    assert not late.graph.hops
    assert merged_with(opened([parent]), stored).windows(window_of) == {3 * WIDTH}


def test_a_late_log_or_exemplar_renews_the_trace_alone() -> None:
    spans = next(traces(1))
    log = LogReference(spans[0].trace_id, "a", spans[0].start, 17)
    exemplar = ExemplarReference(spans[0].trace_id, spans[0].span_id, 1, "wait", 2.0)
    first = publish_trace(opened(spans, log))
    stored = [*first.parts(0, window_of), *first.trace()]
    late = OpenTrace(spans[0].trace_id, exemplars={exemplar})
    merged = merged_with(late, stored, log)
    assert merged.parts(0, window_of) == []
    (document,) = merged.trace()
    assert document.body["logs"] == {"count": 1, "errors": 1, "warnings": 0}
    assert document.body["exemplars"][0]["value"] == 2.0
    assert document.body["span_count"] == len(spans)


def test_a_trace_of_which_only_logs_came_is_kept_until_its_spans_do() -> None:
    spans = next(traces(1))
    log = LogReference(spans[0].trace_id, "a", spans[0].start, 9)
    first = publish_trace(OpenTrace(spans[0].trace_id, logs={"a": log}))
    (document,) = first.trace()
    assert (document.body["span_count"], document.body["logs"]["count"]) == (0, 1)
    merged = merge_trace(opened(spans), [document.body], [], [], [log])
    assert merged.trace()[0].body["span_count"] == len(spans)


A, B = Node(NodeKind.SERVICE, "a"), Node(NodeKind.SERVICE, "b")


def hop(number: int, duration: int) -> Hop:
    id_ = number.to_bytes(8, "big")
    return Hop(
        id_ * 2, id_, A, B, f"op {number % 3}", "http", 7, 7 + duration, client_duration=duration, failed=duration % 2 == 0
    )


hops = st.dictionaries(st.integers(0, 9), st.integers(0, 99), max_size=8).map(
    lambda found: [hop(number, duration) for number, duration in found.items()]
)


def folded(documents: list[Body]) -> dict[Any, Any]:
    edges: dict[Any, Any] = {}
    for edge in map(edge_from_body, documents):
        edges[edge.key] = merge(edges[edge.key], edge) if edge.key in edges else edge
    return {
        key: replace(edge, exemplars=(), exemplar_durations=(), failed_traces=())
        for key, edge in edges.items()
        if not is_empty(edge)
    }


@given(hops, hops)
def test_corrections_make_what_was_published_add_up_to_what_is_stored_and_then_there_is_nothing_to_correct(
    before: list[Hop], now: list[Hop]
) -> None:
    published = [edge_document(edge, 0, "first").body for edge in aggregate(before, WIDTH).values()]
    stored = [hop_document(item, 1, 0, 0).body for item in before]
    stored += [hop_document(item, 2, 0, 0).body for item in now]
    stored += [
        stored[number] | {"revision": 2, "retracted": True}
        for number, item in enumerate(before)
        if item.id not in {other.id for other in now}
    ]
    found = corrections(stored, published, WIDTH, 0)
    actual = {
        key: replace(edge, exemplars=(), exemplar_durations=(), failed_traces=())
        for (key, _), edge in aggregate(now, WIDTH).items()
        if not is_empty(edge)
    }
    assert folded([*published, *(document.body for document in found)]) == actual
    known = {edge_from_body(body).key for body in published}
    assert all(document.body["correction"] is (edge_from_body(document.body).key in known) for document in found)
    assert corrections(stored, [*published, *(document.body for document in found)], WIDTH, 0) == []
