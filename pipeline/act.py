"""Stage 4: ranks culprits, and feeds what alerts and repairs.

All of an environment is decided in one place, by event time. A record stays in flight for as long as rules look back, so that
after a crash the samples and the memory of traces are rebuilt from the log, while the state of alerts, notifications
and incidents comes back from a table, as do the last rankings, which are on no log.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Any

from alerting.playbooks.kernel.traffic import awaited_calls
from alerting.playbooks.kernel.trust import origin_of_rule
from pipeline.acting.config import ActConfig, ActCounts
from pipeline.acting.log_lines import log_record
from pipeline.acting.ranking_thread import Diagnosis
from pipeline.acting.recent_rankings import KeptRankings
from pipeline.delivery.background_writer import BackgroundWriter
from pipeline.exchange.codec import BatchKind
from pipeline.exchange.inner_records import received
from pipeline.state.restoring import UNFIT, log_relearning
from processors.assembly.edges import edge_from_body
from processors.assembly.watermark import SECOND, Watermark
from processors.series.derived import culprit_points
from telemetry.documents import culprits_document
from telemetry.documents.read_back import anomaly_from_body
from telemetry.findings import AnomalyKind, CulpritRanking

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerting.alert_state import AlertChange
    from alerting.playbooks.kernel.healer import Healer
    from pipeline.acting.environment import Alerting
    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.delivery.offset_tracker import OffsetTracker
    from pipeline.record import TP, Record
    from pipeline.state.table import StageTable
    from processors.root_cause.ranking import CulpritRanker
    from telemetry.documents import Document
    from telemetry.findings import Anomaly
    from telemetry.metrics import Point
    from telemetry.spans import Span

DEFAULT_ENVIRONMENT = "default"

SETTLE_SECONDS = 5.0
"""How long to wait for the store when the environment is let go."""

MAX_ANSWERS = 1000
"""Answers to requests for approval that may wait for the next tick. Humans give a few a day."""

MAX_ANOMALIES = 1000
"""Anomalies that playbooks answer which may wait for the next tick, half a second later."""

AHEAD = 600 * SECOND
"""How far ahead of the clock a point may be stamped: as Prometheus has it for what it scrapes."""


_ACCEPTED = frozenset(
    {
        BatchKind.POINTS,
        BatchKind.SPANS,
        BatchKind.LOGS,
        BatchKind.EDGES,
        BatchKind.ANOMALIES,
        BatchKind.ANSWERS,
        BatchKind.SOURCES,
    }
)


class ActStage:
    """The state and the work of stage 4 for the one environment that this worker owns.

    Args:
        config: when to rank.
        culprits: remembers and ranks.
        writer: stores documents.
        state: keeps the last rankings.
        now: nanoseconds since the epoch.
        alerting: rules, notifications and repairs; an analysis of files has none.
        live: whether event time goes on by itself when no telemetry comes.
    """

    def __init__(
        self,
        config: ActConfig,
        culprits: CulpritRanker,
        writer: DocumentWriter,
        state: StageTable,
        now: Callable[[], int],
        alerting: Alerting | None,
        *,
        live: bool = True,
    ) -> None:
        self._config = config
        self._diagnosis = Diagnosis(culprits)
        self._writer = writer
        self._state = state
        self._now = now
        self._alerting = alerting
        self._live = live
        self._watermark = Watermark()
        self._last_record = self._last_tick = 0
        self._in_flight: deque[tuple[TP, int, int]] = deque()  # in order of arrival, with the event time at arrival
        # Whether rules may see it, score and id of the strongest that no ranking has answered yet.
        self._wanted: tuple[bool, float, str] | None = None
        self._rankings = KeptRankings()
        self._answers: list[dict[str, object]] = []  # of humans, that came to another worker
        self._anomalies: list[Anomaly] = []  # that playbooks answer
        self._unsaved: list[tuple[OffsetTracker, TP, int]] = []  # records that name sources, until these are saved
        self._background = BackgroundWriter(writer)
        self._partition: int | None = None
        self._owning = asyncio.Lock()
        self.counts = ActCounts()

    @property
    def event_time(self) -> int:
        """Event time, nanoseconds since the epoch."""
        return self._watermark.time

    @property
    def dropped(self) -> dict[str, int]:
        """What the bounds of the search for culprits and of repairs have cost."""
        cost = {f"culprit_{what}": count for what, count in self._diagnosis.dropped.items()}
        if self._alerting is not None:
            cost["repair_anomalies"] = self.counts.anomalies_dropped
            cost["repair_calls"] = self._alerting.runner.healer.traffic.indistinguishable
        return cost

    def handle(self, event: Record, offsets: OffsetTracker) -> None:
        """Take one record."""
        tp = event.message.tp
        batch, items = received(event, _ACCEPTED)
        offsets.add(event)
        now = self._now()
        self._last_record = self._last_tick = now
        if batch is BatchKind.SOURCES:
            self._note_sources(items, offsets, tp, event.message.offset)
            return
        self._handle_batch(batch, items)
        self._in_flight.append((tp, event.message.offset, self.event_time))
        horizon = self._resumes_at() - self._lookback()
        while self._in_flight and (self._in_flight[0][2] <= horizon or offsets.full):
            released, offset, _ = self._in_flight.popleft()
            offsets.release(released, (offset,))

    def _handle_batch(self, batch: BatchKind, items: Any) -> None:
        match batch:
            case BatchKind.POINTS:
                self._handle_points(items)
            case BatchKind.SPANS:
                self._handle_spans(items)
            case BatchKind.LOGS:
                lines = [log_record(line) for line in items]
                self._diagnosis.learn(lambda culprits: culprits.add_logs(lines))
            case BatchKind.EDGES:
                self._handle_edges(items)
            case BatchKind.ANOMALIES:
                for body in items:
                    self._handle_anomaly(anomaly_from_body(body), body["id"])
            case BatchKind.ANSWERS:
                self._handle_answers(items)
            case other:
                raise AssertionError(other)

    def _resumes_at(self) -> int:
        """The event time from which rules would go on after a crash: that of the last save, not the present."""
        return self.event_time if self._alerting is None else self._alerting.saved_event_time

    def _lookback(self) -> int:
        """How far before that records stay in flight: what rules read, and what recordings made again read before it."""
        if self._alerting is None:
            return int(self._config.look_back * SECOND)
        engine = self._alerting.engine
        furthest = max(int(self._config.look_back * SECOND), engine.lookback)
        return furthest + engine.lookback if engine.records else furthest

    def _handle_points(self, points: list[Point]) -> None:
        now = self._now()
        accepted = [point for point in points if point.time <= now + AHEAD]
        self.counts.points_too_new += len(points) - len(accepted)
        if not accepted:
            return
        self._watermark.observe(min(now, max(point.time for point in accepted)))
        if self._alerting is not None:
            self._alerting.engine.add(accepted, self.event_time)
        foreign = [
            point
            for point in accepted
            if math.isfinite(point.value) and not point.series.name.startswith(("spanloom_", "traces_"))
        ]
        self._diagnosis.learn(lambda culprits: culprits.add_points(foreign))

    def _handle_spans(self, spans: list[Span]) -> None:
        traces: dict[bytes, list[Span]] = {}
        for span in spans:
            traces.setdefault(span.trace_id, []).append(span)

        now = self._now()

        def remember(culprits: CulpritRanker) -> None:
            for trace in traces.values():
                culprits.add_trace(trace, now)

        self._diagnosis.learn(remember)
        self._watermark.observe(min(now, max((span.end for span in spans), default=0)))
        if self._alerting is not None:
            healer = self._alerting.runner.healer
            healer.evidence.add_spans(spans)
            healer.traffic.see({(span.service, span.resource.instance) for span in spans}, self.event_time)

    def _handle_edges(self, bodies: list[dict[str, object]]) -> None:
        if self._alerting is None:
            return
        edges = [edge_from_body(body) for body in bodies]
        now = self._now()
        self._alerting.alertmanager.see_calls(awaited_calls(edges), now)
        self._alerting.runner.healer.traffic.add_edges(edges, now)

    def _handle_anomaly(self, anomaly: Anomaly, id_: str) -> None:
        if self._alerting is not None:
            self._alerting.runner.healer.evidence.add_anomaly(anomaly)
            self._offer(anomaly, self._alerting.runner.healer)
        if anomaly.kind in {AnomalyKind.LATENCY, AnomalyKind.ERRORS} and anomaly.score >= self._config.rank_score:
            self._want_ranking(anomaly.score, id_, anomaly.service, anomaly.start)

    def _offer(self, anomaly: Anomaly, healer: Healer) -> None:
        if not healer.awaits(anomaly):
            return
        if len(self._anomalies) < MAX_ANOMALIES:
            self._anomalies.append(anomaly)
        else:
            self.counts.anomalies_dropped += 1

    def _handle_answers(self, bodies: list[dict[str, object]]) -> None:
        capacity = MAX_ANSWERS - len(self._answers)
        self._answers += bodies[:capacity]
        self.counts.answers_dropped += len(bodies[capacity:])

    def _note_sources(self, bodies: list[dict[str, object]], offsets: OffsetTracker, tp: TP, offset: int) -> None:
        """Remember who feeds the telemetry. The record stays in flight until that is saved."""
        if self._alerting is not None:
            for body in bodies:
                self._alerting.runner.healer.trust.fed(str(body["source"]), self._now())
        self._unsaved.append((offsets, tp, offset))

    async def _save_sources(self) -> None:
        unsaved, self._unsaved = self._unsaved, []
        if self._alerting is not None and self._partition is not None and self._alerting.runner.healer.trust.unsaved:
            await self._state.save(self._partition, "sources", self._alerting.runner.healer.trust.snapshot())
        for offsets, tp, offset in unsaved:
            offsets.release(tp, (offset,))

    def _want_ranking(self, score: float, id_: str, service: str, since: int, *, for_rules: bool = True) -> None:
        """Ask for a ranking, unless a repair explains what the service has been suffering since a time."""
        if self.event_time < self._rankings.ranked_at:
            return  # read again after a crash: it had its ranking
        if self._alerting is not None and self._alerting.runner.healer.explained(service, since):
            return
        wanted = (for_rules, score, id_)
        self._wanted = max(self._wanted or wanted, wanted)

    # ------------------------------------------------------------------ time

    async def run(self) -> None:
        """Let time pass, until cancelled."""
        while True:
            await asyncio.sleep(0.5)
            await self._background.wait_for_capacity()
            if self._partition is not None:
                async with self._owning:
                    if self._partition is not None:  # it may have been let go of by now
                        await self.tick()

    async def tick(self) -> None:
        """Rank, evaluate, notify and repair what is due at the present event time."""
        now = self._now()
        if self._live and self._last_tick and now - self._last_record > self._config.idle * SECOND:
            self._watermark.elapse(now - self._last_tick)
        self._last_tick = now
        documents: list[Document] = []
        if self._wanted is not None and self.event_time - self._rankings.ranked_at >= self._config.rank_every * SECOND:
            documents += await self.rank()
            await self._save_rankings()
        await self._save_sources()
        if self._alerting is not None:
            answers, self._answers = self._answers, []
            for answer in answers:
                await self._alerting.approvals.handle(answer)
            anomalies, self._anomalies = self._anomalies, []
            advanced = await self._alerting.advance(self.event_time, anomalies)
            documents += advanced.documents
            for change in advanced.firing:
                self._handle_alert(change)
        self._background.put(documents)

    def _handle_alert(self, change: AlertChange) -> None:
        """An alert of a service asks for a ranking as an anomaly does: not all that is wrong is unusual.

        Rules do not see one that only a rule from outside asked for: it could make them blame a service that is well.
        """
        service = change.service
        if service and self._alerting is not None:
            origin = origin_of_rule(change.file)
            trusted = not origin or self._alerting.runner.healer.trust.allows(origin)
            self._want_ranking(1.0, change.document().id, service, change.active_at, for_rules=trusted)

    async def rank(self) -> list[Document]:
        """Rank culprits now, for the strongest anomaly that waits."""
        (for_rules, _, opened_by), self._wanted = self._wanted or (True, 0.0, ""), None
        event_time = self._rankings.ranked_at = self.event_time
        ranking = await self._diagnosis.rank(event_time)
        if not ranking:
            return []
        self.counts.rankings += 1
        culprits = CulpritRanking(event_time, DEFAULT_ENVIRONMENT, opened_by, ranking)
        if self._alerting is not None:
            self._alerting.runner.healer.evidence.add_ranking(culprits)
        if for_rules:
            self._add_to_rules(culprits)
        return [culprits_document(culprits)]

    def _add_to_rules(self, culprits: CulpritRanking) -> None:
        """Let rules see a ranking, unless its likeliest culprit only suffers from a service under repair."""
        if self._alerting is None:
            return
        if len(self._alerting.runner.healer.explained(culprits.ranking[0].service, self.event_time)) > 1:
            self.counts.explained += 1
            return
        self._alerting.engine.add(culprit_points(culprits))
        self._rankings.keep(culprits)

    async def _save_rankings(self) -> None:
        if self._partition is not None and self._alerting is not None:
            await self._state.save(self._partition, "rankings", self._rankings.snapshot())

    def _restore_rankings(self, partition: int) -> None:
        if self._alerting is None:
            return
        try:
            saved = self._state.load(partition, "rankings")
            rankings = self._rankings.restore(saved, DEFAULT_ENVIRONMENT) if saved is not None else []
        except UNFIT as error:
            log_relearning("rankings", partition, error)
            return
        for culprits in rankings:
            self._alerting.engine.add(culprit_points(culprits))

    # ------------------------------------------------------------------ ownership

    async def own(self, partition: int) -> None:
        """Take over the environment with the state that its last owner saved. Safe twice."""
        if self._partition is not None:
            return  # without waiting for a round of ours to end
        async with self._owning:
            if self._partition is not None:
                return
            self._restore_rankings(partition)
            if self._alerting is not None:
                await self._alerting.own(partition)
            self._partition = partition

    async def release(self) -> None:
        """Let go: another worker owns the environment from now on. Safe twice."""
        async with self._owning:
            if self._partition is None:
                return
            self._partition = None
            self._in_flight.clear()
            self._unsaved.clear()
            self._rankings.clear()
            self._anomalies.clear()
            await self._background.settle(SETTLE_SECONDS)
            if self._alerting is not None:
                await self._alerting.release()
