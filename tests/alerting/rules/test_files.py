"""Rule files: what is read, and how what is wrong is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerting.rules.files import load_rules, parse_rules
from components.durations import HOUR, MINUTE, SECOND, format_duration, parse_duration
from telemetry.errors import ConfigError

GOOD = """
groups:
- name: node
  interval: 30s
  limit: 10
  query_offset: 1m
  labels: {team: core}
  rules:
  - alert: Down
    expr: up == 0
    for: 1h30m
    keep_firing_for: 5m
    labels: {severity: page}
    annotations:
      summary: '{{ $labels.instance }} has been down for {{ $value | humanizeDuration }}'
  - record: job:up:sum
    expr: sum by (job) (up)
"""


def test_every_field_is_read() -> None:
    (group,) = parse_rules(GOOD, "r.yml")
    assert (group.name, group.interval, group.limit, group.query_offset) == ("node", 30 * SECOND, 10, MINUTE)
    down, record = group.rules
    assert (down.name, down.hold, down.keep_firing_for) == ("Down", 90 * MINUTE, 5 * MINUTE)
    assert [name for name, _ in down.labels] == ["severity", "team"]
    assert (record.kind, record.name, record.fixed_labels) == ("record", "job:up:sum", (("team", "core"),))


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("up == 0", "ratee(up[5m])", 10, 'group "node": expr: unknown function "ratee" (did you mean "rate"?)'),
        ("up == 0", "up == ", 10, 'group "node": expr: '),
        ("up == 0", "limitk(1, up)", 10, 'group "node": expr: aggregation "limitk" is not covered'),
        ("up == 0", "up[5m]", 10, 'group "node": expr: a range where an instant vector or a scalar is needed'),
        ("1h30m", "1x", 11, '"1x" is not a duration'),
        ("limit: 10", "limit: -1", 5, "groups[0].limit"),
        ("limit: 10", "limits: 10", 5, "unknown field"),
        ("severity: page", "1st: page", 13, '"1st" is not a label name'),
        ("humanizeDuration", "humanise", 15, 'group "node": annotations.summary: template: function "humanise" not defined'),
        ("job:up:sum", "job up", 16, '"job up" is not a metric name'),
        ("alert: Down", "alert: Down\n    record: x", 9, "either record or alert"),
        ("interval: 30s", "interval: 30s\n  interval: 20s", 5, 'duplicate key "interval"'),
        ("labels: {severity: page}", "labels: [", 15, ""),
    ],
)
def test_an_error_names_file_line_and_reason(old: str, new: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rules(GOOD.replace(old, new), "rules.yml")
    assert str(caught.value).startswith(f"rules.yml:{line}:")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("expr: up == 0", "expr: sum(up) + ratee(up[5m])", (10, 21, 'expr: unknown function "ratee"')),
        ("expr: up == 0", "expr: 'up{a=''b''} == 0 or rate(up)'", (10, 37, "expected type range vector")),
        ("expr: up == 0", "expr: |\n      up == 0 or\n      # why\n      ratee(up[5m])", (13, 7, 'unknown function "ratee"')),
        ("expr: up == 0", "expr: >-\n      up == 0 or\n        limitk(1, up)", (12, 9, 'aggregation "limitk" is not covered')),
        ("expr: up == 0", 'expr: "up{a=\\"b\\"} == 0 oder 1"', (10, 29, 'unexpected "oder"')),
        ("humanizeDuration", "humanise", (15, 70, "did you mean humanize")),
        ("$labels.instance", "$label.instance", (15, 20, 'undefined variable "$label"')),
    ],
)  # fmt: skip
def test_an_error_in_a_text_is_where_the_wrong_word_is(old: str, new: str, found: tuple[int, int, str]) -> None:
    line, column, message = found
    with pytest.raises(ConfigError) as caught:
        parse_rules(GOOD.replace(old, new), "rules.yml")
    assert str(caught.value).startswith(f"rules.yml:{line}:{column}:")
    assert message in str(caught.value)


def test_errors_are_in_the_order_of_the_file() -> None:
    text = GOOD.replace("up == 0", "up ==").replace("interval: 30s", "interval: x").replace("humanizeDuration", "nosuch")
    with pytest.raises(ConfigError) as caught:
        parse_rules(text, "rules.yml")
    lines = [int(line.split(":")[1]) for line in str(caught.value).split("\n")]
    assert lines == sorted(lines)
    assert len(lines) == 3


def test_values_are_the_text_that_is_written() -> None:
    """YAML would make booleans, numbers and dates of them, which no label is."""
    (group,) = parse_rules(
        "groups:\n- name: g\n  limit: 7\n  rules:\n  - record: r\n    expr: 1\n"
        "    labels: {a: true, b: yes, c: 010, d: 1.50, e: 2024-01-02, f: ~, g: null, h:, i: 'no', j: 1_0}\n",
        "r.yml",
    )
    assert group.limit == 7
    assert dict(group.rules[0].fixed_labels) == {
        "a": "true", "b": "yes", "c": "010", "d": "1.50", "e": "2024-01-02", "i": "no", "j": "1_0",
    }  # fmt: skip


def test_a_key_without_a_value_is_one_that_is_left_open() -> None:
    text = "groups:\n- name: g\n  interval:\n  labels:\n  rules:\n  - alert: A\n    expr: up\n    for:\n    labels:\n"
    (group,) = parse_rules(text + "    annotations: {summary: down, runbook_url: }\n", "r.yml")
    (rule,) = group.rules
    assert (group.interval, rule.hold, rule.labels) == (MINUTE, 0, ())
    assert [name for name, _ in rule.annotations] == ["runbook_url", "summary"]
    assert parse_rules("groups:\n", "r.yml") == ()
    with pytest.raises(ConfigError, match=r"r\.yml:3:\d+: groups\[0\]\.rules\[0\]\.expr: is missing"):
        parse_rules("groups:\n- name: g\n  rules: [{alert: A, expr: }]\n", "r.yml")


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rules(GOOD.replace("up == 0", "foo(").replace("sum by", "sumby"), "r.yml")
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["10", "17"]


def test_mistakes_of_form_and_of_meaning_are_reported_together() -> None:
    text = """groups:
