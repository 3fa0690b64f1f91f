"""promtool's unit-test format. The oracle is promtool itself, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from alerting.rules.unit_tests import parse_series, parse_values, run_tests
from spanloom.commands.rules import rules
from telemetry.errors import ConfigError
from telemetry.metrics import is_stale

PROMTOOL = shutil.which("promtool")
DEFAULT_RULES = Path(__file__).parents[3] / "alerting" / "default_rules.yml"
RULES = """
groups:
- name: example
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
  - alert: InstanceDown
    expr: up == 0
    for: 5m
    labels: {severity: page}
    annotations:
      summary: "Instance {{ $labels.instance }} down"
      description: "{{ $labels.instance }} of job {{ $labels.job }}: {{ $value }}."
"""
TESTS = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - series: 'up{job="prometheus", instance="localhost:9090"}'
    values: '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0'
  - series: 'up{job="node_exporter", instance="localhost:9100"}'
    values: '1+0x6 0 0 0 0 0 0 0 0'
  - series: 'go_goroutines{job="prometheus", instance="localhost:9090"}'
    values: '10+10x2 30+20x5'
  - series: 'gone'
    values: '1 _ _ stale 4-1x2 _x2 NaN'
  alert_rule_test:
  - eval_time: 4m
    alertname: InstanceDown
  - eval_time: 10m
    alertname: InstanceDown
    exp_alerts:
    - exp_labels: {severity: page, instance: localhost:9090, job: prometheus}
      exp_annotations:
        summary: "Instance localhost:9090 down"
        description: "localhost:9090 of job prometheus: 0."
  - eval_time: 14m
    alertname: InstanceDown
    exp_alerts:
    - exp_labels: {severity: page, instance: localhost:9090, job: prometheus}
      exp_annotations:
        summary: "Instance localhost:9090 down"
        description: "localhost:9090 of job prometheus: 0."
    - exp_labels: {severity: page, instance: localhost:9100, job: node_exporter}
      exp_annotations:
        summary: "Instance localhost:9100 down"
        description: "localhost:9100 of job node_exporter: 0."
  promql_expr_test:
  - expr: go_goroutines > 5
    eval_time: 4m
    exp_samples:
    - labels: 'go_goroutines{job="prometheus",instance="localhost:9090"}'
      value: 50
  - expr: job:up:sum
    eval_time: 3m
    exp_samples:
    - {labels: 'job:up:sum{job="prometheus"}', value: 0}
    - {labels: 'job:up:sum{job="node_exporter"}', value: 1}
  - {expr: gone, eval_time: 2m, exp_samples: [{labels: gone, value: 1}]}
  - {expr: gone, eval_time: 3m}
  - {expr: gone, eval_time: 8m, exp_samples: [{labels: gone, value: 2}]}
  - {expr: time(), eval_time: 90s, exp_samples: [{labels: '{}', value: 90}]}
  - {expr: 'count(ALERTS{alertstate="firing"})', eval_time: 6m, exp_samples: [{labels: '{}', value: 1}]}
"""


def write(folder: Path, tests: str = TESTS) -> Path:
    (folder / "rules.yml").write_text(RULES)
    (folder / "tests.yml").write_text(tests)
    return folder / "tests.yml"


def promtool_passes(path: Path) -> bool:
    return subprocess.run([str(PROMTOOL), "test", "rules", str(path)], capture_output=True, check=False).returncode == 0


def test_the_example_of_prometheus_documentation_passes(tmp_path: Path) -> None:
    checks, failures = run_tests(write(tmp_path))
    assert (checks, [str(failure) for failure in failures]) == (10, [])


@pytest.mark.skipif(not PROMTOOL, reason="no promtool on the PATH (Debian: prometheus)")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("value: 50", "value: 51"),
        ("severity: page, instance: localhost:9090", "severity: ticket, instance: localhost:9090"),
        ("eval_time: 4m\n    alertname", "eval_time: 5m\n    alertname"),
        ("eval_time: 14m", "eval_time: 11m"),
        ("eval_time: 3m}", "eval_time: 2m}"),
        ("value: 90", "value: 60"),
        ("eval_time: 6m", "eval_time: 4m"),
    ],
)
def test_promtool_comes_to_the_same_verdict(tmp_path: Path, old: str, new: str) -> None:
    path = write(tmp_path, TESTS.replace(old, new, 1) if old else TESTS)
    assert (run_tests(path)[1] == []) is promtool_passes(path)


def test_the_command_tells_what_failed_and_exits_with_1(tmp_path: Path) -> None:
    path = write(tmp_path, TESTS.replace("value: 50", "value: 51"))
    result = CliRunner().invoke(rules, ["test", str(path)])
    assert result.exit_code == 1
    assert "go_goroutines > 5 at 4m" in result.output
    assert "10 checks, 1 failed" in result.output
    assert CliRunner().invoke(rules, ["test", str(write(tmp_path))]).exit_code == 0


