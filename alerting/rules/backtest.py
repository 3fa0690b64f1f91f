"""Rules over history: the very same engine, driven by the time of the samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerting.alert_state import AlertState
from alerting.promql.matchers import all_match
from alerting.promql.vectors import NAME
from alerting.rules.engine import AlertEngine
from alerting.rules.samples import Limits, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from alerting.alert_state import AlertChange
    from alerting.promql.matchers import Matcher
    from alerting.rules.files import RuleGroup
    from telemetry.metrics import Point


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that an alert fired. `resolved_at` is 0 where history ends first."""

    alert: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    active_at: int
    fired_at: int
    resolved_at: int = 0


@dataclass(frozen=True, slots=True)
class Backtest:
    """What the rules would have done."""

    firings: list[Firing]
    never_fired: int  # pending ones that went away
    evaluations: int
    points: int
    errors: dict[str, str]  # of rules that failed at the end, by group and name
    unseen: dict[str, list[str]]  # selectors that found nothing in all of it, by group and name of the rule


def reads(groups: Iterable[RuleGroup], name: str) -> bool:
    """Whether a rule may read the series of a metric."""
    return any(_may_be(selector, name) for _, selector in _selectors(groups))


def backtest(
    groups: Sequence[RuleGroup],
    points: Iterable[Point],
    limits: Limits | None = None,
    notified_after: Callable[[Point], int] = lambda _: 0,
    since: int = 0,
) -> Backtest:
    """Play points through the rules, all at once: see `backtest_steps`."""
    steps = backtest_steps(groups, points, limits, notified_after, since)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Backtest = end.value
            return found


def backtest_steps(
    groups: Sequence[RuleGroup],
    points: Iterable[Point],
    limits: Limits | None = None,
    notified_after: Callable[[Point], int] = lambda _: 0,
    since: int = 0,
) -> Generator[int, None, Backtest]:
    """Play points through the rules, from the first one's time to the last one's; yields the evaluations so far, often.

    Args:
        groups: the rules.
        points: in any order.
        limits: of the samples.
        notified_after: how long after its time a point reached the rules, ns.
        since: points before this time are there for rules to look back at, and nothing is evaluated, ns.
    """
    points = list(points)
    ordered = sorted(((point.time + notified_after(point), point) for point in points), key=lambda item: item[0])
    engine = AlertEngine(groups, Samples(limits or Limits()))
    open_: dict[str, Firing] = {}
    firings: list[Firing] = []
    never = 0
    step = min((group.interval for group in groups), default=1)
    following = 0
    while following < len(ordered):
        now = (ordered[following][0] // step + 1) * step - 1
        begin = following
        while following < len(ordered) and ordered[following][0] <= now:
            following += 1
        if now < since:
            engine.add(point for _, point in ordered[begin:following])
            continue
        # What is due before these points does not see them; then they are there for what is due at their time.
        changes = engine.advance(ordered[begin][0] - 1)
        engine.add(point for _, point in ordered[begin:following])
        changes += engine.advance(now)
        yield engine.counts.evaluations
        for change in changes:
            never += change.state is AlertState.INACTIVE
            _note(change, open_, firings)
    firings += open_.values()
    firings.sort(key=lambda firing: (firing.fired_at, firing.alert, sorted(firing.labels.items())))
    errors = {f"{health.group}/{health.rule}": health.error for health in engine.health() if health.error}
    return Backtest(firings, never, engine.counts.evaluations, len(ordered), errors, _unseen(groups, points))


def _unseen(groups: Sequence[RuleGroup], points: Iterable[Point]) -> dict[str, list[str]]:
    stored = [dict(series.labels) | {NAME: series.name} for series in {point.series for point in points}]
    made = ["ALERTS", "ALERTS_FOR_STATE", *(rule.name for group in groups for rule in group.rules if rule.kind == "record")]
    found: dict[str, list[str]] = {}
    for rule, selector in _selectors(groups):
        ours = any(_may_be(selector, name) for name in made)
        if not ours and not any(all_match(selector, labels) for labels in stored):
            found.setdefault(rule, []).append("{" + ",".join(map(str, selector)) + "}")
    return found


def _selectors(groups: Iterable[RuleGroup]) -> Iterator[tuple[str, tuple[Matcher, ...]]]:
    for group in groups:
        for rule in group.rules:
            for selector in dict.fromkeys(rule.expr.selectors):
                yield f"{group.name}/{rule.name}", selector


def _may_be(selector: tuple[Matcher, ...], name: str) -> bool:
    """Whether the selector matches series of that metric, whatever their other labels are."""
    return all(matcher.matches(name) for matcher in selector if matcher.name == NAME)


def _note(change: AlertChange, open_: dict[str, Firing], firings: list[Firing]) -> None:
    if change.state is AlertState.FIRING:
        labels = dict(change.labels)
        open_[change.fingerprint] = Firing(labels["alertname"], labels, change.annotations, change.active_at, change.starts_at)
    elif change.state is AlertState.RESOLVED:
        known = open_.pop(change.fingerprint, None)
        if known is None:
            return  # another rule has an alert with the same labels
        firings.append(Firing(known.alert, known.labels, known.annotations, known.active_at, known.fired_at, change.ends_at))
