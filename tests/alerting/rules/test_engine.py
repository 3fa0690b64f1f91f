"""The way from points to alert changes, at event time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from alerting.promql.expression import PromqlError
from alerting.promql.vector_functions import MATHEMATICS
from alerting.rules.engine import MAX_CATCH_UP, AlertEngine
from alerting.rules.files import parse_rules
from alerting.rules.samples import Samples
from components.durations import MINUTE, SECOND
from telemetry.errors import InputError
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from alerting.alert_state import AlertChange

RULES = """
groups:
- name: latency
  interval: 15s
  rules:
  - record: service:latency:max
    expr: max by (service) (latency_seconds)
  - alert: Slow
    expr: service:latency:max > 1
    for: 30s
    labels: {severity: "{{ if gt $value 5.0 }}critical{{ else }}warning{{ end }}"}
    annotations: {summary: "{{ $labels.service }} takes {{ $value | humanizeDuration }}"}
"""
START = 1_700_000_100 * SECOND


def latency(service: str, time: int, value: float) -> Point:
    return Point(Series("latency_seconds", (("service", service),)), time, value)


def run(engine: AlertEngine, values: list[float], start: int = START) -> list[AlertChange]:
    """One value each 15 s, evaluated as it comes."""
    changes = []
    for i, value in enumerate(values):
        now = start + i * 15 * SECOND
        engine.add([latency("cart", now, value)])
        changes += engine.advance(now)
    return changes


def reported(changes: list[AlertChange]) -> list[tuple[str, int]]:
    return [(change.state.value, (change.time - START) // SECOND) for change in changes]


def test_an_alert_is_pending_then_firing_then_resolved() -> None:
    engine = AlertEngine(parse_rules(RULES, "r.yml"))
    changes = run(engine, [0.1, 2, 2, 2, 2, 0.1])
    assert reported(changes) == [("pending", 15), ("firing", 45), ("resolved", 75)]
    firing = changes[1]
    assert dict(firing.labels) == {"alertname": "Slow", "service": "cart", "severity": "warning"}
    assert dict(firing.annotations) == {"summary": "cart takes 2s"}
    assert (firing.active_at, firing.starts_at) == (START + 15 * SECOND, START + 45 * SECOND)
    assert changes[2].ends_at == START + 75 * SECOND


def test_one_that_does_not_hold_on_never_fires() -> None:
    engine = AlertEngine(parse_rules(RULES, "r.yml"))
    assert reported(run(engine, [2, 2, 0.1, 2, 0.1])) == [("pending", 0), ("inactive", 30), ("pending", 45), ("inactive", 60)]


def test_the_result_does_not_depend_on_how_often_the_engine_is_advanced() -> None:
    values = [0.1, 2, 2, 2, 2, 6, 0.1, 2]
    often = run(AlertEngine(parse_rules(RULES, "r.yml")), values)
    once = AlertEngine(parse_rules(RULES, "r.yml"))
    once.advance(START - 15 * SECOND)
    once.add([latency("cart", START + i * 15 * SECOND, value) for i, value in enumerate(values)])
    assert once.advance(START + len(values) * 15 * SECOND - 1) == often


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    values = [0.1, 2, 2, 2, 2, 0.1]
    whole = run(AlertEngine(parse_rules(RULES, "r.yml")), values)
    for cut in range(1, len(values)):
        first = AlertEngine(parse_rules(RULES, "r.yml"))
        changes = run(first, values[:cut])
        samples, state = json.loads(json.dumps([first.samples.snapshot(), first.snapshot()]))
        second = AlertEngine(parse_rules(RULES, "r.yml"), samples=Samples())
        second.samples.restore(samples)
        second.restore(state)
        changes += run(second, values[cut:], START + cut * 15 * SECOND)
        assert changes == whole


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(InputError, match="version 7"):
        AlertEngine().restore({"version": 7})


def test_new_rules_keep_the_alerts_of_what_stayed_alike_and_resolve_those_of_what_went() -> None:
    engine = AlertEngine(parse_rules(RULES, "r.yml"))
    run(engine, [2, 2, 2])
    engine.replace_rules(parse_rules(RULES.replace("takes", "needs"), "r.yml"))
    assert engine.advance(START + 45 * SECOND) == []
    assert [alert.state.value for alert in engine.active()] == ["firing"]
    engine.replace_rules(())
    assert reported(engine.advance(START + 60 * SECOND)) == [("resolved", 60)]
    assert engine.query("ALERTS", START + 60 * SECOND) == []
    assert engine.query("service:latency:max", START + 60 * SECOND) == []


def test_a_changed_rule_ends_its_old_alerts() -> None:
    engine = AlertEngine(parse_rules(RULES, "r.yml"))
    run(engine, [2, 2, 2])
    engine.replace_rules(parse_rules(RULES.replace("> 1", "> 1.5"), "r.yml"))
    assert reported(engine.advance(START + 45 * SECOND)) == [("resolved", 45), ("pending", 45)]


@pytest.mark.parametrize("rules", ["groups: []", RULES.replace("name: latency", "name: other"), RULES.replace("> 1", "> 9")])
def test_a_rule_that_went_while_the_process_was_down_resolves(rules: str) -> None:
    before = AlertEngine(parse_rules(RULES, "r.yml"))
    run(before, [2, 2, 2])
    after = AlertEngine(parse_rules(rules, "r.yml"))
    after.restore(json.loads(json.dumps(before.snapshot())))
    assert reported(after.advance(START + 45 * SECOND)) == [("resolved", 45)]
    assert after.advance(START + 60 * SECOND) == []


@pytest.mark.parametrize("rules", ["groups: []", RULES.replace("> 1", "> 9")])
def test_a_rule_that_went_just_before_a_crash_resolves(rules: str) -> None:
    before = AlertEngine(parse_rules(RULES, "r.yml"))
    run(before, [2, 2, 2])
    before.replace_rules(parse_rules(rules, "r.yml"))
    after = AlertEngine(parse_rules(rules, "r.yml"))
    after.restore(json.loads(json.dumps(before.snapshot())))
    (resolved,) = after.advance(START + 45 * SECOND)
    assert (resolved.state.value, resolved.group, resolved.expr) == ("resolved", "latency", "service:latency:max > 1")


def test_alerts_are_series_and_end_with_the_alert() -> None:
    engine = AlertEngine(parse_rules(RULES, "r.yml"))
    run(engine, [2, 2])
    labels = {"__name__": "ALERTS", "alertname": "Slow", "alertstate": "pending", "service": "cart", "severity": "warning"}
    assert engine.query("ALERTS", START + 15 * SECOND) == [(labels, 1.0)]
    run(engine, [2], START + 30 * SECOND)
    assert engine.query("ALERTS", START + 30 * SECOND) == [(labels | {"alertstate": "firing"}, 1.0)]
    run(engine, [0], START + 45 * SECOND)
    assert engine.query("ALERTS", START + 45 * SECOND) == []


def test_keep_firing_for_bridges_a_gap() -> None:
    rules = RULES.replace("for: 30s", "for: 30s\n    keep_firing_for: 30s")
    changes = run(AlertEngine(parse_rules(rules, "r.yml")), [2, 2, 2, 0, 2, 0, 0, 0])
    assert reported(changes) == [("pending", 0), ("firing", 30), ("resolved", 105)]


def test_a_rule_that_fails_is_named_and_does_not_stop_the_next() -> None:
    rules = parse_rules(
        "groups:\n- name: g\n  rules:\n  - {record: bad, expr: 'a + on(x) b'}\n  - {record: good, expr: 'count(a)'}\n", "r.yml"
    )
    engine = AlertEngine(rules)
    engine.add(Point(Series(name, (("i", str(i)),)), START, 1.0) for name in "ab" for i in range(2))
    engine.advance(START + MINUTE)
    bad, good = engine.health()
    assert "many-to-many" in bad.error
    assert good.error == ""
    assert engine.query("good", START + MINUTE)[0][1] == 2
    assert engine.counts.failures == 1


def test_a_mistake_of_ours_fails_one_rule_and_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MATHEMATICS, "ln", lambda value: 1 / 0 * value)
    engine = AlertEngine(
        parse_rules(
            "groups:\n- name: g\n  rules:\n  - {record: bad, expr: 'ln(vector(1))'}\n  - {alert: A, expr: 'vector(1)'}\n",
            "r.yml",
        )
    )
    with capture_logs() as logs:
        assert len(engine.advance(START)) == 1
        engine.advance(START + MINUTE)
    assert [health.error for health in engine.health()] == ["ZeroDivisionError: division by zero", ""]
    assert engine.counts.failures == 2
    assert [(entry["event"], entry["rule"]) for entry in logs] == [("rule_failed", "bad")]


def test_too_many_alerts_end_them_all() -> None:
    rules = parse_rules("groups:\n- name: g\n  limit: 2\n  rules:\n  - {alert: A, expr: 'a > 0'}\n", "r.yml")
    engine = AlertEngine(rules)
    engine.add(Point(Series("a", (("i", str(i)),)), START, 1.0) for i in range(2))
    assert len(engine.advance(START)) == 2
    engine.add(Point(Series("a", (("i", str(i)),)), START + MINUTE, 1.0) for i in range(3))
    assert [change.state.value for change in engine.advance(START + MINUTE)] == ["resolved", "resolved"]
    assert "exceeded limit of 2 with 3 alerts" in engine.health()[0].error


def test_a_leap_in_time_is_caught_up_within_bounds() -> None:
    engine = AlertEngine(parse_rules(RULES, "r.yml"))
    run(engine, [0.1])
    engine.advance(START + (MAX_CATCH_UP + 10) * 15 * SECOND)
    assert engine.counts.missed == 10


def test_a_wrong_query_says_so() -> None:
    with pytest.raises(PromqlError, match=r'unknown function "ratee" \(did you mean "rate"\?\)'):
        AlertEngine().query("ratee(a[5m])", START)
