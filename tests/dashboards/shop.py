"""A small shop's documents: healthy traces, then slow and failing ones with all that follows from them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from alerting.alert_state import AlertChange, AlertState, fingerprint
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.notify.sender import Delivery
from alerting.playbooks.model.incident import ActionCall, Check, Incident, IncidentState, Progress, StepRun
from processors.assembly.assembler import LogReference, log_summary, revision
from processors.assembly.edges import aggregate
from processors.call_graph import call_graph
from spanloom.components import NOTIFIERS
from telemetry.audit import Chain
from telemetry.documents import (
    Kind,
    anomaly_document,
    culprits_document,
    edge_document,
    hop_document,
    incident_document,
    link_query_document,
    trace_document,
)
from telemetry.documents.signals import log_document, span_document
from telemetry.findings import Anomaly, AnomalyKind, CulpritRanking, Evidence, Suspect
from telemetry.logs import ERROR, LogRecord
from telemetry.metrics import Series
from telemetry.resource import Resource
from telemetry.sentences.wording import Wording
from telemetry.spans import Span, SpanEvent, SpanKind, SpanLink, StatusCode

if TYPE_CHECKING:
    from telemetry.call_graph import Hop
    from telemetry.documents import Document

NOW = 1_800_000_000_000_000_000
SECOND, MS = 1_000_000_000, 1_000_000
WINDOW = 5 * SECOND
TRACES = 60
FAULTY_FROM = 40
"""One trace every ten seconds up to NOW; from this one on payment is slow, and every fifth of them fails."""
SKEWED, BEHIND = 7, 150 * MS
"""In this trace the clock of payment is behind the others'."""
LINKED = 9
"""The root of this trace is linked to that of the one before it."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What one request sent."""

    id: bytes
    spans: list[Span]
    logs: list[LogRecord]


def trace(number: int) -> Trace:
    """A request to buy: frontend, checkout, then payment (by gRPC), the database, and a message to shipping."""
    trace_id = hashlib.blake2b(str(number).encode(), digest_size=16).digest()
    start = NOW - (TRACES - number) * 10 * SECOND
    faulty = number >= FAULTY_FROM
    failed = faulty and number % 5 == 0
    pay = 400 * MS if faulty else 20 * MS
    status = StatusCode.ERROR if failed else StatusCode.UNSET

    def span(own: int, parent: int, service: str, kind: SpanKind, name: str, at: int, took: int, **attributes: object) -> Span:
        resource = Resource({"service.name": service, "service.instance.id": f"{service}-1"})
        ids = own.to_bytes(8, "big"), parent.to_bytes(8, "big") if parent else b""
        return Span(
            trace_id,
            *ids,
            name,
            kind,
            start + at,
            start + at + took,
            resource,
            attributes={key.replace("_", "."): value for key, value in attributes.items()},
        )

    spans = [
        span(1, 0, "frontend", SpanKind.SERVER, "POST /buy", 0, pay + 60 * MS, http_route="/buy"),
        span(2, 1, "frontend", SpanKind.CLIENT, "POST", 5 * MS, pay + 50 * MS),
        span(3, 2, "checkout", SpanKind.SERVER, "POST /checkout", 8 * MS, pay + 44 * MS, http_route="/checkout"),
        span(4, 3, "checkout", SpanKind.CLIENT, "Payment/Charge", 12 * MS, pay + 6 * MS),
        replace(
            span(5, 4, "payment", SpanKind.SERVER, "Payment/Charge", 15 * MS, pay),
            status=status,
            status_message="card declined" if failed else "",
            events=(SpanEvent(start + 20 * MS, "exception", {"exception.type": "Declined"}),) if failed else (),
        ),
        span(
            6,
            3,
            "checkout",
            SpanKind.CLIENT,
            "INSERT orders",
            pay + 20 * MS,
            9 * MS,
            db_system_name="sqlite",
            db_namespace="orders",
        ),
        span(7, 3, "checkout", SpanKind.PRODUCER, "paid publish", pay + 32 * MS, 4 * MS),
        span(8, 7, "shipping", SpanKind.CONSUMER, "paid process", pay + 46 * MS, 25 * MS),
    ]
    behind = BEHIND if number == SKEWED else 0
    if number == LINKED:
        spans[0] = replace(spans[0], links=(SpanLink(trace(number - 1).id, spans[0].span_id),))
    spans[4] = replace(spans[4], start=spans[4].start - behind, end=spans[4].end - behind)
    text = f"charged order {number}" if not failed else f"card of order {number} declined <b>now</b>"
    logs = [
        LogRecord(
            start + 40 * MS - behind,
            text,
            spans[4].resource,
            severity=ERROR if failed else 9,
            severity_text="ERROR" if failed else "INFO",
            trace_id=trace_id,
            span_id=spans[4].span_id,
        )
    ]
    return Trace(trace_id, spans, logs)


