"""One stage at a time, each in a process of its own so that its CPU time is its own."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.delivery.document_writer import DocumentWriter
from pipeline.exchange.topics import Topic
from processors.assembly.assembler import OpenTrace
from processors.assembly.reconcile import publish_trace
from spanloom import clock
from spanloom.config import Config, load_config
from spanloom.roles import run_roles
from spanloom.wiring import Pipeline
from stores.duckdb.store import DuckDbStore
from stores.store import Capabilities, Query, Retention, Usage, Written
from telemetry import otlp
from tests.generated import traces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stores.store import Rejected
    from telemetry.documents import Body, Document, Kind

SPANS_A_TRACE = 12
TRACES_A_REQUEST = 20
WINDOW = 5_000_000_000


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


def requests(spans: int) -> Iterator[bytes]:
    """Export requests of 240 spans."""
    waiting = []
    for trace in traces(spans // SPANS_A_TRACE):
        waiting += trace
        if len(waiting) >= TRACES_A_REQUEST * SPANS_A_TRACE:
            yield otlp.encode_spans(waiting)
            waiting = []
    if waiting:
        yield otlp.encode_spans(waiting)


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

    async def environments(self, query: Query) -> list[str]:
        del query
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


def assemble(spans: int) -> Measured:
    """Requests on the log, re-keyed and assembled into documents that nobody keeps."""
    return asyncio.run(_assemble(list(requests(spans)), spans))


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


def index(spans: int) -> Measured:
    """Documents of spans, hops and traces into a DuckDB file."""
    batches: list[list[Document]] = [[]]
    for trace in traces(spans // SPANS_A_TRACE):
        publication = publish_trace(OpenTrace(trace[0].trace_id, {span.span_id: span for span in trace}))
        batches[-1] += [*publication.parts(0, lambda start: start - start % WINDOW), *publication.trace()]
        if len(batches[-1]) >= 2000:
            batches.append([])
    return asyncio.run(_index(batches, spans))


async def _index(batches: list[list[Document]], spans: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        store = DuckDbStore(Path(folder) / "spanloom.duckdb")
        writer = DocumentWriter(store, _Nobody())
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(writer.write(batch) for batch in batches))
        measured = Measured(spans, time.perf_counter() - wall, time.process_time() - cpu)
        await store.close()
        return measured
