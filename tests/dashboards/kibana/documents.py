"""Traces, one with a late span, as documents made by the functions of the pipeline: few enough to add up by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.assembly.assembler import LogReference, OpenTrace
from processors.assembly.edges import aggregate
from processors.assembly.reconcile import corrections, merge_trace, publish_trace
from telemetry.documents import Document, Kind, edge_document
from telemetry.documents.signals import log_document
from telemetry.logs import ERROR, LogRecord
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind, StatusCode

if TYPE_CHECKING:
    from telemetry.documents import Body

MILLISECOND, SECOND = 10**6, 10**9
NOON = 1_700_000_000 * SECOND
WIDTH = 5 * SECOND
TRACES = 12
LATE = 4
"""Which span of the first trace comes late: the payment's."""


def documents() -> list[Document]:
    """Traces of three services and a database.

    The payment's span of the first trace comes late: a call to somewhere becomes one to payment, so there are a new
    revision, a retracted hop, and a correction.
    """
    made: list[Document] = []
    first: list[Document] = []
    for number in range(TRACES):
        spans, log = shop_trace(number)
        made.append(log_document(log))
        reference = LogReference(log.trace_id, made[-1].id, log.time, log.severity)
        known = [span for span in spans if number or span is not spans[LATE]]
        open_trace = OpenTrace(log.trace_id, {span.span_id: span for span in known}, {reference.id: reference})
        published = publish_trace(open_trace)
        parts = published.parts(0, window_of) + published.trace()
        made += parts
        if number == 0:
            first = parts
        for edge in aggregate(published.graph.hops, WIDTH).values():
            made.append(edge_document(edge, 0, f"trace {number}"))
    spans, log = shop_trace(0)
    late = spans[LATE]
    merged = merge_trace(
        OpenTrace(late.trace_id, {late.span_id: late}),
        traces=bodies(first, Kind.TRACE),
        spans=bodies(first, Kind.SPAN),
        hops=bodies(first, Kind.HOP),
        logs=[LogReference(log.trace_id, made[0].id, log.time, log.severity)],
    )
    more = merged.parts(0, window_of) + merged.trace()
    window = window_of(late.start)
    hops = [body for body in bodies(made + more, Kind.HOP) if body["window"] == window]
    edges = [body for body in bodies(made, Kind.EDGE) if body["window"] == window]
    return made + more + corrections(hops, edges, WIDTH, 0)


def window_of(time: int) -> int:
    return time - time % WIDTH


def bodies(made: list[Document], kind: Kind) -> list[Body]:
    return [document.body for document in made if document.kind is kind]


def shop_trace(number: int) -> tuple[list[Span], LogRecord]:
    """frontend calls checkout, which calls payment and a database; every fourth payment fails and says so."""
    trace_id = (number + 1).to_bytes(16, "big")
    start = NOON + number * SECOND
    failing = number % 4 == 3

    def span(place: int, parent: int, service: str, kind: SpanKind, at: int, took: int, **attributes: str) -> Span:
        return Span(
            trace_id,
            place.to_bytes(8, "big"),
            parent.to_bytes(8, "big") if parent else b"",
            f"{service} work",
            kind,
            start + at * MILLISECOND,
            start + (at + took) * MILLISECOND,
            Resource({"service.name": service, "deployment.environment.name": "test"}),
            status=StatusCode.ERROR if failing and service == "payment" else StatusCode.UNSET,
            attributes={"server.address": "there"} | attributes,
        )

    spans = [
        span(1, 0, "frontend", SpanKind.SERVER, 0, 100),
        span(2, 1, "frontend", SpanKind.CLIENT, 5, 90),
        span(3, 2, "checkout", SpanKind.SERVER, 10, 80),
        span(4, 3, "checkout", SpanKind.CLIENT, 15, 40),
        span(5, 4, "payment", SpanKind.SERVER, 20, 30 + number),
        span(6, 3, "checkout", SpanKind.CLIENT, 60, 10, **{"db.system.name": "postgresql", "db.namespace": "orders"}),
    ]
    log = LogRecord(
        spans[4].end,
        "card declined" if failing else "paid",
        spans[4].resource,
        severity=ERROR if failing else 9,
        severity_text="ERROR" if failing else "INFO",
        trace_id=trace_id,
        span_id=spans[4].span_id,
    )
    return spans, log