def trace_documents(one: Trace) -> tuple[list[Document], list[Hop]]:
    """What is stored of a trace, and its hops."""
    graph = call_graph(one.spans)
    logs = [log_document(log) for log in one.logs]
    references = [LogReference(one.id, log.id, log.time, log.body["severity_number"]) for log in logs]
    number = revision(len(one.spans), len(logs), 0, 0)
    documents = [span_document(span) for span in one.spans] + logs
    documents += [hop_document(hop, number, 0, hop.start - hop.start % WINDOW) for hop in graph.hops]
    return [*documents, trace_document(graph, number, log_summary(references, ()))], list(graph.hops)


def edge_documents(hops: list[Hop]) -> list[Document]:
    """What is stored of the edges of these hops, in two partitions."""
    documents = []
    for partition in (0, 1):
        own = [hop for hop in hops if hop.trace_id[-1] % 2 == partition]
        documents += [edge_document(edge, partition, "all") for edge in aggregate(own, WINDOW).values()]
    return documents


SLOWER = Wording.TIME_ADDED(operation="Payment/Charge", before="20 ms", after="400 ms", where=Wording.IN_ITSELF(), share="94%")
DECLINED = Wording.EVENT_SINCE(
    operation="Payment/Charge",
    event=Wording.EVENT_ERROR_LOG(),
    name="'card declined'",
    before=0,
    before_all=40,
    after=6,
    after_all=20,
)
"""What speaks against payment."""


def signal_documents() -> list[Document]:
    """An anomaly, a ranking, an alert that fires and one that resolved, a notification, a repair and its audit trail."""
    begun = NOW - 200 * SECOND
    slow = trace(FAULTY_FROM + 1).id
    anomalies = [
        Anomaly(
            kind=AnomalyKind.LATENCY,
            series=Series("latency", (("service", "payment"),)),
            service="payment",
            operation="Payment/Charge",
            start=begun + number * WINDOW,
            end=begun + (number + 1) * WINDOW,
            score=0.97,
            expected=0.02,
            seen=0.4,
            unit="s",
            why=Wording.MEASURED_TIMES(
                subject=Wording.SUBJECT_SERIES(series="latency", service="payment"),
                seen="400 ms",
                expected="20 ms",
                times=Wording.TIMES(number="20"),
                score="0.97",
            ),
            trace_ids=(slow,),
        )
        for number in range(3)
    ]
    evidence = (
        Evidence("trace", 0.8, SLOWER, (slow,)),
        Evidence("log", 0.3, DECLINED),
    )
    culprits = CulpritRanking(
        begun + 16 * SECOND, "default", "a", (Suspect("payment", 0.91, evidence=evidence), Suspect("checkout", 0.2))
    )
    return [
        *map(anomaly_document, anomalies),
        culprits_document(culprits),
        *(change.document() for change in _alerts(begun)),
        *_notifications(begun + 25 * SECOND),
        *_repair(begun + 30 * SECOND),
    ]


