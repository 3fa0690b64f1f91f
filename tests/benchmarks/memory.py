"""What open telemetry takes in memory, by what it is made of, and whether the assembler stays within its bound.

Run: `python -m tests.benchmarks.memory [--bound BYTES] [--shape NAME] [--json]`. Each shape runs in a process of its own, which
fills stage 2 with open traces of that shape until it makes room, and says how far its resident memory has grown: see
docs/memory.md.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import itertools
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from pipeline.assemble import AssembleStage
from pipeline.assembling.config import AssembleConfig
from pipeline.delivery.document_writer import DocumentWriter
from pipeline.delivery.offset_tracker import OffsetTracker
from pipeline.exchange import codec
from pipeline.exchange.codec import BatchKind
from pipeline.exchange.environment_topic import EnvironmentTopic
from processors.assembly.assembler import ExemplarReference, LogReference
from processors.kernels.choose import choose
from stores.store import Capabilities, Written
from telemetry import otlp
from telemetry.resource import Resource
from telemetry.span_links import LinkTarget, SpanReference
from telemetry.spans import Span, SpanEvent, SpanKind, SpanLink
from tests.generated import START
from tests.pipeline.parts import APP, Event, KeepingTopic, NoRejects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stores.store import Query
    from telemetry.documents import Body, Document, Kind

BOUND = 64 << 20
WITHIN = 1.25
"""What resident memory may take of the bound: the allocator leaves holes."""

DRAWING = 24 << 20
"""What drawing and storing the traces takes beside that which are closed at a time."""

SHOP = Resource({"service.name": "shop", "k8s.pod.name": "shop-1"})


@dataclass(frozen=True, slots=True)
class Shape:
    """How telemetry is made of a number, and how many of it make a record."""

    batch: BatchKind
    make: Callable[[int], list[Any]]
    encode: Callable[[list[Any]], bytes] = otlp.encode_spans
    traces: int = 100  # in a record


def trace_id(number: int) -> bytes:
    """A trace id that no other number has."""
    return b"trace" + (number + 1).to_bytes(11, "big")


def span_id(number: int) -> bytes:
    """A span id that no other number has."""
    return b"s" + (number + 1).to_bytes(7, "big")


def span(trace: int, number: int, **more: Any) -> Span:
    """A small span."""
    known: dict[str, Any] = {"resource": SHOP, **more}
    start = START + number
    parent = span_id(0) if number else b""
    return Span(trace_id(trace), span_id(number), parent, "work", SpanKind.SERVER, start, start + 100, **known)


def _many_attributes(trace: int, number: int) -> Span:
    return span(trace, number, attributes={f"app.attribute.{i}": f"value-{number}-{i}" for i in range(20)})


def _events_and_links(trace: int, number: int) -> Span:
    events = tuple(SpanEvent(START + i, "retry", {"attempt": i}) for i in range(5))
    links = tuple(SpanLink(trace_id(10**6 + i), span_id(i)) for i in range(3))
    return span(trace, number, events=events, links=links)


SHAPES = {
    "traces of one tiny span": Shape(BatchKind.SPANS, lambda t: [span(t, 0)], traces=200),
    "traces of ten tiny spans": Shape(BatchKind.SPANS, lambda t: [span(t, i) for i in range(10)]),
    "twelve spans of twenty attributes": Shape(
        BatchKind.SPANS, lambda t: [_many_attributes(t, i) for i in range(12)], traces=20
    ),
    "spans of 20 kB": Shape(
        BatchKind.SPANS, lambda t: [span(t, i, attributes={"db.statement": "x" * 20_000}) for i in range(3)], traces=5
    ),
    "five events and three links a span": Shape(BatchKind.SPANS, lambda t: [_events_and_links(t, i) for i in range(5)]),
    "a resource for each span": Shape(
        BatchKind.SPANS, lambda t: [span(t, 0, resource=Resource({"service.name": f"s{t}", "host.name": f"h{t}"}))]
    ),
    "ten log records a trace": Shape(
        BatchKind.LOG_REFERENCES,
        lambda t: [LogReference(trace_id(t), f"{t:020x}{i:012x}", START + i, 9) for i in range(10)],
        codec.encode_log_references,
    ),
    "ten exemplars a trace": Shape(
        BatchKind.EXEMPLARS,
        lambda t: [ExemplarReference(trace_id(t), span_id(i), START + i, "http.server.duration", 0.5 * i) for i in range(10)],
        codec.encode_exemplars,
    ),
    "ten origins a trace": Shape(
        BatchKind.LINK_TARGETS,
        lambda t: [
            LinkTarget(
                trace_id(t), SpanReference(trace_id(t + i), span_id(i)), True, START, START + i, "shop", "shop-1", "host", START
            )
            for i in range(10)
        ],
        codec.encode_link_targets,
    ),
    "one trace a record": Shape(BatchKind.SPANS, lambda t: [span(t, i) for i in range(3)], traces=1),
}


@dataclass(slots=True)
class Filled:
    """What a shape took."""

    shape: str
    bound: int
    traces: int  # open at the bound
    wire: int  # bytes of their records
    grown: int  # resident memory at the bound
    peak: int  # resident memory at most, while room was made
    closed_early: int  # traces closed early
    stored: int  # traces
    marked: int  # of them those that say that they were closed early
    left: int  # memory that is accounted for after that


class Counting:
    """A store that keeps nothing but counts."""

    traces = marked = 0

    def capabilities(self) -> Capabilities:
        """It has everything at once."""
        return Capabilities(immediate=True)

    async def write(self, documents: Sequence[Document]) -> Written:
        """Count traces."""
        await asyncio.sleep(0)
        for document in documents:
            if document.kind.value == "trace":
                self.traces += 1
                self.marked += bool(document.body.get("cut"))
        return Written(len(documents), 0)

    async def find(self, _: Query) -> list[Body]:
        """Nothing."""
        return []

    async def refresh(self, kinds: Sequence[Kind]) -> None:
        """It has everything at once."""


class _NoTopic(KeepingTopic):
    async def send(self, **_: Any) -> Any:
        sent = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        return sent


def resident() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _stage(bound: int, store: Counting) -> AssembleStage:
    config = AssembleConfig(max_bytes=bound, max_traces=10**9, max_signals=10**9, max_records=10**9)
    offsets = OffsetTracker(APP, config.max_records, values=False, max_bytes=bound)
    make: Any = AssembleStage
    topic, writer = _NoTopic(), DocumentWriter(store, NoRejects())  # type: ignore[arg-type]
    stage: AssembleStage = make(
        config, store, writer, offsets, topic, topic, EnvironmentTopic(topic), lambda: START, choose("auto"), live=False
    )
    return stage


def _records(shape: Shape) -> Iterator[Event]:
    for offset in itertools.count():
        first = offset * shape.traces
        items = [item for number in range(first, first + shape.traces) for item in shape.make(number)]
        yield Event("spanloom-traced", 0, offset, shape.encode(items), shape.batch)


async def fill(name: str, bound: int) -> Filled:
    """Fill a stage with open traces of a shape, past its bound, and let it make room."""
    shape, store = SHAPES[name], Counting()
    warm = _stage(bound, store)
    for event in itertools.islice(_records(shape), 2):
        warm.handle(event)
    await warm.close()
    del warm
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    store.traces = store.marked = 0
    stage, log, wire, traces = _stage(bound, store), _records(shape), 0, 0
    before = resident()
    while stage.memory <= bound:
        event = next(log)
        wire, traces = wire + len(event.value or b""), traces + shape.traces
        stage.handle(event)
    full = peak = resident()
    for _ in range(3):  # past the bound, again and again
        closing = asyncio.create_task(stage.flush())
        while not closing.done():
            await asyncio.sleep(0)
            peak = max(peak, resident())
        await closing
        while stage.memory <= bound:
            stage.handle(next(log))
        peak = max(peak, resident())
    await stage.flush()
    cut = stage.counts.crowded
    return Filled(name, bound, traces, wire, full - before, peak - before, cut, store.traces, store.marked, stage.memory)


def measure(name: str, bound: int) -> Filled:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.memory", "--json", "--bound", str(bound), "--shape", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Filled(**json.loads(done.stdout))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bound", type=int, default=BOUND)
    parser.add_argument("--shape", choices=SHAPES)
    parser.add_argument("--json", action="store_true", help="one shape, in this process")
    asked = parser.parse_args()
    if asked.json:
        print(json.dumps(asdict(asyncio.run(fill(asked.shape, asked.bound)))))  # noqa: T201 - its output
        return
    table = Table("open traces of", "traces", "wire MB", "resident MB", "of the bound", "times the wire", "peak MB")
    for name in [asked.shape] if asked.shape else SHAPES:
        found = measure(name, asked.bound)
        table.add_row(
            name,
            f"{found.traces:,}",
            f"{found.wire / 2**20:.1f}",
            f"{found.grown / 2**20:.0f}",
            f"{found.grown / found.bound:.2f}",
            f"{found.grown / found.wire:.1f}",
            f"{found.peak / 2**20:.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
