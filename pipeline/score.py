"""Stage 3: scores every series and tells the anomalies; hands on what stage 4 needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mode.supervisors import CrashingSupervisor

from alerting.signals import anomaly_points
from pipeline import records
from pipeline.records import HEADER, Batch
from processors.edge_points import edge_points
from processors.failures import ServiceFailures
from processors.watermark import SECOND
from processors.window_merge import WindowMerge
from telemetry.documents import anomaly_document

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from faust import App, Stream, Topic
    from faust.types import TP

    from pipeline.offsets import Offsets
    from pipeline.signals import Signals
    from pipeline.state import State
    from pipeline.writer import DocumentWriter
    from processors.scores import SeriesScorer
    from telemetry.call_graph import Edge
    from telemetry.metrics import Point
    from telemetry.signals import Anomaly


@dataclass(slots=True)
class ScoreCounts:
    """What the stage did."""

    points: int = 0
    anomalies: int = 0
    windows: int = 0


@dataclass(slots=True)
class _Partition:
    scorer: SeriesScorer
    failures: ServiceFailures
    merge: WindowMerge
    saved_at: int  # wall clock


SAVE_EVERY = 60 * SECOND
"""After a crash the models of the series are at most so old; what they miss they learn again."""

CHUNK = 500
"""Series of one value of the table: well below the largest record."""


class ScoreStage:
    """The state and the work of stage 3 in one worker."""

    def __init__(
        self,
        writer: DocumentWriter,
        signals: Signals,
        state: State,
        now: Callable[[], int],
        make_scorer: Callable[[], SeriesScorer],
    ) -> None:
        self._writer = writer
        self._state = state
        self._now = now
        self._signals = signals
        self._make_scorer = make_scorer
        self._partitions: dict[TP, _Partition] = {}
        self.counts = ScoreCounts()

    def take(self, event: Any) -> list[Awaitable[Any]]:
        """Score one record; gives what has to end before the record is done."""
        tp = event.message.tp
        part = self._partitions.get(tp)
        if part is None:
            part = self._partitions[tp] = _Partition(*self._restored(tp.partition), WindowMerge(), self._now())
        after = self._take(part, event)
        if self._now() - part.saved_at >= SAVE_EVERY:
            part.saved_at = self._now()
            after.append(asyncio.ensure_future(self._save(tp.partition, part)))
        return after

    def _take(self, part: _Partition, event: Any) -> list[Awaitable[Any]]:
        match Batch((event.headers or {})[HEADER].decode()):
            case Batch.POINTS:
                return self._score(part, records.decode_points(event.value), event.value)
            case Batch.EDGES:
                windows = part.merge.add(records.decode_bodies(event.value))
                return [self._signals.send(Batch.EDGES, event.value), *self._score_windows(part, windows)]
            case batch:
                return [self._signals.send(batch, event.value)]

    def _restored(self, partition: int) -> tuple[SeriesScorer, ServiceFailures]:
        scorer, failures = self._make_scorer(), ServiceFailures()
        head = self._state.load(partition, "scores")
        if head is not None:
            chunks = [self._state.load(partition, f"scores/{i}") or {"series": []} for i in range(head["chunks"])]
            scorer.restore({"version": head["version"], "series": [row for chunk in chunks for row in chunk["series"]]})
            failures.restore(head["failures"])
        return scorer, failures

    async def _save(self, partition: int, part: _Partition) -> None:
        snapshot, failures = part.scorer.snapshot(), part.failures.snapshot()
        rows = snapshot["series"]
        chunks = range(0, len(rows), CHUNK)
        for i, start in enumerate(chunks):
            await self._state.save(partition, f"scores/{i}", {"series": rows[start : start + CHUNK]})
        head = {"version": snapshot["version"], "chunks": len(chunks), "failures": failures}
        await self._state.save(partition, "scores", head)

    def drop(self, revoked: set[TP]) -> None:
        """Forget partitions that were taken away."""
        for tp in revoked:
            self._partitions.pop(tp, None)

    async def close(self) -> None:
        """Score the windows that still wait for a partition: the input has ended."""
        for part in self._partitions.values():
            for work in self._score_windows(part, part.merge.close()):
                await work

    def _score_windows(self, part: _Partition, windows: list[list[Edge]]) -> list[Awaitable[Any]]:
        self.counts.windows += len(windows)
        points = [point for edges in windows for point in edge_points(edges)]
        failing = [anomaly for edges in windows for anomaly in part.failures.add(edges)]
        return self._score(part, points, records.encode_points(points), failing) if points else []

    def _score(
        self, part: _Partition, points: list[Point], encoded: bytes, failing: Sequence[Anomaly] = ()
    ) -> list[Awaitable[Any]]:
        anomalies: list[Anomaly] = [*part.scorer.add(points), *failing]
        self.counts.points += len(points)
        self.counts.anomalies += len(anomalies)
        after: list[Awaitable[Any]] = [self._signals.send(Batch.POINTS, encoded)]
        if anomalies:
            documents = [anomaly_document(anomaly) for anomaly in anomalies]
            bodies = [document.body | {"id": document.id} for document in documents]
            after.append(self._writer.write(documents))
            after.append(self._signals.send(Batch.ANOMALIES, records.encode_bodies(bodies)))
            after.append(self._signals.send(Batch.POINTS, records.encode_points(anomaly_points(anomalies))))
        return after


def score_series(app: App, series: Topic, stage: ScoreStage, offsets: Offsets) -> None:
    """Feed the stage."""

    @app.agent(series, name="score", supervisor_strategy=CrashingSupervisor)
    async def agent(stream: Stream[bytes]) -> None:
        async for event in stream.noack().events():
            if not offsets.is_stale(event):
                await offsets.done(event, stage.take(event))
