"""The rule engine: samples in, alert changes out, at event time.

`advance(now)` evaluates every group at each multiple of its interval up to `now`, in order of time, so that the same
samples give the same alerts whenever and however often they are read.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerting.promql.expression import LOOKBACK
from alerting.rules.evaluation import (
    AlertContext,
    GroupRun,
    Remains,
    compiled,
    evaluate_group,
    queries_of,
    record_group,
    saved_remains,
)
from alerting.rules.samples import Samples
from components.durations import MINUTE, format_duration
from telemetry.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alerting.alert_state import AlertChange
    from alerting.promql.vectors import Past, Reach, Vector
    from alerting.rules.files import Rule, RuleGroup
    from telemetry.json_object import JsonObject
    from telemetry.metrics import Point

VERSION = 1
MAX_CATCH_UP = 1000
"""Most evaluations of one group in one `advance`; older ones that are due are skipped and counted as missed."""

UNSTORED = 2 * MINUTE
"""For how long what rules record may be on its way to the store of samples, ns: several flushes."""


@dataclass(slots=True)
class EngineCounts:
    """What the engine did, since the start."""

    evaluations: int = 0
    failures: int = 0
    missed: int = 0
    changes: int = 0


@dataclass(frozen=True, slots=True)
class RuleHealth:
    """How a rule's last evaluation went; `error` is empty when well."""

    group: str
    rule: str
    evaluated_at: int
    error: str
    notes: tuple[str, ...] = ()  # what it reads that is answered from rollups


