"""One stage at a time, each in a process of its own so that its CPU time is its own."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.delivery.document_writer import DocumentWriter
from pipeline.exchange.topics import Topic
from processors.assembly.assembler import OpenTrace
from processors.assembly.reconcile import publish_trace
from spanloom import clock
from spanloom.config import Config, load_config
from spanloom.process.garbage import look_for_cycles_seldom
from spanloom.roles.run import run_roles
from spanloom.wiring import Pipeline
from stores.duckdb.store import DuckDbStore
from stores.store import Capabilities, Query, Retention, Usage, Written
from telemetry import otlp
from tests.generated import MILLISECOND, START, traces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stores.store import Aggregates, Aggregation, Rejected, Totals
    from telemetry.documents import Body, Document, Kind

SPANS_A_TRACE = 12
WINDOW = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Input:
    """What is sent.

    Attributes:
        spans: in all, whole traces.
        rate: how many times a hundred requests of users a second of event time. With few, the work of each window and each
            second of event time weighs more on a span.
        request_spans: of an export request; the Collector's batch processor sends 8,192 unless told otherwise, SDKs 512.
    """

    spans: int
    rate: int = 1
    request_spans: int = 240

    @property
    def every(self) -> int:
        """Nanoseconds from one user's request to the next."""
        return 10 * MILLISECOND // self.rate

    @property
    def end(self) -> int:
        """When the last user's request begins."""
        return START + self.spans // SPANS_A_TRACE * self.every


@dataclass(frozen=True, slots=True)
class Measured:
    """What a stage needed for so many spans, in seconds."""

    spans: int
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        """Spans a second of wall time."""
        return self.spans / self.wall

    @property
    def cost(self) -> float:
        """CPU-seconds for 100,000 spans."""
        return 100_000 * self.cpu / self.spans


def requests(given: Input) -> Iterator[bytes]:
    """Export requests, of whole traces."""
    waiting = []
    for trace in traces(given.spans // SPANS_A_TRACE, every=given.every):
        waiting += trace
        if len(waiting) >= given.request_spans:
            yield otlp.encode_spans(waiting)
            waiting = []
    if waiting:
        yield otlp.encode_spans(waiting)


def parse(given: Input) -> Measured:
    """What the others are compared with: protobuf's C library parses the requests, and seven fields of each span are read."""
    values, read = list(requests(given)), 0
    wall, cpu = time.perf_counter(), time.process_time()
    for value in values:
        for resource in ExportTraceServiceRequest.FromString(value).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    read += len(span.trace_id) + len(span.span_id) + len(span.parent_span_id) + len(span.name) + span.kind
                    read += span.end_time_unix_nano > span.start_time_unix_nano
    assert read
    return Measured(given.spans, time.perf_counter() - wall, time.process_time() - cpu)


def collect() -> None:
    """A process that only collects, configured by its environment, until SIGTERM."""
    asyncio.run(run_roles(load_config(), clock.system, stages=(), console=False, alerts=False))


class Swallow:
    """A store that forgets."""

    def capabilities(self) -> Capabilities:
        return Capabilities(immediate=True)

    async def write(self, documents: Sequence[Document]) -> Written:
        return Written(len(documents), 0)

    async def find(self, query: Query) -> list[Body]:
        del query
        return []

    async def count(self, query: Query) -> int:
        del query
        return 0

    @property
    def aggregates(self) -> Aggregates:
        raise NotImplementedError

    async def environments(self, query: Query) -> list[str]:
        del query
        return []

    async def values(self, query: Query, field: str) -> list[str]:
        del query, field
        return []

    async def totals(self, asked: Aggregation) -> list[Totals]:
        del asked
        return []

    async def refresh(self, kinds: Sequence[Kind]) -> None:
        pass

    async def retain(self, retention: Retention, now: int) -> int:
        del retention, now
        return 0

    async def usage(self) -> Usage:
        return Usage()

    def counters(self) -> dict[str, int]:
        return {}

    async def close(self) -> None:
        pass


def assemble(given: Input) -> Measured:
    """Requests on the log, re-keyed and assembled into documents that nobody keeps."""
    return asyncio.run(_assemble(list(requests(given)), given.spans))


async def _assemble(values: list[bytes], spans: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        config = Config(data_dir=Path(folder), log=f"log://{folder}/log")
        pipeline = Pipeline(config, Swallow(), clock.system, stages=("rekey", "assemble"), live=False, alerts=False)
        async with pipeline:
            assert pipeline.assemble is not None
            wall, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(pipeline.produce(Topic.SPANS, value, {}) for value in values))
            while pipeline.assemble.counts.spans < spans:  # noqa: ASYNC110 - the stage counts and tells nobody
                await asyncio.sleep(0.01)
            await pipeline.assemble.close()
            assert pipeline.assemble.counts.spans_stored == spans
            return Measured(spans, time.perf_counter() - wall, time.process_time() - cpu)


class _Nobody:
    """Takes no rejected documents: there are none."""

    def count(self, kind: Kind, *, refused: bool) -> None:
        pass

    def objection(self, _: Sequence[Rejected]) -> str:
        """None: there are none."""
        return ""

    async def reject(self, rejected: Sequence[Rejected]) -> None:
        raise AssertionError(rejected)


def index(given: Input) -> Measured:
    """Documents of spans, hops and traces into a DuckDB file."""
    look_for_cycles_seldom()
    batches: list[list[Document]] = [[]]
    for trace in traces(given.spans // SPANS_A_TRACE, every=given.every):
        publication = publish_trace(OpenTrace(trace[0].trace_id, {span.span_id: span for span in trace}))
        batches[-1] += [*publication.parts(0, lambda start: start - start % WINDOW), *publication.trace()]
        if len(batches[-1]) >= 2000:
            batches.append([])
    return asyncio.run(_index(batches, given.spans))


async def _index(batches: list[list[Document]], spans: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        store = DuckDbStore(Path(folder) / "spanloom.duckdb")
        writer = DocumentWriter(store, _Nobody())
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(writer.write(batch) for batch in batches))
        measured = Measured(spans, time.perf_counter() - wall, time.process_time() - cpu)
        await store.close()
        return measured
