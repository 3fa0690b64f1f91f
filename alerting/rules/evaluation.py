"""One evaluation of a rule group: expressions to recorded series and alerts. Follows Prometheus's `Group.Eval`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog

from alerting.alert_state import AlertState, Found, RuleAlerts
from alerting.gotemplates.functions import of_evaluation
from alerting.gotemplates.syntax import TemplateError
from alerting.gotemplates.values import Labels as TemplateLabels
from alerting.promql.expression import compile_expression
from alerting.promql.vectors import NAME, EvaluationError, Labels, labels_of
from telemetry.errors import SpanloomError
from telemetry.metrics import STALE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alerting.alert_state import AlertChange
    from alerting.gotemplates.execute import Template
    from alerting.promql.expression import Expression
    from alerting.promql.vectors import Past, Vector
    from alerting.rules.files import Rule, RuleGroup
    from alerting.rules.samples import Samples
    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)

MAX_QUERIES = 100
"""Expressions in the texts of one rule's alerts that are answered from the store of samples."""


@dataclass(slots=True)
class Remains:
    """What a rule that is gone leaves behind: alerts to resolve and series to end."""

    alerts: RuleAlerts
    written: set[Labels]

    def end(self, at: int, samples: Samples) -> list[AlertChange]:
        """Resolve the alerts, end the series."""
        _write_stale(samples, self.written, at)
        return self.alerts.clear(at)

    def snapshot(self) -> JsonObject:
        """Plain data."""
        return {
            "group": self.alerts.group,
            "expr": self.alerts.expr,
            "alerts": self.alerts.snapshot(),
            "written": [dict(labels) for labels in self.written],
        }

    @classmethod
    def of(cls, state: JsonObject) -> Remains:
        """From a snapshot."""
        alerts = RuleAlerts(0, 0, state["group"], state["expr"])
        if state["alerts"] is not None:
            alerts.restore(state["alerts"])
        return cls(alerts, {labels_of(labels) for labels in state["written"]})


