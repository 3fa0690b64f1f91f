"""Stage 4: ranks culprits, evaluates rules, notifies, and lets playbooks repair.

All of an environment is decided in one place, by event time. A record is held for as long as rules look back, so that
after a crash the samples and the memory of traces are rebuilt from the log, while the state of alerts, notifications
and incidents comes back from a table.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mode.supervisors import CrashingSupervisor
from pydantic import BaseModel, ConfigDict, Field

from alerting.signals import culprit_points
from alerting.state import AlertState
from pipeline import records
from pipeline.records import HEADER, Batch
from processors.edges import edge_from_body
from processors.watermark import SECOND, Watermark
from telemetry import otlp
from telemetry.call_graph import NodeKind
from telemetry.documents import culprits_document
from telemetry.logs import LogRecord
from telemetry.resource import Resource
from telemetry.signals import AnomalyKind
from telemetry.signals import Culprits as CulpritRanking
from telemetry.stored import anomaly_from_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from faust import App, Stream, Topic
    from faust.types import TP

    from alerting.alertmanager import Alertmanager
    from alerting.engine import AlertEngine
    from alerting.notify.sender import Sender
    from alerting.playbooks.run import PlaybookRunner
    from pipeline.offsets import Offsets
    from pipeline.state import State
    from pipeline.writer import DocumentWriter
    from processors.culprits import Culprits
    from telemetry.documents import Document
    from telemetry.metrics import Point
    from telemetry.signals import Anomaly
    from telemetry.spans import Span

DEFAULT_ENVIRONMENT = "default"


class ActConfig(BaseModel):
    """When culprits are ranked, and how far back rules may look after a restart. Seconds of event time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank_score: float = Field(
        default=0.9, ge=0, le=1, description="anomalies of latency or errors from this score on are ranked"
    )
    rank_every: float = Field(default=10.0, gt=0, description="a ranking is renewed no more often than this")
    look_back: float = Field(default=300.0, ge=0, description="how long records are held for rules to look back at")
    idle: float = Field(default=2.0, gt=0, description="wall seconds without a record after which event time runs by itself")


@dataclass(slots=True)
class ActCounts:
    """What the stage did."""

    rankings: int = 0
    alert_changes: int = 0
    notifications: int = 0


@dataclass(slots=True)
class Alerting:
    """The parts that alert and repair; an analysis of files has none of them."""

    engine: AlertEngine
    alertmanager: Alertmanager
    sender: Sender
    runner: PlaybookRunner


