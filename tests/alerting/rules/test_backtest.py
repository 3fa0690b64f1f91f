"""Rules over stored documents: the same engine, so the same answers as live."""

from __future__ import annotations

from alerting.alert_state import AlertState
from alerting.rules.backtest import backtest, reads
from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from alerting.rules.history import (
    anomaly_history,
    culprit_history,
    hop_history,
    log_history,
    metric_history,
    notified_after,
    span_history,
)
from components.durations import HOUR, MINUTE, SECOND
from telemetry.call_graph import Hop, Node, NodeKind
from telemetry.documents import anomaly_document, culprits_document, hop_document
from telemetry.documents.signals import log_document, metric_document, span_document
from telemetry.findings import Anomaly, AnomalyKind, CulpritRanking, Suspect
from telemetry.logs import LogRecord
from telemetry.metrics import Buckets, DataPoint, Metric, MetricType, Point, Series, Temporality
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind, StatusCode

START = 1_700_000_100 * SECOND
RULES = """
groups:
- name: g
  interval: 15s
  rules:
  - record: load:avg
    expr: avg by (service) (load)
  - alert: Busy
    expr: load:avg > 1
    for: 30s
"""


def load(values: list[float]) -> list[Point]:
    return [Point(Series("load", (("service", "cart"),)), START + i * 15 * SECOND, value) for i, value in enumerate(values)]


def test_a_backtest_says_what_live_evaluation_said() -> None:
    values = [0.5, 2, 2, 2, 2, 0.5, 2, 0.5, 2, 2, 2, 2]
    engine = AlertEngine(parse_rules(RULES, "r.yml"))
    live = []
    for point in load(values):
        engine.add([point])
        live += engine.advance(point.time)
    result = backtest(parse_rules(RULES, "r.yml"), reversed(load(values)))
    fired = [change.time for change in live if change.state is AlertState.FIRING]
    resolved = [change.time for change in live if change.state is AlertState.RESOLVED]
    assert [firing.fired_at for firing in result.firings] == fired
    assert [firing.resolved_at for firing in result.firings] == [*resolved, 0]
    assert (result.never_fired, result.points, result.errors) == (1, len(values), {})


def test_nothing_stored_gives_nothing() -> None:
    assert backtest(parse_rules(RULES, "r.yml"), []).firings == []


def body(document: object) -> dict[str, object]:
    return {**document.body, "@timestamp": document.time, "_id": document.id}  # type: ignore[attr-defined]


def test_stored_metrics_become_the_series_they_were() -> None:
    resource = Resource({"service.name": "cart"})
    counter = Metric("hits", MetricType.SUM, (DataPoint(START, attributes={"a.b": "ü"}, value=7),), resource,
                     temporality=Temporality.CUMULATIVE, monotonic=True)  # fmt: skip
    histogram = Metric("took", MetricType.HISTOGRAM,
                       (DataPoint(START, count=3, total=1.5, buckets=Buckets((0.1, 1.0), (1, 1, 1))),), resource, unit="s",
                       temporality=Temporality.CUMULATIVE)  # fmt: skip
    bodies = [body(metric_document(metric, point)) for metric in (counter, histogram) for point in metric.points]
    found = {(point.series.name, point.series.label("le")): point.value for point in metric_history(bodies)}
    assert found == {
        ("hits_total", ""): 7.0,
        ("took_seconds_count", ""): 3.0,
        ("took_seconds_sum", ""): 1.5,
        ("took_seconds_bucket", "0.1"): 1.0,
        ("took_seconds_bucket", "1"): 2.0,
        ("took_seconds_bucket", "+Inf"): 3.0,
    }


def test_stored_conclusions_become_scores() -> None:
    series = Series("latency", (("service", "cart"),))
    anomaly = Anomaly(AnomalyKind.LATENCY, series, "cart", START, START + MINUTE, 0.95, 1, 2, "s", "why", "GET /")
    (point,) = anomaly_history([body(anomaly_document(anomaly))])
    assert (point.series.name, point.series.label("service"), point.value) == ("spanloom_anomaly_score", "cart", 0.95)
    ranking = CulpritRanking(START, "", "x", (Suspect("pay", 0.9), Suspect("cart", 0.1)))
    points = culprit_history([body(culprits_document(ranking))])
    assert [(found.series.label("service"), found.series.label("rank"), found.value) for found in points] == [
        ("pay", "1", 0.9),
        ("cart", "2", 0.1),
    ]


def test_stored_hops_become_the_service_graph_and_the_default_rules_fire_on_errors() -> None:
    web, cart = Node(NodeKind.SERVICE, "web"), Node(NodeKind.SERVICE, "cart")
    bodies = []
    for i in range(600):
        at = START + i * SECOND // 2
        hop = Hop(
            bytes([1] * 14) + i.to_bytes(2, "big"), i.to_bytes(8, "big"), web, cart, "GET /", "http", at, at + SECOND // 10,
            server_duration=SECOND // 10, failed=i > 300,
        )  # fmt: skip
        bodies.append(body(hop_document(hop, 1, 0, START)))
    rules = (
        "groups: [{name: g, interval: 5s, rules: [{alert: Errors, for: 15s, expr: 'sum by (server)"
        " (rate(traces_service_graph_request_failed_total[1m])) / sum by (server)"
        " (rate(traces_service_graph_request_total[1m])) > 0.5'}]}]"
    )
    (firing,) = backtest(parse_rules(rules, "r.yml"), hop_history(bodies, 5 * SECOND)).firings
    began = START + 150 * SECOND
    assert dict(firing.labels) == {"alertname": "Errors", "server": "cart"}
    assert began + 30 * SECOND < firing.fired_at < began + 75 * SECOND