ALERT = fingerprint({"alertname": "SlowService", "service": "payment", "severity": "page"})
"""Of the alert of payment, which fires."""


def _alerts(begun: int) -> list[AlertChange]:
    def change(name: str, service: str, state: AlertState, time: int, ends: int = 0) -> AlertChange:
        labels = {"alertname": name, "service": service, "severity": "page"}
        summary = {"summary": f"{service} answers slowly"}
        starts = begun + 20 * SECOND if state is not AlertState.PENDING else 0
        return AlertChange(
            fingerprint(labels), state, labels, summary, 0.4, time, begun + 10 * SECOND, starts, ends, "shop", "p95 > 0.2"
        )

    return [
        change("SlowService", "payment", AlertState.PENDING, begun + 10 * SECOND),
        change("SlowService", "payment", AlertState.FIRING, begun + 20 * SECOND),
        change("SlowService", "cart", AlertState.FIRING, begun + 20 * SECOND),
        change("SlowService", "cart", AlertState.RESOLVED, begun + 90 * SECOND, begun + 90 * SECOND),
    ]


ODD, ODD_WHY = (
    59,
    Wording.TRACE_ODD(
        root="frontend GET /cart", parts=(Wording.PART_REPEATED(place="cart Cart/Get", times=12, most=8, total=400),)
    ),
)
"""The newest trace, and why it is unusual as a whole."""
OLD_VERSION, NEW_VERSION = "1.4.0", "1.5.0"


def odd_trace_document() -> Document:
    """The anomaly of a trace as a whole."""
    odd = trace(ODD)
    start = odd.spans[0].start
    return anomaly_document(
        Anomaly(
            kind=AnomalyKind.TRACE,
            series=Series("spanloom_odd_traces", (("service", "frontend"),)),
            service="frontend",
            start=start,
            end=start + SECOND,
            score=0.93,
            expected=8,
            seen=12,
            unit="1",
            why=ODD_WHY,
            trace_ids=(odd.id,),
        )
    )


def in_versions(stored: list[Document]) -> list[Document]:
    """The same documents, with spans of shipping that say their version: a new one since payment is slow."""
    deployed = trace(FAULTY_FROM).spans[0].start
    return [_in_version(one, NEW_VERSION if one.time >= deployed else OLD_VERSION) for one in stored]


def _in_version(one: Document, version: str) -> Document:
    attributes = one.body["resource"]["attributes"] if one.kind is Kind.SPAN else {}
    if attributes.get("service.name") != "shipping":
        return one
    return replace(one, body=one.body | {"resource": {"attributes": attributes | {"service.version": version}}})


ROUTES = """
route: {receiver: on-call, group_by: [alertname, service], group_wait: 0s}
receivers: [{name: on-call, webhook_configs: [{url: "http://127.0.0.1:1/"}]}]
topology_inhibit_rules: [{culprit_matchers: [service="payment"]}]
"""


def _notifications(fired: int) -> list[Document]:
    """Payment's alert is told; cart's is not, for cart calls payment by way of checkout."""
    manager = Alertmanager(parse_config(ROUTES, "routes.yml", NOTIFIERS))
    manager.see_calls([("cart", "checkout"), ("checkout", "payment")], fired)
    manager.handle([change for change in _alerts(fired - 25 * SECOND) if change.state is AlertState.FIRING], fired)
    look = manager.advance(fired)
    (sent,) = look.notifications
    return [*look.documents, manager.settle(Delivery(sent, delivered=True, attempts=2, time=fired + SECOND))]


