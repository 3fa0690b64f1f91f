"""Unit tests of rules in promtool's format.

https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

from __future__ import annotations

import glob
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alerting.alert_state import AlertState
from alerting.promql.expression import parse_selector
from alerting.promql.matchers import MatchType
from alerting.promql.vectors import NAME, Labels, labels_of
from alerting.rules.engine import AlertEngine
from alerting.rules.files import Duration, RuleGroup, TextValue, load_rules
from alerting.rules.samples import Limits, Samples
from components.durations import MINUTE, format_duration
from components.live_files import matching
from components.yaml_file import YamlFile, without_null
from telemetry.errors import ConfigError, SpanloomError
from telemetry.metrics import STALE

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SAMPLES = 100_000
"""Most samples of one series in a test."""


class _TestFileModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    _left_open = model_validator(mode="before")(without_null)


class InputSeries(_TestFileModel):
    """A series and its values, one a test's interval."""

    series: str
    values: str = ""


class ExpectedAlert(_TestFileModel):
    """One firing alert; `alertname` is added to the labels."""

    exp_labels: dict[str, TextValue] = {}
    exp_annotations: dict[str, TextValue] = {}


class AlertTest(_TestFileModel):
    """Which alerts of a name fire at a time."""

    eval_time: Duration = 0
    alertname: str
    exp_alerts: list[ExpectedAlert] = []


class ExpectedSample(_TestFileModel):
    """One element of a vector."""

    labels: str = "{}"
    value: Annotated[float, BeforeValidator(float)] = 0


class ExpressionTest(_TestFileModel):
    """The value of an expression at a time."""

    expr: str
    eval_time: Duration = 0
    exp_samples: list[ExpectedSample] = []


class Case(_TestFileModel):
    """One test."""

    name: str = ""
    interval: Duration = 0
    input_series: list[InputSeries] = []
    alert_rule_test: list[AlertTest] = []
    promql_expr_test: list[ExpressionTest] = []
    external_labels: dict[str, TextValue] = {}
    external_url: str = ""


class RuleTestFile(_TestFileModel):
    """A file of tests as written."""

    rule_files: list[str] = []
    evaluation_interval: Duration = MINUTE
    group_eval_order: list[str] = []
    fuzzy_compare: bool = False
    tests: Annotated[list[Case], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Failure:
    """What came out otherwise than expected."""

    test: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.test}: {self.what}\n    expected: {self.expected}\n    found:    {self.found}"


