"""Recorded telemetry through the same stream agents to the end, and what came out as files."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from collectors.otlp_files import OtlpFile
from pipeline.topics import Topic
from spanloom.config import Config, TopicsConfig
from spanloom.wiring import Pipeline
from stores.duckdb import DuckDbStore
from stores.store import Query
from telemetry import otlp
from telemetry.documents import Kind, latest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spanloom.clock import Now
    from telemetry.documents import Body

FILES = {
    Kind.TRACE: "traces",
    Kind.HOP: "hops",
    Kind.EDGE: "edges",
    Kind.LOG: "logs",
    Kind.ANOMALY: "anomalies",
    Kind.CULPRIT: "culprits",
}
REVISED = {Kind.TRACE, Kind.HOP}
TOPICS = {"spans": Topic.SPANS, "logs": Topic.LOGS, "metrics": Topic.METRICS}
NO_LIMIT = 10_000_000
BATCH = 200
"""Lines of one signal in one record."""
FLOW = (
    ("rekey-spans", Topic.SPANS),
    ("rekey-logs", Topic.LOGS),
    ("rekey-metrics", Topic.METRICS),
)


@dataclass(slots=True)
class Summary:
    """What went in and what came out. A span that is in the input more than once is one; `duplicates` are the others."""

    spans_in: int = 0
    spans_out: int = 0
    orphans: int = 0
    logs_with_trace: int = 0
    logs_joined: int = 0
    duplicates: int = 0
    traces: int = 0
    seconds: float = 0.0
    ranking: list[tuple[str, float]] = field(default_factory=list)


class Analysis:
    """One run over some files.

    Args:
        files: OTLP-JSON lines, plain or .gz.
        out: a folder for the results; made when missing.
        now: wall clock.
        progress: told the bytes read of each file as they are.
        on_error: told of lines that cannot be read; without it the first ends the run.
    """

    def __init__(
        self,
        files: Sequence[Path],
        out: Path,
        now: Now,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._files, self._out, self._now, self._progress = files, out, now, progress
        self._seen: set[bytes] = set()

    async def run(self) -> Summary:
        """Feed, wait for the end, write.

        Raises:
            InputError: a line that cannot be read; names file and line.
        """
        began = time.monotonic()
        summary = Summary()
        with tempfile.TemporaryDirectory(prefix="spanloom-analysis-") as folder:
            config = Config(data_dir=Path(folder), log=f"log://{folder}/log", topics=TopicsConfig(partitions=2))
            store = DuckDbStore(Path(folder) / "analysis.duckdb")
            try:
                async with Pipeline(config, store, self._now, live=False, alerts=False) as pipeline:
                    await self._feed(pipeline, summary)
                    await finish(pipeline)
                await self._write(store, summary)
            finally:
                await store.close()
        summary.seconds = round(time.monotonic() - began, 3)
        return summary

    async def _feed(self, pipeline: Pipeline, summary: Summary) -> None:
        in_flight: set[asyncio.Task[None]] = set()
        for path in self._files:
            batch: list[bytes] = []
            last = ""
            for signal, request, _line in OtlpFile(path):
                if last and (signal != last or len(batch) >= BATCH):
                    await self._send(pipeline, last, batch, in_flight)
                    batch = []
                last = signal
                batch.append(request)
                if signal == "spans":
                    self._count_spans(request, summary)
                elif signal == "logs":
                    summary.logs_with_trace += sum(bool(record.trace_id) for record in otlp.decode_logs(request))
            if batch:
                await self._send(pipeline, last, batch, in_flight)
        if in_flight:
            await asyncio.gather(*in_flight)

    def _count_spans(self, request: bytes, summary: Summary) -> None:
        for group in otlp.parse("spans", request).resource_spans:
            for scope in group.scope_spans:
                for span in scope.spans:
                    known = len(self._seen)
                    self._seen.add(span.trace_id + span.span_id)
                    summary.duplicates += len(self._seen) == known
        summary.spans_in = len(self._seen)

    async def _send(self, pipeline: Pipeline, signal: str, batch: list[bytes], in_flight: set[asyncio.Task[None]]) -> None:
        # Messages of protobuf that stand one behind the other are one message with all their items.
        task = asyncio.create_task(pipeline.produce(TOPICS[signal], b"".join(batch), {}))
        in_flight.add(task)
        task.add_done_callback(in_flight.discard)
        if len(in_flight) >= 32:
            await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)

    async def _write(self, store: DuckDbStore, summary: Summary) -> None:
        self._out.mkdir(parents=True, exist_ok=True)
        for kind, name in FILES.items():
            bodies: list[Body] = await store.find(Query(kind, limit=NO_LIMIT))
            if kind in REVISED:
                bodies = latest(bodies)
            with (self._out / f"{name}.jsonl").open("wb") as file:
                for body in bodies:
                    file.write(orjson.dumps(body) + b"\n")
            self._sum_up(kind, bodies, summary)
        summary.spans_out = await store.count(Query(Kind.SPAN))

    def _sum_up(self, kind: Kind, bodies: list[Body], summary: Summary) -> None:
        if kind is Kind.TRACE:
            with_spans = [body for body in bodies if body["span_count"]]
            summary.traces = len(with_spans)
            summary.orphans = sum(len(body["orphans"]) for body in with_spans)
            summary.logs_joined = sum(body["logs"]["count"] for body in with_spans)
        elif kind is Kind.CULPRIT and bodies:
            newest = max(bodies, key=lambda body: body["@timestamp"])
            summary.ranking = [(item["service"], item["score"]) for item in newest["ranking"]]


async def finish(pipeline: Pipeline) -> None:
    """Let every stage end, one after the other: the input has ended."""
    assert pipeline.assemble is not None and pipeline.score is not None and pipeline.act is not None  # noqa: S101, PT018
    for agent, topic in FLOW:
        await _drained(pipeline, agent, topic)
    await _read(pipeline, "assemble", Topic.TRACED)
    await pipeline.assemble.close()
    await _drained(pipeline, "score", Topic.SERIES)
    await pipeline.score.close()
    await _read(pipeline, "act", Topic.SIGNALS)
    await pipeline.writer.write(pipeline.act.rank())


async def _drained(pipeline: Pipeline, agent: str, topic: Topic) -> None:
    """Wait until a stage has read its topic and nothing of it is under way."""
    while True:
        await _read(pipeline, agent, topic)
        if not pipeline.offsets[agent].held:
            return
        await pipeline.offsets[agent].room()
        await asyncio.sleep(0.01)


async def _read(pipeline: Pipeline, agent: str, topic: Topic) -> None:
    """Wait until a stage has been given every record of its topic."""
    log: Any = pipeline.app.transport.log
    offsets = pipeline.offsets[agent]
    while any(offsets.next_of(topic, partition) < end for partition, end in log.end_offsets(topic).items()):
        if pipeline.app.crashed:
            raise RuntimeError("the pipeline has crashed; see the log above")
        await asyncio.sleep(0.01)
