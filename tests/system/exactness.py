"""What a crash must not change: the telemetry that is sent, and what is stored of it in a form that can be compared."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx2

from processors.assembly.edges import edge_from_body, is_empty, merge
from stores.store import Query
from telemetry import otlp
from telemetry.documents import Kind, latest
from telemetry.logs import LogRecord
from telemetry.metrics import Buckets, DataPoint, Exemplar, Metric, MetricType, Temporality
from telemetry.spans import Span, SpanKind, SpanLink
from tests.generated import RESOURCES, logs, traces

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from stores.store import Store

QUICK = {
    "SPANLOOM_ASSEMBLE__QUIET": "1",
    "SPANLOOM_ASSEMBLE__LATENESS": "2",
    "SPANLOOM_ASSEMBLE__IDLE": "1",
    "SPANLOOM_ACT__LOOK_BACK": "5",
}
EVERYTHING = 10_000_000
KINDS = (Kind.SPAN, Kind.LOG, Kind.METRIC, Kind.TRACE, Kind.HOP, Kind.EDGE)


IN_NAMESPACE = {
    name: replace(resource, attributes={**resource.attributes, "service.namespace": "eu"})
    for name, resource in RESOURCES.items()
}
"""The same services in a namespace: they are others."""

IN_STAGING = {
    name: replace(resource, attributes={**resource.attributes, "deployment.environment.name": "staging"})
    for name, resource in RESOURCES.items()
}
"""The same services in another environment: so are these."""

LARGE = 6000
"""Spans of one trace among the others: as a request, 4.4 MB, it is larger than any record."""


UNTIMED = "untimed"
"""What log records and points without a time say."""

GROUP = 20
"""Traces of a request; a trace of its own receives the messages of all of them."""


def spans_of(count: int) -> int:
    """How many spans so many traces have, with what `requests` adds."""
    return count * 12 + count // GROUP + LARGE


def traces_of(count: int) -> int:
    """How many traces there are of them."""
    return count + count // GROUP


def points_of(count: int) -> int:
    """How many data points are sent with them."""
    return count // GROUP * 4


def requests(count: int) -> Iterator[tuple[str, bytes]]:
    """Export requests of about 20 traces: their spans mixed as several services would send them, their logs and latencies.

    The first trace has LARGE spans more. Messages are received before all of their senders are told of, or long after.
    """
    chance = random.Random(5)
    late: list[Span] = []
    waiting: list[Any] = []
    for number, spans in enumerate(traces(count)):
        sent = sharing_ids(spans) if number % 3 == 1 else spans
        named = IN_NAMESPACE if number % 5 == 2 else IN_STAGING if number % 7 == 3 else RESOURCES
        waiting.append([replace(span, resource=named[span.service]) for span in sent])
        if len(waiting) == GROUP:
            mixed = [span for trace in waiting for span in trace] + late
            received = receiver(waiting)
            late = [received] if chance.random() < 0.5 else []
            chance.shuffle(mixed)
            if not late:
                yield "traces", otlp.encode_spans([received])
            yield "traces", otlp.encode_spans(mixed[::2])
            yield "logs", otlp.encode_logs([record for trace in waiting for record in logs(trace)])
            yield "metrics", otlp.encode_metrics(latencies(waiting))
            yield "logs", otlp.encode_logs([LogRecord(0, f"{UNTIMED} {number}", RESOURCES["mail"])] * 2)
            yield "metrics", otlp.encode_metrics([untimed(number)])
            yield "traces", otlp.encode_spans(mixed[1::2])
            waiting.clear()
    if late:
        yield "traces", otlp.encode_spans(late)
    first = next(traces(1))[0].trace_id
    large = [replace(span, trace_id=first) for spans in traces(LARGE // 12, seed=2) for span in spans]
    for start in range(0, LARGE, 500):
        yield "traces", otlp.encode_spans(large[start : start + 500])


def sharing_ids(spans: list[Span]) -> list[Span]:
    """The spans of a trace as Zipkin's tracers write them: both sides of a call have the client's id and parent."""
    clients = {span.span_id: span for span in spans if span.kind is SpanKind.CLIENT}
    shared = {span.span_id: clients[span.parent_span_id] for span in spans if span.side and span.parent_span_id in clients}

    def sent(span: Span) -> Span:
        if span.span_id in shared:
            client = shared[span.span_id]
            return replace(sent(client), name=span.name, kind=span.kind, start=span.start, end=span.end,
                           resource=span.resource, status=span.status, attributes=span.attributes)  # fmt: skip
        above = shared.get(span.parent_span_id)
        return span if above is None else replace(span, parent_span_id=above.span_id)

    return list(map(sent, spans))


def receiver(traces_of: list[list[Span]]) -> Span:
    """A batch receive of the messages of these traces, and of one that nobody has seen."""
    senders = [spans[-2] for spans in traces_of]
    links = [SpanLink(sender.trace_id, sender.span_id) for sender in senders]
    trace_id, span_id = senders[0].trace_id[::-1], senders[0].span_id[::-1]
    start = max(sender.end for sender in senders) + 10_000_000
    attributes = {"messaging.system": "kafka", "messaging.destination.name": "stock"}
    unseen = SpanLink(trace_id[::2] * 2, span_id)
    return Span(
        *(trace_id, span_id, b"", "receive stock", SpanKind.CONSUMER, start, start + 5_000_000, RESOURCES["mail"]),
        attributes=attributes,
        links=(*links, unseen),
    )


def untimed(number: int) -> Metric:
    """Two equal points without a time, and one of another value."""
    points = tuple(DataPoint(0, value=value) for value in (number, number, number + 0.5))
    return Metric(UNTIMED, MetricType.GAUGE, points, RESOURCES["mail"])


def latencies(traces_of: list[list[Span]]) -> list[Metric]:
    """The durations of the traces' roots as a histogram, with an exemplar of each trace."""
    roots = [spans[-1] for spans in traces_of]
    seconds = [root.duration / 1e9 for root in roots]
    exemplars = tuple(
        Exemplar(root.end, taken, root.trace_id, root.span_id) for root, taken in zip(roots, seconds, strict=True)
    )
    counts = tuple(sum(low < taken <= high for taken in seconds) for low, high in pairwise((0.0, 0.05, 0.1, 1e9)))
    time = max(root.end for root in roots)
    point = DataPoint(time, count=len(roots), total=sum(seconds), buckets=Buckets((0.05, 0.1), counts), exemplars=exemplars)
    name = "http.server.request.duration"
    temporality = Temporality.DELTA
    return [Metric(name, MetricType.HISTOGRAM, (point,), roots[0].resource, unit="s", temporality=temporality)]


