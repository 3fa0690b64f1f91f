"""Recorded telemetry through the same stream agents to the end, and what came out as files."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from collectors.replay.files import OtlpFile
from pipeline.exchange.topics import Topic
from pipeline.incoming import timed
from processors.series.points import points_of
from spanloom.config import Config, TopicsConfig
from spanloom.offline.results import FILES, REVISED, SCORES, Results, ScoresFile, documents, newest
from spanloom.wiring import Pipeline
from stores.duckdb.store import DuckDbStore
from stores.store import Query
from telemetry import otlp
from telemetry.documents import Kind
from telemetry.environment import environment_of
from telemetry.errors import SpanloomError
from telemetry.spans import side_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from spanloom.clock import Now
    from telemetry.documents import Body, Document

TOPICS = {"spans": Topic.SPANS, "logs": Topic.LOGS, "metrics": Topic.METRICS}
BATCH = 200
"""Lines of one signal in one record."""
IN_FLIGHT = 32
"""Records on their way to the log."""
FLOW = (
    ("rekey-spans", Topic.SPANS),
    ("rekey-logs", Topic.LOGS),
    ("rekey-metrics", Topic.METRICS),
)


class AnalysisError(SpanloomError):
    """The pipeline did not come to the end of the input."""


@dataclass(slots=True)
class AnalysisSummary:
    """What went in and what came out. A span that is in the input more than once is one; `duplicates` are the others."""

    spans_in: int = 0
    spans_out: int = 0
    orphans: int = 0
    logs_with_trace: int = 0
    logs_joined: int = 0
    duplicates: int = 0
    replaced: int = 0  # texts that are no Unicode, with U+FFFD for it
    traces: int = 0
    seconds: float = 0.0
    ranking: list[tuple[str, float]] = field(default_factory=list)
    """Of the environment whose likeliest culprit has the highest score."""
    rankings: dict[str, list[tuple[str, float]]] = field(default_factory=dict)  # by environment


class Analysis:
    """One run over some files.

    Args:
        files: OTLP-JSON lines, plain or .gz.
        out: a folder for the results; made when missing. Those of an earlier run are replaced, or removed, when this one has
            succeeded.
        now: wall clock.
        scores: also write scores.csv.
        environment: what is written is of this one; empty: of all.
        progress: called with a file and how many of its bytes have been read.
    """

    def __init__(
        self,
        files: Sequence[Path],
        out: Path,
        now: Now,
        *,
        scores: bool = False,
        environment: str = "",
        progress: Callable[[Path, int], None] = lambda _path, _position: None,
    ) -> None:
        self._files, self._out, self._now, self._progress = files, out, now, progress
        self._scores, self._environment = scores, environment
        self._seen: set[bytes] = set()

    async def run(self) -> AnalysisSummary:
        """Feed, wait for the end, write.

        Raises:
            InputError: a line that cannot be read; names file and line. Nothing is written.
            AnalysisError: the pipeline failed. Nothing is written.
        """
        began = time.monotonic()
        summary = AnalysisSummary()
        self._out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="spanloom-analysis-") as folder, Results(self._out) as results:
            config = Config(data_dir=Path(folder), log=f"log://{folder}/log", topics=TopicsConfig(partitions=2))
            store = DuckDbStore(Path(folder) / "analysis.duckdb")
            try:
                async with Pipeline(config, store, self._now, live=False, alerts=False) as pipeline:
                    await self._feed(pipeline, summary, ScoresFile(results.open(SCORES)) if self._scores else None)
                    last = await finish(pipeline)
                await _write(store, results, summary, last, self._environment)
            finally:
                await store.close()
            results.keep()
        summary.seconds = round(time.monotonic() - began, 3)
        return summary

    async def _feed(self, pipeline: Pipeline, summary: AnalysisSummary, scores: ScoresFile | None) -> None:
        in_flight: set[asyncio.Task[None]] = set()
        repeats = _Repeats()
        for path in self._files:
            batch: list[bytes] = []
            last = ""
            file = OtlpFile(path)
            for signal, request, _line in file:
                if last and (signal != last or len(batch) >= BATCH):
                    await _send(pipeline, last, batch, in_flight)
                    self._progress(path, file.position)
                    batch = []
                last = signal
                batch.append(request)
                if signal == "spans":
                    self._count_spans(request, summary)
                elif signal == "logs":
                    summary.logs_with_trace += _logs_with_trace(request)
                    repeats.see(request)
                elif scores is not None:
                    metrics = timed(otlp.decode_metrics(request), self._now())
                    points = (point for metric in metrics for point in points_of(metric))
                    scores.add(point for point in points if self._environment in {"", environment_of(point.series)})
            if batch:
                await _send(pipeline, last, batch, in_flight)
            summary.replaced += file.replaced
            self._progress(path, file.position)
        for batch in repeats.requests():
            await _send(pipeline, "logs", batch, in_flight)
        if in_flight:
            await asyncio.gather(*in_flight)

    def _count_spans(self, request: bytes, summary: AnalysisSummary) -> None:
        for group in otlp.parse("spans", request).resource_spans:
            service = otlp.resource_of(group.resource, group.schema_url).service
            for scope in group.scope_spans:
                for span in scope.spans:
                    known = len(self._seen)
                    self._seen.add(span.trace_id + span.span_id + side_of(span.kind, service))
                    summary.duplicates += len(self._seen) == known
        summary.spans_in = len(self._seen)


class _Repeats:
    """Log records that the input has more than once, character by character.

    Live, a record that comes again in another request counts as a client's retry and is one document; a record
    that is twice in one request is two. Files are complete, so each of their records counts, whatever lies between: at the
    end those seen n times are sent n times in one request, of which the pipeline stores what it does not have.
    """

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()
        self._again: dict[bytes, bytes] = {}

    def see(self, request: bytes) -> None:
        """Note the records of a request."""
        for record in otlp.split("logs", otlp.parse("logs", request), 1):
            content = hashlib.blake2b(record, digest_size=16).digest()
            self._seen[content] += 1
            if self._seen[content] > 1:
                self._again[content] = record

    def requests(self) -> Iterator[list[bytes]]:
        """Batches of requests with all occurrences of each."""
        for content, record in self._again.items():
            yield [record] * self._seen[content]


def _logs_with_trace(request: bytes) -> int:
    groups = otlp.parse("logs", request).resource_logs
    return sum(len(item.trace_id) == 16 and any(item.trace_id) for g in groups for s in g.scope_logs for item in s.log_records)


async def _send(pipeline: Pipeline, signal: str, batch: list[bytes], in_flight: set[asyncio.Task[None]]) -> None:
    # Messages of protobuf that stand one behind the other are one message with all their items.
    task = asyncio.create_task(pipeline.produce(TOPICS[signal], b"".join(batch), {}))
    in_flight.add(task)
    task.add_done_callback(in_flight.discard)
    if len(in_flight) >= IN_FLIGHT:
        done, _ = await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
        for sent in done:
            sent.result()


async def _write(
    store: DuckDbStore, results: Results, summary: AnalysisSummary, last: Sequence[Document], environment: str
) -> None:
    own = {document.id for document in last}
    for kind, name in FILES.items():
        file = results.open(name)
        aside = b""
        async for body in (newest if kind in REVISED else documents)(store, kind, environment=environment):
            line = orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)
            if kind is Kind.CULPRIT and body["_id"] in own:
                aside += line  # the ranking of all of it stands last: another one may have been made at the same event time
                continue
            file.write(line.decode())
            if kind is Kind.TRACE and body["span_count"]:
                summary.traces += 1
                summary.orphans += len(body["orphans"])
                summary.logs_joined += body["logs"]["count"]
            elif kind is Kind.CULPRIT:
                summary.rankings[body["environment"]] = _ranking(body)
        file.write(aside.decode())
    summary.rankings |= {
        document.body["environment"]: _ranking(document.body)
        for document in last
        if environment in {"", document.body["environment"]}
    }
    summary.ranking = max(summary.rankings.values(), key=lambda ranking: [score for _, score in ranking[:1]], default=[])
    summary.spans_out = await store.count(Query(Kind.SPAN))


def _ranking(body: Body) -> list[tuple[str, float]]:
    return [(item["service"], item["score"]) for item in body["ranking"]]


async def finish(pipeline: Pipeline) -> Sequence[Document]:
    """Let every stage end, one after the other: the input has ended. Returns each environment's ranking of all of it.

    Raises:
        AnalysisError: a stage failed.
    """
    assert pipeline.assemble is not None and pipeline.score is not None and pipeline.act is not None  # noqa: S101, PT018
    for agent, topic in FLOW:
        await _drained(pipeline, agent, topic)
    await _read(pipeline, "assemble", Topic.TRACED)
    # Link queries are answered by records: most before the receivers' traces close, the last when the senders' do.
    for end in (pipeline.assemble.flush, pipeline.assemble.close, pipeline.assemble.close):
        await end()
        await _read(pipeline, "assemble", Topic.TRACED)
    await _drained(pipeline, "score", Topic.SERIES)
    await pipeline.score.close()
    await _read(pipeline, "act", Topic.SIGNALS)
    ranking = await pipeline.act.rank()
    await pipeline.writer.write(ranking)
    return ranking


async def _drained(pipeline: Pipeline, agent: str, topic: Topic) -> None:
    """Wait until a stage has read its topic and nothing of it is in flight."""
    while True:
        await _read(pipeline, agent, topic)
        if not pipeline.offsets[agent].in_flight:
            return
        await pipeline.offsets[agent].wait_for_capacity()
        await asyncio.sleep(0.01)


async def _read(pipeline: Pipeline, agent: str, topic: Topic) -> None:
    """Wait until a stage has been given every record of its topic."""
    log: Any = pipeline.app.transport.log
    offsets = pipeline.offsets[agent]
    while any(offsets.next_of(topic, partition) < end for partition, end in log.end_offsets(topic).items()):
        if pipeline.app.crashed:
            raise AnalysisError("the pipeline has failed; the log above says at which record and why")
        await asyncio.sleep(0.01)
