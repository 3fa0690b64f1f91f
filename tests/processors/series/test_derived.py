"""Signals as series."""

from __future__ import annotations

from dataclasses import replace

from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from components.durations import HOUR, MINUTE, SECOND
from processors.series.derived import CULPRIT_SCORE, LOG_RECORDS, MAX_LOG_SERIES, LogCounts, anomaly_points, culprit_points
from telemetry.findings import Anomaly, AnomalyKind, CulpritRanking, Suspect
from telemetry.metrics import Point, Series
from telemetry.resource import service_labels

START = 1_700_000_100 * SECOND
RULES = """
groups:
- name: logs
  interval: 15s
  rules:
  - alert: LogStorm
    expr: sum by (service) (increase(spanloom_log_records_total{severity="ERROR"}[1m])) > 20
"""


def test_log_counts_are_counters_that_rules_can_read() -> None:
    engine, counts = AlertEngine(parse_rules(RULES, "r.yml")), LogCounts()
    start = 1_700_000_100 * SECOND
    fired = []
    for i in range(12):
        for _ in range(1 if i < 8 else 12):
            counts.add("cart", "ERROR", "cannot reach <*>")
        counts.add("cart", "INFO", "")
        now = start + i * 15 * SECOND
        engine.add(counts.points(now))
        fired += engine.advance(now)
    assert [(change.labels["service"], change.time) for change in fired] == [("cart", start + 2 * MINUTE + 15 * SECOND)]


def test_the_number_of_series_is_bounded_and_nothing_is_lost() -> None:
    counts = LogCounts()
    for i in range(MAX_LOG_SERIES + 10):
        counts.add("cart", "ERROR", str(i))
    points = counts.points(0)
    assert len(points) == MAX_LOG_SERIES + 1
    assert sum(point.value for point in points) == MAX_LOG_SERIES + 10
    assert {point.series.name for point in points} == {LOG_RECORDS}
    beyond = [point for point in points if point.series.label("service") != "cart"]
    assert [(point.series.labels, point.value) for point in beyond] == [((("service", "overflow"),), 10)]


def test_log_series_that_were_silent_for_long_make_room_for_new_ones() -> None:
    counts = LogCounts()
    for number in range(MAX_LOG_SERIES):
        counts.add("cart", "INFO", f"template {number}")
    counts.points(START)
    counts.points(START + HOUR - 1)
    counts.add("cart", "INFO", "template 0")
    counts.add("cart", "ERROR", "none is silent for long enough")
    counts.points(START + HOUR)
    counts.add("cart", "ERROR", "new")
    found = {point.series.label("template"): point.value for point in counts.points(START + HOUR)}
    assert (found["template 0"], found["new"], found[""]) == (2, 1, 1)
    assert "template 1" not in found


def test_an_anomaly_is_a_point_that_says_of_what() -> None:
    series = Series("http_server_duration", (("service", "cart"),))
    anomaly = Anomaly(
        AnomalyKind.LATENCY, series, "cart", START, START + MINUTE, 0.9, 1.0, 2.0, "s", "slow", operation="GET /", instance="a"
    )
    (point,) = anomaly_points([replace(anomaly, environment="test")])
    assert (point.time, point.value) == (START + MINUTE, 0.9)
    assert dict(point.series.labels) == {
        "environment": "test", "instance": "a", "kind": "latency", "operation": "GET /", "series": "http_server_duration",
        "service": "cart",
    }  # fmt: skip


def test_each_suspect_is_a_point_with_its_rank() -> None:
    ranking = (Suspect("cart", 5.0, "cart-1"), Suspect("shop/web", 2.0))
    first, second = culprit_points(CulpritRanking(START, "test", "anomaly", ranking))
    assert first == Point(
        Series(CULPRIT_SCORE, (("environment", "test"), ("instance", "cart-1"), ("rank", "1"), *service_labels("cart"))),
        START,
        5.0,
    )
    assert (second.time, second.value, second.series.label("rank"), second.series.label("instance")) == (START, 2.0, "2", "")
    assert culprit_points(CulpritRanking(START, "test", "anomaly")) == []