def test_hops_count_when_their_trace_closes_and_the_counters_go_on_for_a_lookback() -> None:
    web, cart = Node(NodeKind.SERVICE, "web"), Node(NodeKind.SERVICE, "cart")
    hops = [
        Hop(b"t" * 16, bytes([i] * 8), web, cart, "GET /", "http", START, START + seconds * SECOND, server_duration=1)
        for i, seconds in enumerate((1, 12))
    ]
    bodies = [body(hop_document(hop, 1, 0, START)) for hop in hops]
    points = hop_history(bodies, 5 * SECOND, counted_after=-2 * SECOND, until=START + HOUR)
    totals = {point.time - START: point.value for point in points if point.series.name.endswith("_request_total")}
    assert min(totals) == 15 * SECOND, "both, with the last of the trace"
    assert max(totals) == 310 * SECOND, "no longer than an instant selector sees them"
    assert set(totals.values()) == {2.0}


def test_stored_logs_become_counters_and_a_storm_fires() -> None:
    cart = Resource({"service.name": "cart", "service.instance.id": "cart-1"})
    times = [i * 10 * SECOND for i in range(30)] + [150 * SECOND + i * SECOND for i in range(60)]
    bodies = [body(log_document(LogRecord(START + at, f"cannot reach 10.0.0.{at % 7}", cart, severity=17))) for at in times]
    points = log_history(bodies, 10 * SECOND, until=START + HOUR)
    last = max(points, key=lambda point: point.time)
    assert {point.series for point in points} == {last.series}, "one template"
    assert dict(last.series.labels).keys() == {"service", "instance", "severity", "template"}
    assert (last.series.label("severity"), last.value) == ("ERROR", 90.0)
    rules = (
        "groups: [{name: g, interval: 10s, rules: [{alert: Storm, expr: 'sum by (service)"
        " (increase(spanloom_log_records_total[1m])) > 20'}]}]"
    )
    (firing,) = backtest(parse_rules(rules, "r.yml"), points).firings
    assert firing.labels["service"] == "cart"
    assert START + 160 * SECOND < firing.fired_at < START + 190 * SECOND


def test_stored_spans_become_the_span_metrics() -> None:
    spans = [
        Span(bytes([i] * 16), b"s" * 8, b"", "GET /", SpanKind.SERVER, START + i * SECOND, START + i * SECOND + SECOND // 2,
             Resource({"service.name": "cart"}), status=StatusCode.ERROR if i > 40 else StatusCode.UNSET)
        for i in range(1, 61)
    ]  # fmt: skip
    points = span_history([body(span_document(span)) for span in spans], 15 * SECOND)
    calls = {
        (point.series.label("status_code"), (point.time - START) // SECOND): point.value
        for point in points
        if point.series.name == "traces_span_metrics_calls_total"
    }
    assert (calls["STATUS_CODE_UNSET", 30], calls["STATUS_CODE_UNSET", 75], calls["STATUS_CODE_ERROR", 75]) == (29, 40, 20)
    assert log_history([], 1) == span_history([], 1) == []


def test_a_backtest_says_what_nothing_stored_answers() -> None:
    rules = parse_rules(
        "groups: [{name: g, rules: [{record: a, expr: 'sum(load)'}, {alert: A, expr: 'a > 1 and ALERTS and load{x=\"y\"}'},"
        " {alert: B, expr: 'absent(up{job=~\"c.*\"})'}]}]",
        "r.yml",
    )
    unseen = backtest(rules, load([1.0])).unseen
    assert unseen == {"g/A": ['{__name__="load",x="y"}'], "g/B": ['{__name__="up",job=~"c.*"}']}
    assert [reads(rules, name) for name in ("load", "up", "spanloom_log_records_total")] == [True, True, False]
    assert reads(parse_rules("groups: [{name: g, rules: [{record: a, expr: '{service=\"cart\"}'}]}]", "r.yml"), "anything")


def test_alerts_of_two_rules_with_the_same_labels_are_one_firing() -> None:
    rule = "{alert: A, expr: 'max(load) > 1'}"
    rules = parse_rules(
        f"groups: [{{name: g, interval: 15s, rules: [{rule}]}}, {{name: h, interval: 15s, rules: [{rule}]}}]", "r.yml"
    )
    assert [firing.alert for firing in backtest(rules, load([2, 2, 0, 0])).firings] == ["A"]


def test_points_are_seen_when_the_pipeline_would_have_reported_them() -> None:
    points = [
        Point(Series("spanloom_anomaly_score", (("service", "cart"),)), START, 1.0),
        Point(Series("load", (("service", "cart"),)), START + 30 * SECOND, 1.0),
    ]
    rules = "groups: [{name: g, interval: 1s, rules: [{alert: Odd, expr: 'max_over_time(spanloom_anomaly_score[20s]) > 0.5'}]}]"
    (at_once,) = backtest(parse_rules(rules, "r.yml"), points).firings
    (later,) = backtest(parse_rules(rules, "r.yml"), points, notified_after=notified_after(7 * SECOND)).firings
    assert (at_once.fired_at, later.fired_at) == (START, START + 7 * SECOND)
    assert at_once.resolved_at == later.resolved_at == START + 20 * SECOND