def send_all(url: str, count: int, pause: float, done: threading.Event) -> None:
    """Send until acknowledged, over restarts: what is acknowledged may not be lost, what is not is sent again."""
    try:
        with httpx2.Client(timeout=20) as client:
            for path, body in requests(count):
                while True:
                    try:
                        answer = client.post(
                            f"{url}/v1/{path}", content=body, headers={"content-type": "application/x-protobuf"}
                        )
                        if answer.is_success:
                            break
                    except httpx2.HTTPError:
                        pass
                    time.sleep(0.05)
                time.sleep(pause)
    finally:
        done.set()


async def documents(store: Store) -> dict[str, Any]:
    """What is stored. Asserts that no id is there twice.

    Edges are folded: into how many documents a window's calls are divided, and which of these are corrections, tells when it
    was sealed, which a crash changes; what they add up to may not change. What the pipeline says of itself is left out.
    """
    found = {kind: await store.find(Query(kind, limit=EVERYTHING)) for kind in KINDS}
    for kind, bodies in found.items():
        assert len({body["_id"] for body in bodies}) == len(bodies), f"a {kind} is there twice"
    edges: dict[Any, Any] = {}
    for edge in map(edge_from_body, found[Kind.EDGE]):
        place = (edge.key, edge.start)
        edges[place] = merge(edges[place], edge) if place in edges else edge
    return {
        "spans": {body["_id"]: body for body in found[Kind.SPAN]},
        "logs": {body["_id"]: anytime(body, body["body"]["text"]) for body in found[Kind.LOG]},
        "metrics": {
            body["_id"]: anytime(body, body["name"]) for body in found[Kind.METRIC] if not body["name"].startswith("spanloom.")
        },
        "traces": {body["id"]: without(body) for body in latest(found[Kind.TRACE])},
        "hops": {body["id"]: without(body) for body in latest(found[Kind.HOP])},
        "edges": {
            place: (edge.calls, edge.failures, edge.latency_sum, edge.latency.positive)
            for place, edge in edges.items()
            if not is_empty(edge)
        },
    }


def without(body: dict[str, Any]) -> dict[str, Any]:
    """A document without its revision, which tells how it came to be and not what it is."""
    return {name: value for name, value in body.items() if name not in {"revision", "_id"}}


def anytime(body: dict[str, Any], said: str) -> dict[str, Any]:
    """A document; of one without a time, that of its arrival is another each time."""
    return {name: value for name, value in body.items() if name != "@timestamp"} if said.startswith(UNTIMED) else body


def assert_same(undisturbed: dict[str, Any], disturbed: dict[str, Any]) -> None:
    """Id by id."""
    for kind, expected in undisturbed.items():
        missing, unknown = expected.keys() - disturbed[kind].keys(), disturbed[kind].keys() - expected.keys()
        assert not (missing | unknown), (kind, len(missing), len(unknown), list(missing)[:2], list(unknown)[:2])
        differing = {id_: (expected[id_], disturbed[kind][id_]) for id_ in expected if disturbed[kind][id_] != expected[id_]}
        assert not differing, (kind, len(differing), next(iter(differing.items())))