class ActStage:
    """The state and the work of stage 4 for the one environment that this worker owns."""

    def __init__(
        self,
        config: ActConfig,
        culprits: Culprits,
        writer: DocumentWriter,
        state: State,
        now: Callable[[], int],
        alerting: Alerting | None,
        *,
        live: bool = True,
    ) -> None:
        self._config = config
        self._culprits = culprits
        self._writer = writer
        self._state = state
        self._now = now
        self._alerting = alerting
        self._live = live
        self._watermark = Watermark()
        self._last_record = self._last_tick = 0
        self._held: deque[tuple[TP, int, int]] = deque()  # in order of arrival, with the event time at arrival
        self._wanted: Anomaly | None = None  # the strongest that no ranking has answered yet
        self._wanted_id = ""
        self._ranked_at = 0
        self._partition: int | None = None
        self._saved = ""
        self.counts = ActCounts()

    @property
    def moment(self) -> int:
        """Event time, nanoseconds since the epoch."""
        return self._watermark.time

    def take(self, event: Any, offsets: Offsets) -> None:
        """Take one record."""
        tp = event.message.tp
        offsets.add(event)
        now = self._now()
        self._last_record = self._last_tick = now
        match Batch((event.headers or {})[HEADER].decode()):
            case Batch.POINTS:
                self._take_points(records.decode_points(event.value))
            case Batch.SPANS:
                self._take_spans(otlp.decode_spans(event.value))
            case Batch.LOGS:
                self._culprits.add_logs(_log_record(line) for line in records.decode_logs(event.value))
            case Batch.EDGES:
                self._take_edges(records.decode_bodies(event.value))
            case Batch.ANOMALIES:
                for body in records.decode_bodies(event.value):
                    self._take_anomaly(anomaly_from_body(body), body["id"])
            case other:
                raise AssertionError(other)
        self._held.append((tp, event.message.offset, self.moment))
        horizon = self.moment - int(self._config.look_back * SECOND)
        while self._held and (self._held[0][2] <= horizon or offsets.full):
            held, offset, _ = self._held.popleft()
            offsets.release(held, (offset,))

    def _take_points(self, points: list[Point]) -> None:
        if not points:
            return
        self._watermark.observe(min(self._now(), max(point.time for point in points)))
        if self._alerting is not None:
            self._alerting.engine.add(points)
        self._culprits.add_points(point for point in points if not point.series.name.startswith(("spanloom_", "traces_")))

    def _take_spans(self, spans: list[Span]) -> None:
        traces: dict[bytes, list[Span]] = {}
        for span in spans:
            traces.setdefault(span.trace_id, []).append(span)
        for trace in traces.values():
            self._culprits.add_trace(trace)
        self._watermark.observe(min(self._now(), max((span.end for span in spans), default=0)))

    def _take_edges(self, bodies: list[dict[str, Any]]) -> None:
        if self._alerting is None:
            return
        edges = [edge_from_body(body) for body in bodies]
        services = [edge for edge in edges if edge.key.caller.kind is edge.key.callee.kind is NodeKind.SERVICE]
        pairs = sorted({(edge.key.caller.name, edge.key.callee.name) for edge in services if edge.calls > 0})
        self._alerting.alertmanager.see_calls(pairs, self.moment)
        self._alerting.runner.healer.traffic.add_edges(edges)

    def _take_anomaly(self, anomaly: Anomaly, id_: str) -> None:
        matters = anomaly.kind in {AnomalyKind.LATENCY, AnomalyKind.ERRORS} and anomaly.score >= self._config.rank_score
        if matters and (self._wanted is None or anomaly.score > self._wanted.score):
            self._wanted, self._wanted_id = anomaly, id_

    # ------------------------------------------------------------------ time

    async def run(self) -> None:
        """Let time pass, until cancelled."""
        while True:
            await asyncio.sleep(0.5)
            if self._partition is not None:
                await self.tick()

    async def tick(self) -> None:
        """Rank, evaluate, notify and repair what is due at the present event time."""
        now = self._now()
        if self._live and self._last_tick and now - self._last_record > self._config.idle * SECOND:
            self._watermark.elapse(now - self._last_tick)
        self._last_tick = now
        if not self.moment:
            return
        documents: list[Document] = []
        if self._wanted is not None and self.moment - self._ranked_at >= self._config.rank_every * SECOND:
            documents += self.rank()
        if self._alerting is not None:
            documents += await self._alert(self._alerting)
        if documents:
            await self._writer.write(documents)

    def rank(self) -> list[Document]:
        """Rank culprits now, for the strongest anomaly that waits."""
        ranking = self._culprits.rank(self.moment)
        opened_by, self._wanted, self._wanted_id = self._wanted_id, None, ""
        self._ranked_at = self.moment
        if not ranking:
            return []
        self.counts.rankings += 1
        culprits = CulpritRanking(self.moment, DEFAULT_ENVIRONMENT, opened_by, ranking)
        if self._alerting is not None:
            self._alerting.engine.add(culprit_points(culprits))
        return [culprits_document(culprits)]

    async def _alert(self, alerting: Alerting) -> list[Document]:
        changes = alerting.engine.advance(self.moment)
        documents = [change.document() for change in changes]
        self.counts.alert_changes += len(changes)
        alerting.alertmanager.take(changes, self.moment)
        delivered = [alerting.alertmanager.settle(delivery) for delivery in alerting.sender.finished()]
        advance = alerting.alertmanager.advance(self.moment)
        if changes or delivered or advance.notifications:
            # Saved before anything is sent: after a crash a notification may be sent again, under the same key.
            await self._save(alerting)
        for notification in advance.notifications:
            alerting.sender.submit(notification)
            self.counts.notifications += 1
        for change in changes:
            if change.state in {AlertState.FIRING, AlertState.RESOLVED}:
                await alerting.runner.on_alert(change)
        await alerting.runner.advance()
        return [*documents, *delivered, *advance.documents]

    async def _save(self, alerting: Alerting) -> None:
        assert self._partition is not None  # noqa: S101 - `run` ticks only with one
        await self._state.save(self._partition, "engine", alerting.engine.snapshot())
        await self._state.save(self._partition, "alertmanager", alerting.alertmanager.snapshot())

    async def save_healer(self, snapshot: dict[str, Any]) -> None:
        """Keep the state of the repairs."""
        if self._partition is not None:
            await self._state.save(self._partition, "healer", snapshot)

    # ------------------------------------------------------------------ ownership

    async def own(self, partition: int) -> None:
        """Take over the environment with the state that its last owner saved."""
        if self._partition is not None:
            return
        self._partition = partition
        if self._alerting is None:
            return
        for name, part in (("engine", self._alerting.engine), ("alertmanager", self._alerting.alertmanager)):
            saved = self._state.load(partition, name)
            if saved is not None:
                part.restore(saved)
        await self._alerting.runner.start(self._state.load(partition, "healer"))
        await self._alerting.sender.start()

    async def disown(self) -> None:
        """Let go: another worker owns the environment from now on."""
        if self._partition is None:
            return
        self._partition = None
        self._held.clear()
        if self._alerting is not None:
            await self._alerting.runner.stop()
            await self._alerting.sender.stop()


def _log_record(line: records.LogLine) -> LogRecord:
    resource = Resource({"service.name": line.service, "service.instance.id": line.instance})
    return LogRecord(line.time, line.text, resource, severity=line.severity, trace_id=line.trace_id, span_id=line.span_id)


def act_on_signals(app: App, signals: Topic, stage: ActStage, offsets: Offsets) -> None:
    """Feed the stage and let time pass."""

    @app.agent(signals, name="act", supervisor_strategy=CrashingSupervisor)
    async def agent(stream: Stream[bytes]) -> None:
        async for event in stream.noack().events():
            if not offsets.is_stale(event):
                await stage.own(event.message.tp.partition)
                stage.take(event, offsets)

    @app.task
    async def pass_time() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await stage.run()
