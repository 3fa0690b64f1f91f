"""Objectives in OpenSLO's format as rules; promtool reads the rules and comes to the same verdict."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alerting.rules.files import load_rules, parse_rules
from alerting.rules.slos import burn_rates
from alerting.rules.slos.openslo import Slo, read_slos
from alerting.rules.unit_tests import run_tests
from components.durations import HOUR
from components.yaml_file import YamlFile
from telemetry.errors import ConfigError

HERE = Path(__file__).parent
OBJECTIVE = HERE / "checkout.yml"
PROMTOOL = shutil.which("promtool")
PAGE = HERE.parents[3] / "docs" / "slo.md"
DAY = 24 * HOUR


def test_the_example_of_the_page_is_the_one_that_is_tested() -> None:
    assert f"```yaml\n{OBJECTIVE.read_text()}```" in PAGE.read_text()


def test_an_objective_is_two_groups_of_rules() -> None:
    ratios, budget = load_rules([OBJECTIVE])
    assert (ratios.name, budget.name) == ("slo checkout-answers 0.999", "slo checkout-answers 0.999 budget")
    assert [rule.name for rule in ratios.rules if rule.kind == "record"] == [
        f"slo:sli_error:ratio_rate{window}" for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
    ]
    assert [rule.name for rule in budget.rules] == [
        "slo:sli_error:ratio_rate30d", "slo:error_budget_remaining:ratio", "slo:objective:ratio", "slo:time_period:days",
    ]  # fmt: skip


def test_the_factors_over_30_days_are_those_of_the_workbook() -> None:
    texts = [rule.expr.text for group in load_rules([OBJECTIVE]) for rule in group.rules if rule.kind == "alert"]
    assert re.findall(r"> ([0-9.]+) \* 0\.001", " ".join(texts)) == ["14.4", "14.4", "6", "6", "3", "3", "1", "1"]


def test_it_fires_while_the_budget_burns_and_ends_soon_after(tmp_path: Path) -> None:
    _, failures = run_tests(_tests(tmp_path))
    assert "\n".join(map(str, failures)) == ""


@pytest.mark.skipif(not PROMTOOL, reason="no promtool on the PATH (Debian: prometheus)")
def test_promtool_agrees(tmp_path: Path) -> None:
    done = subprocess.run([str(PROMTOOL), "test", "rules", str(_tests(tmp_path))], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _tests(folder: Path) -> Path:
    (slo,) = read_slos(YamlFile(OBJECTIVE.read_text(), "checkout.yml"))
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": burn_rates.groups(slo)}))
    tests = folder / "tests.yml"
    tests.write_text((HERE / "checkout_test.yml").read_text())
    return tests


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("target: 0.999", "targetPercent: 100", "29:22: spec.objectives[0].targetPercent: Input should be less than 100"),
        ("target: 0.999", "{}", "29:7: spec.objectives[0]: either target or targetPercent is needed"),
        ("        bad:", "        raw:", "14:9: spec.indicator.spec.ratioMetric.raw: write good or bad, and total"),
        ("30d", "1M", '25:17: spec.timeWindow[0].duration: "1M" is not a duration'),
        ("30d", "1h", "25:17: spec.timeWindow[0].duration: must be a day at least"),
        ("isRolling: true", "calendar: {}", "26:7: spec.timeWindow[0].calendar: only rolling windows are supported"),
        ("Occurrences", "Timeslices", "27:20: spec.budgetingMethod: Input should be 'Occurrences'"),
        ("traces_service_graph_request_total", "rate", "23:22: "),
        (
            'traces_service_graph_request_total{server="checkout"}',
            "sum(ratee(x[{{.window}}]))",
            "23:26: spec.indicator.spec.ratioMetric.total.metricSource.spec.query: invalid promql query: unknown",
        ),
        ("kind: SLO", "kind: SLI", "2:7: kind: Input should be 'SLO'"),
        ("openslo/v1", "openslo/v2alpha", "1:13: apiVersion: Input should be 'openslo/v1'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_place_and_reason(before: str, after: str, error: str) -> None:
    text = OBJECTIVE.read_text().replace(before, after)
    if after == "rate":
        text = text.replace('rate{server="checkout"}', "rate(x[5m])")
        error += "spec.indicator.spec.ratioMetric.total.metricSource.spec.query: write a selector of counters"
    with pytest.raises(ConfigError, match=re.escape(f"slo.yml:{error}")):
        parse_rules(text, "slo.yml")


@pytest.mark.parametrize(
    ("query", "ratio"),
    [
        ("x_total", "sum(increase(x_total[1h]))"),
        ("sum(x_total{a='b'})", 'sum(increase(x_total{a="b"}[1h]))'),
        ("sum(rate(x_total[{{.window}}]))", "sum(rate(x_total[1h]))"),
    ],
)
def test_a_query_ranges_over_the_window(query: str, ratio: str) -> None:
    text = OBJECTIVE.read_text().replace(
        'traces_service_graph_request_total{server="checkout"}', repr(query).replace("\\'", "''")
    )
    if "'" in query:
        text = text.replace(repr(query), f'"{query}"')
    (slo,) = read_slos(YamlFile(text, "slo.yml"))
    assert f"(({ratio}) > 0)" in slo.error_ratio(HOUR)


@given(
    name=st.from_regex("[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True),
    title=st.text(min_size=1, max_size=20),
    service=st.text(min_size=1, max_size=20),
    target=st.floats(0, 0.9999999),
    days=st.integers(1, 400),
    good=st.booleans(),
)
def test_any_objective_makes_rules_that_compile(
    name: str, title: str, service: str, target: float, days: int, *, good: bool
) -> None:
    slo = Slo(name, title, service, target, days * DAY, "sum(increase(a[{{.window}}]))", "sum(increase(b[{{.window}}]))", good)
    groups = parse_rules(yaml.safe_dump({"groups": burn_rates.groups(slo)}, allow_unicode=True), "rules.yml")
    assert [len(group.rules) > 0 for group in groups] == [True, True]