def _repair(opened: int) -> list[Document]:
    def step(name: str, phase: str, action: str, started: int) -> StepRun:
        call = ActionCall(action, {"service": "payment"}, 30 * SECOND)
        done = {"progress": Progress.DONE, "started": started, "ended": started + 2 * SECOND, "detail": "200 OK"}
        return StepRun(name, phase, call, idempotent=True, inverse=None, **done)  # type: ignore[arg-type]  # as above

    incident = Incident(
        id="incident-1",
        playbook="restart-the-culprit",
        revision="r1",
        environment="default",
        event="matched",
        service="payment",
        instance="payment-1",
        fingerprint="f",
        source="alert",
        labels={"service": "payment"},
        trace_ids=[],
        instances=1,
        traffic_share=0.2,
        steps=[
            step("take-out", "isolate", "isolate", opened + SECOND),
            step("restart", "repair", "restart", opened + 4 * SECOND),
        ],
        check=Check("p95 < 0.1", 10 * SECOND, 60 * SECOND),
        state=IncidentState.REPAIRING,
        opened=opened,
    )
    chain = Chain("demo")
    events: list[tuple[str, dict[str, Any]]] = [
        ("matched", {"playbook": incident.playbook}),
        ("step-started", {"step": "restart"}),
        (
            "verified",
            {"expression": "p95 < 0.1\n and errors < 1", "samples": [{"labels": {}, "value": 0.05}], "by": {"who": "ann"}},
        ),
    ]
    records = [
        chain.append(opened + number * SECOND, event, data, incident.id).document()
        for number, (event, data) in enumerate(events)
    ]
    repairing = incident.plain() | {"revision": 2}
    ended = opened + 40 * SECOND
    incident.why = Wording.RECOVERY_VERIFIED()
    for one in incident.steps:
        one.detail = Wording.STEP_DONE()
    closed = incident.plain() | incident.parts() | {"revision": 3, "state": "closed", "ended": ended}
    return [*records, incident_document(repairing, opened + 4 * SECOND), incident_document(closed, ended)]


def documents() -> list[Document]:
    """All of it."""
    stored, hops = [], []
    for number in range(1, TRACES):
        of_trace, of_hops = trace_documents(trace(number))
        stored += of_trace
        hops += of_hops
    unseen = link_query_document(b"elsewhere-------", b"sender--", trace(1).id, NOW - SECOND)
    return [*stored, *edge_documents(hops), *signal_documents(), unseen]


STAGED = 10
"""Traces of the same shop in another environment."""


def staging_documents() -> list[Document]:
    """The same services in the environment staging, where all goes well, with the spans, hops and edges of their traces."""
    documents, hops = [], []
    for number in range(STAGED):
        made = trace(number + 20)
        trace_id = made.id[::-1]
        spans = [
            replace(
                span,
                trace_id=trace_id,
                resource=Resource({**span.resource.attributes, "deployment.environment.name": "staging"}),
            )
            for span in made.spans
        ]
        own, its_hops = trace_documents(Trace(trace_id, spans, []))
        documents += own
        hops += its_hops
    return documents + edge_documents(hops)


LARGE, LARGE_SPANS = b"large-trace-----", 20_000
LARGE_FAILED = 2_000
"""Each such span of it has failed."""


def large_documents() -> list[Document]:
    """A trace of LARGE_SPANS spans, six below each, in a dozen services; no logs."""
    services = [Resource({"service.name": f"service-{number}"}) for number in range(12)]
    spans = []
    for number in range(LARGE_SPANS):
        start = NOW - 60 * SECOND + number * MS
        parent = (number - 1) // 6 + 1 if number else 0
        ids = (number + 1).to_bytes(8, "big"), parent.to_bytes(8, "big") if parent else b""
        took = LARGE_SPANS * MS if not number else (number * 7919 % 50 + 1) * MS
        span = Span(
            LARGE,
            *ids,
            f"step {number % 40}",
            SpanKind.INTERNAL,
            start,
            start + took,
            services[number % 12],
            attributes={"customer": number, "http.route": "/step"},
        )
        spans.append(replace(span, status=StatusCode.ERROR) if number % LARGE_FAILED == 1 else span)
    return trace_documents(Trace(LARGE, spans, []))[0]