def run_tests(path: Path) -> tuple[int, list[Failure]]:
    """Run the tests of a file: how many checks were made, and those that failed.

    Raises:
        ConfigError: the file, or a rule file that it names, cannot be used.
    """
    try:
        file = YamlFile(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    written = file.read(RuleTestFile, as_written=True)
    interval = written.evaluation_interval or MINUTE
    rule_paths = _rule_files(path.parent, written.rule_files)
    order = {name: i for i, name in enumerate(written.group_eval_order)}
    groups = sorted(load_rules(rule_paths, interval), key=lambda group: order.get(group.name, len(order)))
    checks, failures = 0, []
    for i, case in enumerate(written.tests):
        try:
            found = list(_run(case, case.name or f"tests[{i}]", groups, interval))
        except SpanloomError as error:
            raise file.error(("tests", i), str(error)) from None
        checks += len(case.alert_rule_test) + len(case.promql_expr_test)
        failures += found
    return checks, failures


def _rule_files(folder: Path, patterns: list[str]) -> list[Path]:
    found = []
    for pattern in patterns:
        paths = matching(str(Path(glob.escape(str(folder))) / pattern))
        if not paths:
            raise ConfigError(f"{folder / pattern}: no such rule file")
        found += paths
    return list(dict.fromkeys(found))


def _run(case: Case, name: str, groups: list[RuleGroup], interval: int) -> Iterator[Failure]:
    samples = Samples(Limits(text=2**62, samples=2**62, samples_per_series=MAX_SAMPLES + 1, retention=2**62))
    for item in case.input_series:
        labels = parse_series(item.series)
        for i, value in enumerate(parse_values(item.values)):
            if value is not None:
                samples.append(labels, i * (case.interval or MINUTE), value)
    times = sorted({test.eval_time for test in case.alert_rule_test} | {test.eval_time for test in case.promql_expr_test})
    every = [replace(group, interval=interval) for group in groups]
    engine = AlertEngine(every, samples, dict(case.external_labels), case.external_url)
    at = 0
    failed: set[tuple[str, str, str]] = set()  # by group, rule and reason
    for time in times:
        while at <= time:
            engine.advance(at)
            yield from _evaluated(name, engine, at, failed)
            at += interval
        yield from _check(case, name, engine, time)


def _evaluated(name: str, engine: AlertEngine, at: int, failed: set[tuple[str, str, str]]) -> Iterator[Failure]:
    """What could not be evaluated: once for each reason, at the first time."""
    for rule in engine.health():
        key = (rule.group, rule.rule, rule.error)
        if rule.error and key not in failed:
            failed.add(key)
            yield Failure(name, f"rule {rule.rule} of group {rule.group} at {format_duration(at)}", "an evaluation", rule.error)


def _check(case: Case, name: str, engine: AlertEngine, time: int) -> Iterator[Failure]:
    shown = format_duration(time)
    for test in case.alert_rule_test:
        if test.eval_time != time:
            continue
        name_label = {"alertname": test.alertname}
        expected = _sorted([(alert.exp_labels | name_label, alert.exp_annotations) for alert in test.exp_alerts])
        found = _sorted(
            [
                (dict(alert.labels), dict(alert.annotations))
                for alert in engine.active()
                if alert.state is AlertState.FIRING and alert.labels["alertname"] == test.alertname
            ]
        )
        if expected != found:
            yield Failure(name, f"alert {test.alertname} at {shown}", _listed(expected), _listed(found))
    for expression in case.promql_expr_test:
        if expression.eval_time != time:
            continue
        wanted = {parse_series(sample.labels): sample.value for sample in expression.exp_samples}
        got = {labels_of(labels): value for labels, value in engine.query(expression.expr, time)}
        if wanted.keys() != got.keys() or not all(_same(wanted[key], got[key]) for key in wanted):
            yield Failure(name, f"{expression.expr} at {shown}", _vector(wanted), _vector(got))


_Alert = tuple[dict[str, str], dict[str, str]]


def _sorted(alerts: list[_Alert]) -> list[_Alert]:
    return sorted(alerts, key=lambda alert: (sorted(alert[0].items()), sorted(alert[1].items())))


def _listed(alerts: list[_Alert]) -> str:
    return "; ".join(f"labels {labels} annotations {annotations}" for labels, annotations in alerts) or "none"


def _vector(vector: dict[Labels, float]) -> str:
    return "; ".join(f"{dict(labels)} {value!r}" for labels, value in sorted(vector.items())) or "none"


def _same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-12)


def parse_series(text: str) -> Labels:
    """The labels of `name{label="value"}`.

    Raises:
        ConfigError: not a series.
    """
    named = not text.strip().startswith("{") or NAME in text
    try:
        # A selector needs something that is not empty; the labels of a sample do not.
        selector = parse_selector(text if named else f"_{text.strip()}") if text.strip() else ()
    except ConfigError as error:
        raise ConfigError(f'"{text}" is not a series: {error}') from None
    if any(matcher.type is not MatchType.EQUAL for matcher in selector):
        raise ConfigError(f'"{text}" is not a series: its labels must be given by "="')
    return labels_of({matcher.name: matcher.value for matcher in selector if named or matcher.name != NAME})


_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|Inf|NaN)"
_ITEM = re.compile(
    rf"(?P<first>_|stale|{_NUMBER})(?P<step>[-+](?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)?(?:x(?P<times>[0-9]+))?"
)


def parse_values(text: str) -> list[float | None]:
    """The values of promtool's notation: `1 2+3x4 _x2 stale`; None where there is no sample.

    Raises:
        ConfigError: not that notation, or too many values.
    """
    values: list[float | None] = []
    for item in text.split():
        found = _ITEM.fullmatch(item)
        if found is None:
            raise ConfigError(f'"{item}" is not a value; write it like 1, 1+2x3, 1x3, _, _x3 or stale')
        times = int(found["times"] or 0)
        if len(values) + times > MAX_SAMPLES:
            raise ConfigError(f"more than {MAX_SAMPLES} values in a series")
        values.extend(_expanded(found, times))
    return values


def _expanded(found: re.Match[str], times: int) -> list[float | None]:
    first = str(found["first"])
    if first == "_":
        return [None] * max(times, 1)
    start = STALE if first == "stale" else float(first)
    step = float(found["step"] or 0)
    return [start + step * i if step else start for i in range(times + 1)]
