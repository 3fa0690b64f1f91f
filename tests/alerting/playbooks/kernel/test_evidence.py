from __future__ import annotations

from alerting.playbooks.kernel.evidence import CALLS_KEPT, MAX_SERVICES, QUOTED, WINDOW, IncidentEvidence
from processors.root_cause.sampled_trace import SampledTrace, sampled_trace
from telemetry.findings import Anomaly, AnomalyKind, CulpritRanking, Suspect
from telemetry.metrics import Series
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind, StatusCode

NOW = 10**18
MS = 10**6


def call(number: int, milliseconds: int, *, failed: bool = False, service: str = "cart", end: int = NOW) -> SampledTrace:
    status = StatusCode.ERROR if failed else StatusCode.UNSET
    trace_id, resource = number.to_bytes(16, "big"), Resource({"service.name": service})
    start = end - milliseconds * MS
    return sampled_trace([Span(trace_id, b"12345678", b"", "GET /", SpanKind.SERVER, start, end, resource, status=status)])


def quoted(evidence: IncidentEvidence) -> list[int]:
    return [int(trace_id, 16) for trace_id in evidence.quote("cart", NOW)["trace_ids"]]


def test_failed_calls_are_quoted_before_slow_ones_and_few_of_them() -> None:
    evidence = IncidentEvidence()
    calls = [call(1, 5), call(2, 900), call(3, 1, failed=True), call(4, 70), call(5, 60), call(6, 50), call(7, 40)]
    evidence.add_traces([*calls, call(8, 9999, service="shop")])
    assert quoted(evidence) == [3, 2, 4, 5, 6]
    assert QUOTED == 5


def test_of_each_series_the_newest_anomaly_is_quoted_and_the_oddest_series_first() -> None:
    evidence = IncidentEvidence()
    for series, score, seen in (("a", 0.9, 1.0), ("b", 0.95, 2.0), ("a", 0.85, 3.0)):
        named = Series(series, (("service", "cart"),))
        evidence.add_anomaly(Anomaly(AnomalyKind.LATENCY, named, "cart", NOW - 1, NOW, score, 0.1, seen, "s", "why"))
    quoted = evidence.quote("cart", NOW)["anomalies"]
    assert [(each["series"], each["seen"]) for each in quoted] == [("b", 2.0), ("a", 3.0)]


def test_what_is_old_is_not_quoted() -> None:
    evidence = IncidentEvidence()
    evidence.add_traces([call(1, 900, end=NOW - WINDOW)])
    evidence.add_ranking(CulpritRanking(NOW - WINDOW, "default", "a", (Suspect("cart", 3.0),)))
    assert evidence.quote("cart", NOW) == {"anomalies": [], "trace_ids": []}


def test_what_is_remembered_is_bounded_in_services_and_calls() -> None:
    evidence = IncidentEvidence()
    for number in range(3 * MAX_SERVICES):
        evidence.add_traces([call(number, 1, service=f"s{number}")])
    for number in range(10 * CALLS_KEPT):
        evidence.add_traces([call(number, 1)])
    assert len(evidence._seen) == MAX_SERVICES
    assert len(evidence._seen["cart"].calls) == CALLS_KEPT