- name: a
  rules:
  - {alert: X, expr: foo(}
  - {alert: Y, expr: up, fr: 5m}
  - {record: bad name, expr: bad(, labels: {1x: a}}
- name: a
  interval: soon
  rules:
  - {alert: Z, expr: 'ratee(x[5m])', annotations: {s: '{{ nosuch }}'}}
  - 7
- rules: {}
- 8
"""
    with pytest.raises(ConfigError) as caught:
        parse_rules(text, "r.yml")
    found = [line.split(":", 2) for line in str(caught.value).splitlines()]
    assert {file for file, *_ in found} == {"r.yml"}
    assert sorted(int(line) for _, line, _ in found) == [4, 5, 6, 6, 6, 7, 8, 10, 10, 11, 12, 12, 13]


@pytest.mark.parametrize("text", ["7", "[]", "groups: 7", "groups: {a: b}", "groups: [[]]"])
def test_what_is_no_rule_file_at_all_is_one_mistake(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rules(text, "r.yml")
    assert str(caught.value).startswith("r.yml:1:")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yml: cannot be read"):
        load_rules([tmp_path / "none.yml"])


def test_the_default_rules_load() -> None:
    path = Path(__file__).parents[3] / "alerting" / "default_rules.yml"
    names = [rule.name for group in load_rules([path]) for rule in group.rules]
    assert {"ServiceErrors", "ServiceSlow", "ServiceAnomalous", "ServiceCulprit"} <= set(names)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0", 0),
        ("0s", 0),
        ("5m", 5 * MINUTE),
        ("1h30m", 90 * MINUTE),
        ("500ms", SECOND // 2),
        ("1d", 24 * HOUR),
        ("1w", 168 * HOUR),
    ],
)
def test_durations_are_prometheus(text: str, duration: int) -> None:
    assert parse_duration(text) == duration
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("text", ["", "5", "5x", "m", "1m1h", "-5m", "1.5h", "5 m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["293y", "9" * 20 + "s"])
def test_a_duration_has_an_end(text: str) -> None:
    with pytest.raises(ConfigError, match="longer than 292 years"):
        parse_duration(text)