@dataclass(slots=True)
class GroupRun:
    """A group with its state: alerts by rule, the series that each rule wrote last, and how far it is."""

    group: RuleGroup
    alerts: dict[int, RuleAlerts] = field(default_factory=dict)
    written: dict[int, set[Labels]] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    evaluated_at: int = -1  # never yet
    restored_at: int = -1  # how far it was in the snapshot that it came from, until it is evaluated again
    replaced: list[Remains] = field(default_factory=list)  # of rules that a new version of the group does not have

    @classmethod
    def of(cls, group: RuleGroup, old: GroupRun | None) -> GroupRun:
        """A run that goes on where the old one of that name stood, for the rules that stayed alike."""
        run = cls(group)
        for i, rule in enumerate(group.rules):
            if rule.kind == "alert":
                run.alerts[i] = RuleAlerts(rule.hold, rule.keep_firing_for, group.name, rule.expr.text, group.file)
        if old is None:
            return run
        run.evaluated_at, run.restored_at, run.replaced = old.evaluated_at, old.restored_at, old.replaced
        places = _places(group)
        for identity, i in _places(old.group).items():
            place = places.get(identity)
            if place is None:
                run.replaced.append(old.remains_of(i))
                continue
            run.written[place] = old.written.get(i, set())
            if place in run.alerts:
                run.alerts[place].alerts = old.alerts[i].alerts
        return run

    def due(self, now: int) -> range:
        """The multiples of the interval that are not evaluated yet; of the past before the first one only the last."""
        interval = self.group.interval
        last = now // interval * interval
        first = (self.evaluated_at // interval + 1) * interval if self.evaluated_at >= 0 else last
        return range(first, last + 1, interval)

    def remains_of(self, i: int) -> Remains:
        """What the rule of a place would leave behind."""
        return Remains(self.alerts.get(i, RuleAlerts(0, 0, "", "")), self.written.get(i, set()))

    def remains(self) -> list[Remains]:
        """What the group would leave behind."""
        return [*self.replaced, *map(self.remains_of, range(len(self.group.rules)))]

    def active(self) -> list[AlertChange]:
        """Every alert as it stands."""
        return [alert for alerts in self.alerts.values() for alert in alerts.active(self.evaluated_at)]

    def snapshot(self) -> JsonObject:
        """Plain data, rules by their identity."""
        return {
            "evaluated_at": self.evaluated_at,
            "rules": [
                {
                    "identity": list(identity),
                    "alerts": self.alerts[i].snapshot() if i in self.alerts else None,
                    "written": [dict(labels) for labels in self.written.get(i, ())],
                }
                for identity, i in _places(self.group).items()
            ],
            "replaced": [remains.snapshot() for remains in self.replaced],
        }

    def restore(self, state: JsonObject) -> None:
        """Take a snapshot for the rules that are still alike; what the others left behind ends with the next evaluation."""
        self.evaluated_at = self.restored_at = state["evaluated_at"]
        self.replaced = [Remains.of(saved) for saved in state.get("replaced", ())]
        places = _places(self.group)
        for saved in state["rules"]:
            identity, occurrence = saved["identity"]
            i = places.get((identity, occurrence))
            if i is None:
                self.replaced.append(_remains_of(saved, self.group.name))
                continue
            self.written[i] = {labels_of(labels) for labels in saved["written"]}
            if i in self.alerts and saved["alerts"] is not None:
                self.alerts[i].restore(saved["alerts"])


def saved_remains(group: str, state: JsonObject) -> list[Remains]:
    """What a group that is gone leaves behind, from its snapshot."""
    replaced = [Remains.of(saved) for saved in state.get("replaced", ())]
    return [*replaced, *(_remains_of(saved, group) for saved in state["rules"])]


def _remains_of(saved: JsonObject, group: str) -> Remains:
    return Remains.of({**saved, "group": group, "expr": saved["identity"][0].split("\0")[2]})


def _places(group: RuleGroup) -> dict[tuple[str, int], int]:
    """Where each rule stands, by identity and ordinal among rules of the same identity."""
    counts: dict[str, int] = {}
    places = {}
    for i, rule in enumerate(group.rules):
        occurrence = counts.get(rule.identity, 0)
        counts[rule.identity] = occurrence + 1
        places[rule.identity, occurrence] = i
    return places


@dataclass(slots=True)
class EvaluationResult:
    """What one evaluation of a group gave."""

    changes: list[AlertChange] = field(default_factory=list)
    failures: int = 0


@dataclass(frozen=True, slots=True)
class AlertContext:
    """What alerts have beside what their rule says: `labels`, unless the rule sets them; the rest is for templates."""

    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def evaluate_group(
    run: GroupRun, at: int, samples: Samples, context: AlertContext, past: Past | None = None
) -> EvaluationResult:
    """Evaluate the rules in their order; a rule that fails leaves its alerts as they are and does not stop the next.

    What failed by a mistake of ours is logged with its name, once.
    """
    outcome = EvaluationResult([change for remains in run.replaced for change in remains.end(at, samples)])
    run.replaced = []
    time = at - run.group.query_offset
    for i, rule in enumerate(run.group.rules):
        try:
            vector = rule.expr.evaluate(samples, time, past=past)
            if rule.kind == "record":
                series = _recorded(rule, vector, run.group.limit)
            else:
                found = _found(rule, vector, context, lambda text: _queried(text, samples, time, past))
                alerts = run.alerts[i]
                if run.group.limit and len(found) > run.group.limit:
                    outcome.changes.extend(alerts.clear(at))
                _check_limit(run.group.limit, len(found), "alerts")
                outcome.changes.extend(alerts.update(at, found))
                series = _alert_series(alerts)
        except Exception as error:  # one rule must not end all alerting, whatever is wrong with it
            reason = str(error) if isinstance(error, SpanloomError) else f"{type(error).__name__}: {error}"
            if not isinstance(error, SpanloomError) and run.errors.get(i) != reason:
                log.exception("rule_failed", group=run.group.name, rule=rule.name, file=run.group.file)
            run.errors[i] = reason
            outcome.failures += 1
            continue
        run.errors.pop(i, None)
        for labels, value in series.items():
            samples.append(labels, time, value)
        _write_stale(samples, run.written.get(i, set()) - series.keys(), time)
        run.written[i] = set(series)
    run.evaluated_at = at
    return outcome


def record_group(run: GroupRun, at: int, samples: Samples, kept: int) -> None:
    """Evaluate the recording rules alone, for a time at which the group was evaluated before; alerts stay as they are.

    Rules that read further back than samples are in memory (`kept`, ns) are not: the store of samples has what they recorded.
    """
    time = at - run.group.query_offset
    for rule in run.group.rules:
        if rule.kind == "record" and rule.expr.lookback <= kept:
            with suppress(Exception):  # it was counted and reported when it failed the first time
                for labels, value in _recorded(rule, rule.expr.evaluate(samples, time), run.group.limit).items():
                    samples.append(labels, time, value)


def _write_stale(samples: Samples, series: set[Labels], time: int) -> None:
    for labels in sorted(series):
        samples.append(labels, time, STALE)


def _check_limit(limit: int, count: int, what: str) -> None:
    if limit and count > limit:
        raise EvaluationError(f"exceeded limit of {limit} with {count} {what}")


def _recorded(rule: Rule, vector: Vector, limit: int) -> dict[Labels, float]:
    _check_limit(limit, len(vector), "series")
    fixed = dict(rule.fixed_labels) | {NAME: rule.name}
    series = {labels_of(dict(labels) | fixed): value for labels, value in vector}
    if len(series) != len(vector):
        raise EvaluationError("vector contains metrics with the same labelset after applying rule labels")
    return series


def queries_of(rule: Rule, time: int, samples: Samples, context: AlertContext, past: Past | None) -> set[str]:
    """The expressions that the texts of the rule's alerts would ask at a time: they may read the past too."""
    asked: set[str] = set()

    def note(text: str) -> list[dict[str, object]]:
        if len(asked) < MAX_QUERIES:
            asked.add(text)
        return []

    with suppress(Exception):  # what fails is reported when the rule is evaluated
        _found(rule, rule.expr.evaluate(samples, time, past=past), context, note)
    return asked


def _found(
    rule: Rule, vector: Vector, context: AlertContext, query: Callable[[str], list[dict[str, object]]]
) -> dict[Labels, Found]:
    functions = of_evaluation(query, context.external_url)
    found: dict[Labels, Found] = {}
    for element, value in vector:
        own = {name: text for name, text in element if name != NAME}
        data = {
            "Labels": TemplateLabels(own),
            "Value": value,
            "ExternalLabels": TemplateLabels(context.external_labels),
            "ExternalURL": context.external_url,
        }
        labels = labels_of(dict(context.labels) | own | _rendered(rule.labels, data, functions) | {"alertname": rule.name})
        if labels in found:
            raise EvaluationError("vector contains metrics with the same labelset after applying alert labels")
        found[labels] = Found(value, _rendered(rule.annotations, data, functions))
    return found


def _rendered(
    templates: tuple[tuple[str, Template], ...], data: Mapping[str, object], functions: Mapping[str, Callable[..., object]]
) -> dict[str, str]:
    texts = {}
    short = {f"${name[0].lower()}{name[1:]}": value for name, value in data.items()}  # $labels, $value, $externalURL
    for name, template in templates:
        try:
            texts[name] = template.render(data, functions, variables=short)
        except TemplateError as error:
            texts[name] = f"<error expanding template: {error}>"  # as Prometheus: the alert must not get lost by its text
    return texts


def _queried(text: str, samples: Samples, time: int, past: Past | None) -> list[dict[str, object]]:
    found = compiled(text).evaluate(samples, time, past=past)
    return [{"Labels": TemplateLabels(labels), "Value": value} for labels, value in found]


@lru_cache(maxsize=256)
def compiled(expr: str) -> Expression:
    """An expression that is asked again and again."""
    return compile_expression(expr)


def _alert_series(alerts: RuleAlerts) -> dict[Labels, float]:
    series = {}
    for alert in alerts.alerts.values():
        labels = dict(alert.labels)
        state = "firing" if alert.state is AlertState.FIRING else "pending"
        series[labels_of(labels | {NAME: "ALERTS", "alertstate": state})] = 1.0
        series[labels_of(labels | {NAME: "ALERTS_FOR_STATE"})] = alert.active_at / 1e9
    return series