def test_check_lists_groups_or_names_the_line(tmp_path: Path) -> None:
    assert "4 alerts, 3 recorded, every 5s" in CliRunner().invoke(rules, ["check", str(DEFAULT_RULES)]).output
    (tmp_path / "bad.yml").write_text(RULES.replace("up == 0", "upp("))
    result = CliRunner().invoke(rules, ["check", str(tmp_path / "bad.yml")])
    assert result.exit_code == 2
    assert 'bad.yml:8:15: group "example": expr:' in result.output


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1 2.5 -3", [1, 2.5, -3]),
        ("1+2x3", [1, 3, 5, 7]),
        ("4-1x2", [4, 3, 2]),
        ("7x2", [7, 7, 7]),
        ("_ 1 _x2", [None, 1, None, None]),
        ("1e3 Inf", [1000, float("inf")]),
    ],
)
def test_values_are_expanded(text: str, values: list[float | None]) -> None:
    assert parse_values(text) == values


def test_stale_is_the_stale_marker() -> None:
    (value,) = parse_values("stale")
    assert value is not None
    assert is_stale(value)


@pytest.mark.parametrize("text", ["x", "1+x", "1++2x3", "1x999999999", "{{schema:0}}"])
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_values(text)


def test_a_series_needs_equals() -> None:
    assert parse_series('up{b="c",a="ü"}') == (("__name__", "up"), ("a", "ü"), ("b", "c"))
    with pytest.raises(ConfigError, match="is not a series"):
        parse_series('up{a!="b"}')


def test_a_wrong_file_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tests\.yml:3:\d+: evaluation_interval"):
        run_tests(write(tmp_path, TESTS.replace("evaluation_interval: 1m", "evaluation_interval: soon")))
    with pytest.raises(ConfigError, match=r"none\.yml: cannot be read"):
        run_tests(write(tmp_path, TESTS.replace("rules.yml", "none.yml")))


BROKEN = """
groups:
- name: broken
  rules:
  - {record: dupe, expr: 'label_replace(req, "instance", "same", "", "")'}
  - {alert: Down, expr: 'dupe > 0'}
  - {alert: ManyToMany, expr: 'req + on(job) req > 0'}
"""
TWO_SERIES = """
  - {series: 'req{job="api",instance="a"}', values: '5 5 5'}
  - {series: 'req{job="api",instance="b"}', values: '5 5 5'}
"""


def test_a_rule_that_cannot_be_evaluated_fails_the_test_though_no_alert_was_expected(tmp_path: Path) -> None:
    (tmp_path / "broken.yml").write_text(BROKEN)
    path = tmp_path / "broken_test.yml"
    path.write_text(
        f"rule_files: [broken.yml]\ntests:\n- input_series:{TWO_SERIES}"
        "  alert_rule_test: [{eval_time: 2m, alertname: Down, exp_alerts: []}]\n"
    )
    checks, failures = run_tests(path)
    assert (checks, [failure.what for failure in failures]) == (
        1,
        ["rule dupe of group broken at 0s", "rule ManyToMany of group broken at 0s"],
    )
    assert "labelset" in failures[0].found
    result = CliRunner().invoke(rules, ["test", str(path)])
    assert (result.exit_code, "1 checks, 2 failed" in result.output) == (1, True)
    if PROMTOOL:
        assert not promtool_passes(path)


UP = "input_series: [{series: up, values: '1'}]\n  "
QUOTED = "input_series: [{series: \"up{a='b'}\", values: '1 2'}]\n  "


def expects(expr: str, samples: str) -> str:
    return f"promql_expr_test: [{{expr: '{expr}', exp_samples: [{samples}]}}]"


@pytest.mark.parametrize(
    ("test", "passes"),
    [
        (UP + expects("up", "{labels: up, value: 1}"), True),
        (UP + expects("up", "{labels: up, value: 2}"), False),
        (QUOTED + "promql_expr_test: [{expr: up, eval_time: 1m, exp_samples: [{labels: 'up{a=`b`}', value: 2}]}]", True),
        ("input_series: [{series: up}]\n  " + expects("absent(up)", "{labels: '{}', value: 1}"), True),
        ("input_series: [{series: up, values: ''}]\n  promql_expr_test: [{expr: up}]", True),
        (expects("vector(0)", "{}"), True),
        (expects("vector(0)", "{labels: , value: }"), True),
        ("input_series: [{series: 'up{', values: 1}]", False),
        ("input_series: [{series: 'up offset 5m', values: 1}]", False),
        ("input_series: [{series: 'up', values: 'x'}]", False),
        ("input_series: [{values: 1}]", False),
        ("promql_expr_test: [{exp_samples: []}]", False),
        (expects('absent(gone{job="a",job!="z"})', "{labels: '{}', value: 1}"), True),
        (expects('absent(gone{job!="z",job="a"})', "{labels: '{job=\"a\"}', value: 1}"), True),
        (expects('absent(gone{job=~"a.*",job="a"})', "{labels: '{job=\"a\"}', value: 1}"), True),
        (expects('absent(gone{j="a",j="b",x="y"})', "{labels: '{x=\"y\"}', value: 1}"), True),
        (expects('absent(gone{j="a",j!="b",j="c"})', "{labels: '{}', value: 1}"), True),
    ],
)
def test_what_is_left_open_or_quoted_otherwise_is_judged_as_by_promtool(tmp_path: Path, test: str, *, passes: bool) -> None:
    path = tmp_path / "test.yml"
    path.write_text(f"tests:\n- interval: 1m\n  {test}\n")
    try:
        ours = run_tests(path)[1] == []
    except ConfigError:
        ours = False
    assert ours is passes
    if PROMTOOL:
        assert promtool_passes(path) is passes
