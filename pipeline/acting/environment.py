"""One environment in stage 4: its telemetry is diagnosed, alerts are raised on it and repairs started, all by its own time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from alerting.playbooks.kernel.traffic import awaited_calls
from alerting.playbooks.kernel.trust import origin_of_rule
from pipeline.acting.diagnose import Diagnoser
from pipeline.exchange.codec import BatchKind
from processors.assembly.edges import edge_from_body
from processors.assembly.watermark import SECOND, Watermark
from processors.feedback.marks import Marks
from processors.series.derived import culprit_points
from processors.series.edge_counts import edge_counts
from stores.samples.store import delta_number
from telemetry.documents import culprits_document
from telemetry.documents.read_back import anomaly_from_body
from telemetry.environment import EVERY_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from alerting.alert_state import AlertChange
    from alerting.playbooks.kernel.healer import Healer
    from pipeline.acting.alerting import Alerting
    from pipeline.acting.config import ActConfig, ActCounts
    from pipeline.state.table import StageTable
    from processors.root_cause.ranking import CulpritRanker
    from processors.root_cause.sampled_trace import SampledTrace
    from telemetry.documents import Document
    from telemetry.findings import Anomaly, CulpritRanking
    from telemetry.metrics import Point

MAX_ANOMALIES = 1000
"""Anomalies that playbooks answer which may wait for the next tick, half a second later."""

BEHIND = 30 * SECOND
"""How far behind the clock rules stay while no telemetry comes: longer than windows and counters take to reach them."""

GAP = 60 * SECOND
"""A longer gap of rule time is not made up for: this process was not there, and would take its own absence for silence.
A jump over one waits for as long a silence: who replays a recording may pause."""

AHEAD = 600 * SECOND
"""How far ahead of the clock a point may be stamped: as Prometheus has it for what it scrapes."""


class Environment:
    """What is known and decided of one environment.

    Args:
        name: of the environment.
        config: when to rank, and how far back rules may look.
        counts: what the stage did, in all environments.
        culprits: remembers and ranks.
        state: of this environment alone.
        now: nanoseconds since the epoch.
        alerting: rules, notifications and repairs; an analysis of files has none.
        marks: what people said of earlier rankings.
    """

    def __init__(
        self,
        name: str,
        config: ActConfig,
        counts: ActCounts,
        culprits: CulpritRanker,
        state: StageTable,
        now: Callable[[], int],
        alerting: Alerting | None,
        marks: Marks | None = None,
    ) -> None:
        self.name = name
        self.alerting = alerting
        self.partition: int | None = None
        self.last_record = now()
        self._config, self._counts = config, counts
        self._state, self._now = state, now
        self._diagnoser = Diagnoser(name, config, culprits, Marks() if marks is None else marks)
        self._watermark = Watermark()
        self._clock_time = 0  # how far rules have come by the clock, where no telemetry came
        self._anomalies: list[Anomaly] = []  # that playbooks answer

    @property
    def event_time(self) -> int:
        """Event time, nanoseconds since the epoch."""
        return self._watermark.time

    @property
    def dropped(self) -> dict[str, int]:
        """What the bounds of the search for culprits and of repairs have cost."""
        cost = {f"culprit_{what}": count for what, count in self._diagnoser.dropped.items()}
        if self.alerting is not None:
            cost["repair_calls"] = self.alerting.runner.healer.traffic.indistinguishable
        return cost

    @property
    def horizon(self) -> int:
        """The event time up to which records that arrived are needed no more, should this process crash now.

        From the last save rules go on; before it they read, and recordings that are made again read once more before that.
        Records whose samples are not in the store of samples yet are needed too.
        """
        look_back = int(self._config.look_back * SECOND)
        if self.alerting is None:
            return self.event_time - look_back
        engine = self.alerting.engine
        furthest = max(look_back, engine.lookback)
        horizon = self.alerting.saved_event_time - (furthest + engine.recorded_again if engine.records else furthest)
        return min(horizon, self.alerting.held_from - 1)

    def handle(self, batch: BatchKind, items: Sequence[Any]) -> None:
        """Take what a record has of this environment."""
        self.last_record = self._now()
        match batch:
            case BatchKind.POINTS:
                self._handle_points(items)
            case BatchKind.TRACES:
                self._handle_traces(items)
            case BatchKind.LOG_TEMPLATES:
                self._diagnoser.learn(lambda culprits: culprits.add_lines(items))
            case BatchKind.EDGES:
                self._handle_edges(items)
            case BatchKind.ANOMALIES:
                for body in items:
                    self._handle_anomaly(anomaly_from_body(body), body["id"])
            case other:
                raise AssertionError(other)

    def _observe(self, time: int) -> None:
        self._watermark.observe(time)
        if self.event_time + self._watermark.jump < self._clock_time:  # a recording is replayed
            self._clock_time = 0
            if self.alerting is not None:
                self.alerting.engine.rewind()

    def _handle_points(self, points: Sequence[Point]) -> None:
        now = self._now()
        accepted = [point for point in points if point.time <= now + AHEAD]
        self._counts.points_too_new += len(points) - len(accepted)
        if not accepted:
            return
        self._observe(min(now, max(point.time for point in accepted)))
        if self.alerting is not None:
            self.alerting.engine.add(accepted, self.event_time)
        if self.name == EVERY_ENVIRONMENT:
            return  # culprits are found in each by itself
        foreign = [
            point
            for point in accepted
            if math.isfinite(point.value) and not point.series.name.startswith(("spanloom_", "traces_"))
        ]
        self._diagnoser.learn(lambda culprits: culprits.add_points(foreign))

    def _handle_traces(self, traces: Sequence[SampledTrace]) -> None:
        now = self._now()
        self._diagnoser.add_traces(traces, now)
        self._observe(min(now, max((trace.end for trace in traces), default=0)))
        if self.alerting is not None:
            healer = self.alerting.runner.healer
            healer.evidence.add_traces(traces)
            seen = {(visit.service, visit.instance) for trace in traces for visit in trace.visits}
            healer.traffic.see(seen, self.event_time)

    def _handle_edges(self, bodies: Sequence[dict[str, object]]) -> None:
        if self.alerting is None:
            return
        now = self._now()
        for body in bodies:
            number = delta_number(str(body.get("id") or orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()))
            counts = edge_counts(edge_from_body(body))
            if counts[0].time <= now + AHEAD:
                self.alerting.engine.add_delta(counts, number, self.event_time)
            else:
                self._counts.points_too_new += len(counts)
        edges = [edge_from_body(body) for body in bodies if not body.get("again")]
        self.alerting.alertmanager.see_calls(awaited_calls(edges), now)
        self.alerting.runner.healer.traffic.add_edges(edges, now)

    def _handle_anomaly(self, anomaly: Anomaly, id_: str) -> None:
        if self.alerting is not None:
            self.alerting.runner.healer.evidence.add_anomaly(anomaly)
            self._offer(anomaly, self.alerting.runner.healer)
        if self._diagnoser.asks(anomaly):
            self._want_ranking(anomaly.score, id_, anomaly.service, anomaly.start)

    def _offer(self, anomaly: Anomaly, healer: Healer) -> None:
        if not healer.awaits(anomaly):
            return
        if len(self._anomalies) < MAX_ANOMALIES:
            self._anomalies.append(anomaly)
        else:
            self._counts.anomalies_dropped += 1

    def _want_ranking(self, score: float, id_: str, service: str, since: int, *, for_rules: bool = True) -> None:
        """Ask for a ranking, unless a repair explains what the service has been suffering since a time."""
        if self._diagnoser.ranked_after(self.event_time):
            return
        if self.alerting is not None and self.alerting.runner.healer.explained(service, since):
            return
        self._diagnoser.want(score, id_, for_rules=for_rules)

    # ------------------------------------------------------------------ time

    def elapse(self, nanoseconds: int, at_most: int) -> None:
        """No telemetry of this environment comes: its time goes on by the clock, but not past another's telemetry."""
        if self.event_time and self.event_time < at_most:
            self._watermark.elapse(min(nanoseconds, at_most - self.event_time))

    def follow_clock(self, now: int) -> None:
        """All telemetry that there is was read, and none comes: rules go on by the clock, as far behind it as stages may be."""
        time = now - BEHIND
        if time <= max(self._clock_time, self.event_time):
            return
        if time - max(self._clock_time, self.event_time) > GAP:
            if self.event_time and now - self.last_record < GAP:
                return  # a recording may go on
            if self.alerting is not None:
                self.alerting.engine.skip(time - GAP)
        self._clock_time = time

    @property
    def rule_time(self) -> int:
        """Up to when rules are evaluated, ns: the event time, or later by the clock; 0 before either is known."""
        return max(self.event_time, self._clock_time)

    async def tick(self) -> list[Document]:
        """Rank, evaluate, notify and repair what is due at the present event time; the documents of it."""
        documents: list[Document] = []
        if self._diagnoser.is_due(self.event_time):
            documents += await self.rank()
            if self.partition is not None and self.alerting is not None:
                await self._diagnoser.save(self._state, self.partition)
        if self.alerting is not None:
            anomalies, self._anomalies = self._anomalies, []
            advanced = await self.alerting.advance(self.rule_time, anomalies)
            documents += advanced.documents
            for change in advanced.firing:
                self._handle_alert(change)
        return stamped(documents, self.name)

    def _handle_alert(self, change: AlertChange) -> None:
        """An alert of a service asks for a ranking as an anomaly does: not all that is wrong is unusual.

        Rules do not see one that only a rule from outside asked for: it could make them blame a service that is well.
        """
        service = change.service
        if service and self.alerting is not None and self.name != EVERY_ENVIRONMENT:
            origin = origin_of_rule(change.file)
            trusted = not origin or self.alerting.runner.healer.trust.allows(origin)
            self._want_ranking(1.0, change.document().id, service, change.active_at, for_rules=trusted)

    async def rank(self) -> list[Document]:
        """Rank culprits now, for the strongest anomaly that waits."""
        for_rules, culprits = await self._diagnoser.rank(self.event_time)
        if culprits is None:
            return []
        self._counts.rankings += 1
        if self.alerting is not None:
            self.alerting.runner.healer.evidence.add_ranking(culprits)
        if for_rules:
            self._add_to_rules(culprits)
        return [culprits_document(culprits)]

    def _add_to_rules(self, culprits: CulpritRanking) -> None:
        """Let rules see a ranking, unless its likeliest culprit only suffers from a service under repair."""
        if self.alerting is None:
            return
        if len(self.alerting.runner.healer.explained(culprits.ranking[0].service, self.event_time)) > 1:
            self._counts.explained += 1
            return
        self.alerting.engine.add(culprit_points(culprits))
        self._diagnoser.keep(culprits)

    # ------------------------------------------------------------------ ownership

    async def own(self, partition: int) -> None:
        """Take over with the state that the last owner saved."""
        if self.alerting is not None:
            for culprits in self._diagnoser.restore(self._state, partition):
                self.alerting.engine.add(culprit_points(culprits))
            await self.alerting.own(partition)
        self.partition = partition

    async def release(self) -> None:
        """Let go: another worker owns the environment from now on."""
        self.partition = None
        if self.alerting is not None:
            await self.alerting.release()


def stamped(documents: Iterable[Document], environment: str) -> list[Document]:
    """The documents, with the environment that they are of."""
    return [replace(document, body={**document.body, "environment": environment}) for document in documents]
