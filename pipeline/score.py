"""Stage 3: scores every series and reports anomalies; forwards what stage 4 needs."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipeline.exchange.codec import BatchKind
from pipeline.exchange.inner_records import received
from pipeline.exchange.learning import traces_of
from pipeline.state.restoring import needed, restore_model
from processors.assembly.watermark import SECOND
from processors.assembly.window_merge import WindowMerge
from processors.detectors.describe import describe
from processors.detectors.detector import Source, WholeTrace
from processors.detectors.edge_series import edge_points
from processors.detectors.log_windows import LogWindows
from processors.feedback.apply import divided
from processors.feedback.mark import MarkVerdict
from processors.feedback.marks import Marks
from processors.root_cause.sampled_trace import TemplatedLine
from processors.series.derived import LogCounts, anomaly_points, severity_name
from telemetry.documents import anomaly_document
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.exchange.codec import LogLine
    from pipeline.exchange.environment_topic import EnvironmentTopic
    from pipeline.record import TP, Record
    from pipeline.state.table import StageTable
    from processors.detectors.detector import AnyDetector
    from processors.root_cause.sampled_trace import SampledTrace
    from telemetry.call_graph import Edge
    from telemetry.findings import Anomaly
    from telemetry.json_object import JsonObject
    from telemetry.metrics import Point


@dataclass(slots=True)
class ScoreCounts:
    """What the stage did."""

    points: int = 0
    anomalies: int = 0
    windows: int = 0


@dataclass(slots=True)
class _ScorePartition:
    tp: TP
    detectors: Sequence[AnyDetector]
    lines: LogWindows
    saved_at: int  # wall clock
    lines_at: int  # wall clock, of the last log lines
    # Counters begin again after a crash, as Prometheus expects of a process that restarts.
    log_counts: LogCounts = field(default_factory=LogCounts)
    merge: WindowMerge = field(default_factory=WindowMerge)
    marks: Marks = field(default_factory=Marks)
    withheld: Counter[str] = field(default_factory=Counter)  # anomalies, by the verdict of the marks

    def dropped(self) -> Counter[str]:
        """What bounds and lateness have cost."""
        cost = Counter(
            {"edge_windows_late": self.merge.late, "edge_windows_ahead": self.merge.ahead, "marks": self.marks.evicted}
        )
        cost.update(self.lines.dropped())
        for detector in self.detectors:
            cost.update(detector.dropped())
        return cost

    def find(self, source: Source, items: Sequence[object], now: int, time: int, edges: Sequence[Edge] = ()) -> list[Anomaly]:
        """What the detectors of a source find in items of it, which is complete up to an event time."""
        found: list[Anomaly] = []
        for detector in self.detectors:
            if detector.source is source:
                anomalies = [*detector.consume(items, now), *detector.advance(time)]
                reported = self.reported(detector, anomalies)
                found += reported if detector.explains else describe(reported, edges)
        return found

    def reported(self, detector: AnyDetector, anomalies: Sequence[Anomaly]) -> list[Anomaly]:
        """The anomalies of a detector but those that people have marked: what a detector learns is the same with marks."""
        if not self.marks:
            return list(anomalies)
        reported, withheld = divided(anomalies, self.marks, detector.min_score)
        self.withheld.update(verdict.value for verdict, _ in withheld)
        return reported


_ACCEPTED = frozenset({BatchKind.POINTS, BatchKind.EDGES, BatchKind.LOGS, BatchKind.TRACES, BatchKind.SPANS, BatchKind.MARKS})

SAVE_EVERY = 60 * SECOND
"""After a crash the models of the series are at most so old; what they miss they learn again."""

MARKS, MARKS_VERSION = "marks", 1

SILENCE = 10 * SECOND
"""Wall time without a log line after which the event time of logs runs by itself, as long as other telemetry comes."""


class ScoreStage:
    """The state and the work of stage 3 in one worker."""

    def __init__(
        self,
        writer: DocumentWriter,
        signals: EnvironmentTopic,
        state: StageTable,
        now: Callable[[], int],
        make_detectors: Callable[[LogWindows], Sequence[AnyDetector]],
    ) -> None:
        self._writer = writer
        self._state = state
        self._now = now
        self._signals = signals
        self._make_detectors = make_detectors
        self._partitions: dict[TP, _ScorePartition] = {}
        self.counts = ScoreCounts()

    def handle(self, event: Record) -> list[Awaitable[object]]:
        """Score one record; returns what has to end before the record is done."""
        tp = event.message.tp
        part = self._partitions.get(tp)
        if part is None:
            lines = LogWindows()
            part = _ScorePartition(tp, self._make_detectors(lines), lines, self._now(), self._now())
            self._partitions[tp] = part
            for detector in part.detectors:
                restore_model(self._state, tp.partition, detector.saved_as, detector)
            self._restore_marks(part)
        after = self._handle(part, event)
        if self._now() - part.lines_at >= SILENCE:
            part.lines.elapse(self._now() - part.lines_at)
            part.lines_at = self._now()
            after += self._watch(part, [])
        if self._now() - part.saved_at >= SAVE_EVERY:
            part.saved_at = self._now()
            after.append(asyncio.ensure_future(self._save(tp.partition, part)))
        return after

    def _restore_marks(self, part: _ScorePartition) -> None:
        with needed(self._state, part.tp.partition, MARKS):
            saved = self._state.load(part.tp.partition, MARKS)
            if saved is not None:
                if saved.get("version") != MARKS_VERSION:
                    raise InputError(f"marks: version {saved.get('version')!r}; this release reads {MARKS_VERSION}")
                part.marks.merge(saved["marks"])

    def _take_marks(self, part: _ScorePartition, bodies: Sequence[JsonObject]) -> Awaitable[object]:
        """Count with marks from now on. Their record stays in flight until they would survive a kill -9."""
        part.marks.merge(bodies)
        part.marks.prune(self._now())
        body: JsonObject = {"version": MARKS_VERSION, "marks": part.marks.snapshot()}
        return asyncio.ensure_future(self._state.save(part.tp.partition, MARKS, body))

    def _handle(self, part: _ScorePartition, event: Record) -> list[Awaitable[object]]:
        batch, items = received(event, _ACCEPTED)
        if batch is BatchKind.MARKS:
            return [self._take_marks(part, items)]
        now = self._now()
        after: list[Awaitable[object]] = []
        if batch is BatchKind.SPANS:
            batch, items = BatchKind.TRACES, traces_of(items)
            after += self._signals.send_all(batch, items)
        elif batch is not BatchKind.LOGS:
            after += self._signals.pass_on(batch, items, event.value or b"")
        match batch:
            case BatchKind.POINTS:  # a series whose clock was ahead once would otherwise be blind until then
                after += self._score(part, [point if point.time <= now else replace(point, time=now) for point in items])
            case BatchKind.EDGES:
                after += self._score_windows(part, part.merge.add(list(items), now))
            case BatchKind.LOGS:
                part.lines_at = now
                after += self._watch(part, list(items))
            case BatchKind.TRACES:
                after += self._compare(part, items)
        return after

    def _compare(self, part: _ScorePartition, traces: Sequence[SampledTrace]) -> list[Awaitable[object]]:
        now = self._now()
        whole = [WholeTrace(trace.trace_id, trace.visits) for trace in traces if trace.is_whole]
        latest = max((trace.end for trace in traces), default=0)
        return self._report(part, part.find(Source.TRACES, whole, now, min(now, latest)))

    def _watch(self, part: _ScorePartition, lines: list[LogLine]) -> list[Awaitable[object]]:
        now = self._now()
        in_traces: list[tuple[LogLine, str, str]] = []
        for line in lines:
            environment = line.environment or DEFAULT_ENVIRONMENT  # 0.2.0 sends none
            template = part.lines.add(
                line.service,
                line.time,
                line.severity,
                line.text,
                now=now,
                trace_id=line.trace_id,
                environment=environment,
            )
            part.log_counts.add(line.service, severity_name(line.severity), template, line.instance, environment)
            if line.trace_id:
                in_traces.append((line, environment, template))
        quoted = {template: part.lines.templates.quoted(template) for _, _, template in in_traces}
        templated = [
            TemplatedLine(environment, line.trace_id, line.span_id, template, quoted[template], line.time, line.severity)
            for line, environment, template in in_traces
        ]
        after: list[Awaitable[object]] = [*self._signals.send_all(BatchKind.LOG_TEMPLATES, templated)]
        windows = part.lines.advance()
        if windows:
            after += self._report(part, part.find(Source.LOG_WINDOWS, windows, now, part.lines.sealed))
            after += self._signals.send_all(BatchKind.POINTS, part.log_counts.points(part.lines.sealed))
        return after

    async def _save(self, partition: int, part: _ScorePartition) -> None:
        for detector in part.detectors:
            await self._state.save(partition, detector.saved_as, detector.snapshot())

    @property
    def dropped(self) -> dict[str, int]:
        """What bounds and lateness have cost the partitions that this worker has."""
        total: Counter[str] = Counter()
        for part in self._partitions.values():
            total.update(part.dropped())
        return total

    @property
    def withheld(self) -> dict[str, int]:
        """Anomalies of the partitions that this worker has which marks kept from being reported, by verdict."""
        total: Counter[str] = Counter({verdict.value: 0 for verdict in (MarkVerdict.WRONG, MarkVerdict.EXPECTED)})
        for part in self._partitions.values():
            total.update(part.withheld)
        return total

    def drop(self, revoked: set[TP]) -> None:
        """Drop the state of partitions that were revoked."""
        for tp in revoked:
            self._partitions.pop(tp, None)

    async def close(self) -> None:
        """Score the windows that still wait for a partition: the input has ended."""
        for part in self._partitions.values():
            for work in (
                *self._score_windows(part, part.merge.close()),
                *self._report(part, self._rest(part)),
            ):
                await work

    def _rest(self, part: _ScorePartition) -> list[Anomaly]:
        found = part.find(Source.LOG_WINDOWS, part.lines.close(), self._now(), part.lines.sealed)
        closed = (anomaly for each in part.detectors for anomaly in part.reported(each, each.close()))
        return [*closed, *found]

    def _score_windows(self, part: _ScorePartition, windows: list[list[Edge]]) -> list[Awaitable[object]]:
        self.counts.windows += len(windows)
        points = [point for window in windows for point in edge_points(window)]
        edges = [edge for window in windows for edge in window]
        if not points:
            return []
        end = max(edge.start + edge.width for edge in edges)
        failing = part.find(Source.EDGE_WINDOWS, windows, self._now(), end)
        return [
            *self._signals.send_all(BatchKind.POINTS, points),
            *self._score(part, points, edges, failing),
        ]

    def _score(
        self,
        part: _ScorePartition,
        points: list[Point],
        edges: Sequence[Edge] = (),
        failing: Sequence[Anomaly] = (),
    ) -> list[Awaitable[object]]:
        # Detectors see numbers: rules know what a stale series, a NaN and an infinity mean.
        numbers = [point for point in points if math.isfinite(point.value)]
        self.counts.points += len(numbers)
        latest = max((point.time for point in points), default=0)
        found = part.find(Source.POINTS, numbers, self._now(), latest, edges)
        return self._report(part, [*found, *failing])

    def _report(self, part: _ScorePartition, anomalies: list[Anomaly]) -> list[Awaitable[object]]:
        """Store anomalies, and hand them on to stage 4 as they are and as points for rules."""
        if not anomalies:
            return []
        self.counts.anomalies += len(anomalies)
        documents = [anomaly_document(anomaly) for anomaly in anomalies]
        bodies = [document.body | {"id": document.id} for document in documents]
        return [
            self._writer.write(documents, lambda: self._partitions.get(part.tp) is part),
            *self._signals.send_all(BatchKind.ANOMALIES, bodies),
            *self._signals.send_all(BatchKind.POINTS, anomaly_points(anomalies)),
        ]