@dataclass(slots=True)
class AlertEngine:
    """Evaluates rule groups over samples in memory.

    Args:
        groups: compiled rules.
        samples: what they read; also stores recorded series and `ALERTS`.
        external_labels: for templates.
        is_global: whether it evaluates the groups of `scope: global`, and not those of each environment.
        alert_labels: what every alert has, unless its rule says otherwise: its environment.
        external_url: where users reach this instance, for templates.
        past: older samples, see `reads`.
        stored_for: how far back these go, ns.
    """

    groups: Sequence[RuleGroup] = ()
    samples: Samples = field(default_factory=Samples)
    external_labels: dict[str, str] = field(default_factory=dict)
    external_url: str = ""
    alert_labels: dict[str, str] = field(default_factory=dict)
    is_global: bool = False
    past: Past | None = None
    stored_for: int = 0
    counts: EngineCounts = field(default_factory=EngineCounts)
    _runs: dict[tuple[str, str], GroupRun] = field(default_factory=dict)
    _ended: list[Remains] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.replace_rules(self.groups)

    def replace_rules(self, groups: Sequence[RuleGroup]) -> None:
        """Take other rules, all at once. A rule that stays alike keeps its alerts; those of rules that went resolve.

        Raises:
            ConfigError: a rule reads further back than samples are kept; the old rules stay.
        """
        self.check(groups)
        old, self._runs = self._runs, {}
        self.groups = tuple(groups)
        for group in self.groups:
            key = (group.file, group.name)
            self._runs[key] = GroupRun.of(group, old.pop(key, None))
        self._ended.extend(remains for run in old.values() for remains in run.remains())

    def check(self, groups: Iterable[RuleGroup]) -> None:
        """Accept rules that can be used here.

        Raises:
            ConfigError: one reads further back than samples are kept.
        """
        kept = max(self.samples.limits.retention, self.stored_for)
        for group in groups:
            for rule in group.rules:
                if rule.expr.lookback + group.query_offset > kept:
                    lookback, kept_text = format_duration(rule.expr.lookback + group.query_offset), format_duration(kept)
                    where = f'{group.file}: group "{group.name}": {rule.name}: expr'
                    raise ConfigError(f"{where}: reads {lookback} back, but samples are kept for {kept_text}")

    def reads(self, now: int) -> dict[Reach, tuple[int, int]]:
        """What the rules that are due read of the time before memory: from when until when, ns. `past` has to have it."""
        found: dict[Reach, tuple[int, int]] = {}
        for run in self._runs.values():
            for rule in run.group.rules:
                self._note_reads(found, run, now, rule.expr.reaches)
        return found

    def texts_read(self, now: int) -> dict[Reach, tuple[int, int]]:
        """The same of what the texts of alerts ask, which depends on what `past` says now."""
        found: dict[Reach, tuple[int, int]] = {}
        context = AlertContext(self.external_labels, self.external_url, self.alert_labels)
        for run in self._runs.values():
            if not run.due(now):
                continue
            time = run.due(now)[-1] - run.group.query_offset
            for rule in (rule for rule in run.group.rules if rule.asks):
                for text in queries_of(rule, time, self.samples, context, self.past):
                    with suppress(ConfigError):
                        self._note_reads(found, run, now, compiled(text).reaches)
        return found

    def _note_reads(self, found: dict[Reach, tuple[int, int]], run: GroupRun, now: int, reaches: Iterable[Reach]) -> None:
        times = run.due(now)[-MAX_CATCH_UP:]
        if not times:
            return
        first, last = times[0] - run.group.query_offset, times[-1] - run.group.query_offset
        for reach in reaches:
            since, until = reach.of(self.samples, first, last, LOOKBACK)
            if since + (0 if reach.width else LOOKBACK) < first - self.samples.limits.retention:
                before = found.get(reach, (since, until))
                found[reach] = min(since, before[0]), max(until, before[1])

    @property
    def lookback(self) -> int:
        """How far back the rules read samples in memory, ns, beside the lookback of instant selectors."""
        reaches = (rule.expr.lookback + group.query_offset for group in self.groups for rule in group.rules)
        return max((reach for reach in reaches if reach <= self.samples.limits.retention), default=0)

    @property
    def recorded_again(self) -> int:
        """For how long before a crash series are recorded again, ns: what rules read of them, and what was not stored yet."""
        return max(self.lookback, UNSTORED)

    @property
    def records(self) -> bool:
        """Whether any rule records series, which `restore` makes again from older samples."""
        return any(rule.kind == "record" for group in self.groups for rule in group.rules)

    def add(self, points: Iterable[Point], now: int | None = None) -> None:
        """Keep points for the rules to read; `now` is the time of the telemetry (ns), if it is known."""
        self.samples.add(points, now)

    def add_delta(self, points: Iterable[Point], number: int, now: int) -> None:
        """Add to samples what is known by a number; see `Samples.add_delta`."""
        self.samples.add_delta(points, number, now)

    def advance(self, now: int) -> list[AlertChange]:
        """Evaluate what is due up to `now` (ns, event time); the alerts that changed, in order of time."""
        changes: list[AlertChange] = []
        for remains in self._ended:
            changes.extend(remains.end(now, self.samples))
        self._ended.clear()
        due: list[tuple[int, int, GroupRun]] = []
        for order, run in enumerate(self._runs.values()):
            times = run.due(now)
            self.counts.missed += max(0, len(times) - MAX_CATCH_UP)
            due.extend((at, order, run) for at in times[-MAX_CATCH_UP:])
            if times and run.restored_at >= 0:
                self._record_again(run)
        due.sort(key=lambda item: item[:2])
        context = AlertContext(self.external_labels, self.external_url, self.alert_labels)
        for at, _order, run in due:
            outcome = evaluate_group(run, at, self.samples, context, self.past)
            self.counts.evaluations += len(run.group.rules)
            self.counts.failures += outcome.failures
            changes.extend(outcome.changes)
        if due:
            self.samples.retain()
        self.counts.changes += len(changes)
        return changes

    def skip(self, to: int) -> None:
        """Evaluate nothing before a time: nobody was there to see it."""
        for run in self._runs.values():
            if run.evaluated_at >= 0:
                run.evaluated_at = max(run.evaluated_at, to)

    def rewind(self) -> None:
        """Begin again at the next time, however early: the one so far was the clock's, and telemetry has brought its own."""
        for run in self._runs.values():
            run.evaluated_at = -1

    def _record_again(self, run: GroupRun) -> None:
        """Make what the group recorded before a crash again, as far back as any rule reads it.

        By now the samples that it was made of have been read again.
        """
        interval, until = run.group.interval, run.restored_at
        furthest = until - min(self.recorded_again, MAX_CATCH_UP * interval)
        for at in range(-(-furthest // interval) * interval, until + 1, interval):
            record_group(run, at, self.samples, self.samples.limits.retention)
        run.restored_at = -1

    def active(self) -> list[AlertChange]:
        """Every pending and firing alert as it stands."""
        return [alert for run in self._runs.values() for alert in run.active()]

    def health(self) -> list[RuleHealth]:
        """How each rule's last evaluation went."""
        return [
            RuleHealth(run.group.name, rule.name, run.evaluated_at, run.errors.get(i, ""), self._notes(rule))
            for run in self._runs.values()
            for i, rule in enumerate(run.group.rules)
        ]

    def _notes(self, rule: Rule) -> tuple[str, ...]:
        past = self.past
        return tuple(filter(None, map(past.note, rule.expr.reaches))) if past is not None else ()

    def query(self, expr: str, at: int) -> list[tuple[dict[str, str], float]]:
        """The instant vector of an expression at a time (ns): labels and value of each element.

        Raises:
            PromqlError: the expression is wrong or not covered.
            EvaluationError: it has no answer on these samples.
        """
        vector: Vector = compiled(expr).evaluate(self.samples, at)
        return [(dict(labels), value) for labels, value in vector]

    def snapshot(self) -> JsonObject:
        """Alerts and the progress of each group, as plain data. Samples have a snapshot of their own."""
        return {
            "version": VERSION,
            "groups": [[*key, run.snapshot()] for key, run in self._runs.items()],
            "ended": [remains.snapshot() for remains in self._ended],
        }

    def restore(self, state: JsonObject) -> None:
        """Take a snapshot's alerts for the rules that are still alike; those of rules that went meanwhile resolve.

        Then add what samples there were before: evaluation goes on at the first time after the snapshot's.

        Raises:
            InputError: a snapshot of another version.
        """
        if state.get("version") != VERSION:
            raise InputError(f"alert engine snapshot of version {state.get('version')!r}; this release reads version {VERSION}")
        self._runs = {key: GroupRun.of(run.group, None) for key, run in self._runs.items()}
        self._ended = [Remains.of(saved) for saved in state.get("ended", ())]
        for file, name, saved in state["groups"]:
            run = self._runs.get((file, name))
            if run is not None:
                run.restore(saved)
            else:
                self._ended += saved_remains(name, saved)
