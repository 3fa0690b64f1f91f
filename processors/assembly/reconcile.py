"""What is stored of a closed trace: at first, and again when the store already has a part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import orjson

from processors.assembly.assembler import MAX_TRACE_BYTES, ExemplarReference, LogReference, is_full, log_summary, revision
from processors.assembly.edges import aggregate, edge_from_body, is_empty, merge, subtract
from processors.call_graph import call_graph
from processors.call_graph.span_links import link_targets_of, preferred_link_target
from processors.kernels.protocol import HopPlace
from telemetry.call_graph import CallGraph
from telemetry.documents import (
    Body,
    Document,
    counted,
    digest,
    edge_document,
    hop_document,
    latest,
    retracted_hop_document,
    trace_document,
)
from telemetry.documents.encoded_trace import EncodedTraceDocument
from telemetry.documents.read_back import hop_from_body, span_from_body
from telemetry.documents.signals import span_document
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from processors.assembly.assembler import OpenTrace
    from processors.kernels.protocol import Kernels
    from telemetry.call_graph import Edge, EdgeKey
    from telemetry.otlp import PackedSpan
    from telemetry.span_links import LinkTarget, SpanReference
    from telemetry.spans import Span

_NO_TRACE: Body = {"revision": 0, "exemplars": []}

WindowOf = Callable[[int], int]
"""The start of the window that a time falls into."""


@dataclass(slots=True)
class Publication:
    """A trace as it is to be stored.

    `merged` says that the store had a part of it: `stored_hops` are its newest, `counted_hops` those that windows count.
    """

    graph: CallGraph
    revision: int
    logs: Body
    spans: list[Span]
    new_spans: list[Span]
    merged: bool = False
    stored_revision: int = 0
    stored_hops: dict[str, Body] = field(default_factory=dict)
    counted_hops: list[Body] = field(default_factory=list)
    closed_early: bool = False  # by a limit: more of it may come, and then it is drawn again
    full: bool = False  # it grows no further
    former_ids: frozenset[str] = frozenset()  # of spans that answer a call, as the version before wrote them
    encoded: list[PackedSpan | None] = field(default_factory=list)  # the new spans as they came, where that is known
    hop_documents: list[Document] | None = None  # where they were made with the graph, of a trace of which nothing is stored
    trace_json: bytes | None = None  # of the trace's document, where it was written with the graph: see `EncodedTraceDocument`
    stored_windows: frozenset[int] = frozenset()  # of retracted hops too: a crash may have come before their correction

    def parts(self, partition: int, window_of: WindowOf, kernels: Kernels | None = None) -> list[Document]:
        """Span and hop documents that are not stored yet, retractions included; without kernels in Python alone."""
        if kernels is not None and self.hop_documents is not None:
            return kernels.span_documents(self.new_spans, self.encoded) + self.hop_documents
        drawn = [hop_document(hop, self.revision, partition, window_of(hop.start)) for hop in self.graph.hops]
        windows = {document.body["id"]: document.body["window"] for document in drawn}
        leaving = [body for body in self.counted_hops if windows.get(body["id"]) != body["window"]]
        # A hop that leaves a window is stored with the revision of that, or the retraction would be the newest of it.
        moved = {body["id"] for body in leaving}
        if kernels is None:
            of_spans = list(map(span_document, self.new_spans))
        else:
            of_spans = kernels.span_documents(self.new_spans, self.encoded)
        documents = [_not_over(document, self.former_ids) for document in of_spans]
        for document in drawn:
            stored = self.stored_hops.get(document.body["id"])
            if stored is None or document.body["id"] in moved or not _says_the_same(document.body, stored):
                documents.append(document)
        return documents + [retracted_hop_document(body, self.revision) for body in leaving]

    def trace(self) -> list[Document]:
        """The trace document, unless the store has this revision."""
        if self.merged and self.stored_revision >= self.revision:
            return []
        if self.trace_json is not None and not self.closed_early and not self.full:
            return [EncodedTraceDocument(self.graph, self.trace_json, self.revision, self.logs)]
        document = trace_document(self.graph, self.revision, self.logs)
        if self.closed_early or self.full:
            document.body["cut"] = True
            document.body["completeness"] /= 2  # how much is missing is not known
        if self.full:
            document.body["full"] = True
        return [document]

    def windows(self, window_of: WindowOf) -> set[int]:
        """The windows in which a hop of the trace is or was."""
        return {window_of(hop.start) for hop in self.graph.hops} | self.stored_windows


class Drawing(NamedTuple):
    """With what traces are drawn, and where their hops are counted: by which partition, in windows of so many nanoseconds."""

    kernels: Kernels
    partition: int
    width: int


def publish_trace(trace: OpenTrace, drawing: Drawing | None = None) -> Publication:
    """A trace of which nothing is stored; without a drawing its graph is drawn in Python alone."""
    spans = list(trace.spans.values())
    encoded = [trace.encoded.get(key) for key in trace.spans]
    hops = json = None
    number = revision(len(spans), len(trace.logs), len(trace.exemplars), 0)
    if drawing is None or trace.link_targets or not spans:
        graph = _graph(trace.trace_id, spans, trace.logs.values(), trace.link_targets)
        number = revision(len(spans), len(trace.logs), len(trace.exemplars), len(link_targets_of(graph.hops)))
    else:
        graph, hops, json = drawing.kernels.draw_trace(spans, encoded, HopPlace(number, drawing.partition, drawing.width))
    return Publication(
        graph=graph,
        hop_documents=hops,
        trace_json=None if trace.exemplars else json,  # a measured value may be no number of JSON
        revision=number,
        logs=log_summary(trace.logs.values(), trace.exemplars),
        spans=spans,
        new_spans=spans,
        encoded=encoded,
        closed_early=trace.closed_early,
        full=trace.is_large or is_full(len(spans) + len(trace.logs)),
    )


def merge_trace(
    trace: OpenTrace, traces: list[Body], spans: list[Body], hops: list[Body], logs: list[LogReference]
) -> Publication:
    """A trace joined with its stored documents: all revisions of the trace and its hops, and its spans and logs.

    `traces` is empty where a crash came after the hops were stored.
    """
    stored = [(body, span_from_body(body)) for body in spans]
    known = {span.key: span for _, span in stored}
    merged = known | {key: span for key, span in trace.spans.items() if key not in known}
    all_logs = {log.id: log for log in logs} | trace.logs
    newest = max(traces, key=lambda body: body["revision"], default=_NO_TRACE)
    exemplars = trace.exemplars | {
        ExemplarReference(trace.trace_id, bytes.fromhex(item["span_id"]), item["time"], item["metric"], item["value"])
        for item in newest["exemplars"]
    }
    stored_hops = latest(hops)
    link_targets = link_targets_of(map(hop_from_body, stored_hops))
    for message, item in trace.link_targets.items():
        link_targets[message] = preferred_link_target(link_targets.get(message, item), item)
    graph = _graph(trace.trace_id, merged.values(), all_logs.values(), link_targets)
    return Publication(
        graph=graph,
        revision=revision(len(merged), len(all_logs), len(exemplars), len(link_targets_of(graph.hops))),
        logs=log_summary(all_logs.values(), exemplars),
        spans=list(merged.values()),
        new_spans=[span for key, span in trace.spans.items() if key not in known],
        encoded=[trace.encoded.get(key) for key in trace.spans if key not in known],
        merged=True,
        stored_revision=newest["revision"],
        stored_hops={body["id"]: body for body in stored_hops},
        counted_hops=counted(hops),
        closed_early=trace.closed_early,
        full=is_full(len(merged) + len(all_logs)) or sum(map(_texts, merged.values())) >= MAX_TRACE_BYTES,
        former_ids=frozenset(body.get("_id", "") for body, span in stored if span.side),
        stored_windows=frozenset(body["window"] for body in hops),
    )


def store_only(trace: OpenTrace, revision: int, hops: list[Body]) -> Publication:
    """The spans of a trace whose graph stays as it is stored, for it is full there: they are stored, and nothing else.

    Args:
        trace: what came of it since.
        revision: of its newest stored document.
        hops: stored hops whose windows may have to be counted again, where a crash may have come before they were.
    """
    return Publication(
        graph=_graph(trace.trace_id, [], [], {}),
        revision=revision,
        logs={},
        spans=[],
        new_spans=list(trace.spans.values()),
        encoded=[trace.encoded.get(key) for key in trace.spans],
        merged=True,
        stored_revision=revision,
        stored_windows=frozenset(body["window"] for body in hops),
    )


def corrections(hops: Iterable[Body], published: Iterable[Body], width: int, partition: int) -> list[Document]:
    """Edge documents that make the published ones of a window add up to what its hops say."""
    hops = list(hops)
    newest = latest(hops)
    actual = {key: edge for (key, _), edge in aggregate(map(hop_from_body, newest), width).items()}
    last_published: dict[EdgeKey, Edge] = {}
    for edge in map(edge_from_body, published):
        last_published[edge.key] = merge(last_published[edge.key], edge) if edge.key in last_published else edge
    # All revisions ever seen of the window's hops: a window may come back to where it was, and is another one then.
    state_of_hops = digest(*sorted(f"{body['id']}.{body['revision']}.{bool(body.get('retracted'))}" for body in hops))
    documents = []
    for key in sorted(actual.keys() | last_published.keys()):
        if key not in last_published:
            documents.append(edge_document(actual[key], partition, state_of_hops))
            continue
        before = last_published[key]
        difference = subtract(actual[key], before) if key in actual else subtract(_nothing(before), before)
        if not is_empty(difference):
            state = digest(state_of_hops, orjson.dumps([before.calls, before.failures, before.latency_sum]))
            documents.append(edge_document(difference, partition, state, correction=True))
    return documents


def _not_over(document: Document, former_ids: frozenset[str]) -> Document:
    """A span's document, not under the id that the version before gave to the other side of the call."""
    if document.id not in former_ids:
        return document
    return Document(document.kind, f"{document.id}.caller", document.time, document.body)


def _nothing(edge: Edge) -> Edge:
    return subtract(edge, edge)


def _texts(span: Span) -> int:
    """Characters of a span's attributes, about: what makes a large span large."""
    return sum(len(value) for value in span.attributes.values() if isinstance(value, (str, bytes)))


def _says_the_same(body: Body, stored: Body) -> bool:
    stored = {"environment": DEFAULT_ENVIRONMENT, **stored}  # 0.2.0 wrote none
    return all(stored.get(name) == value for name, value in body.items() if name not in {"revision", "partition", "window"})


def _graph(
    trace_id: bytes, spans: Iterable[Span], logs: Iterable[LogReference], link_targets: Mapping[SpanReference, LinkTarget]
) -> CallGraph:
    spans = list(spans)
    if spans:
        return call_graph(spans, link_targets.values())
    times = [log.time for log in logs] or [0]
    return CallGraph(trace_id, min(times), max(times), 0, b"", "", "", (), (), (), (), (), 0, 0.0)
