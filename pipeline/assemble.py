"""Stage 2: gathers traces, draws their call graphs, and stores spans, traces, hops and the edges of each window.

How a result stays exact (see docs/guarantees.md): a record stays in flight until each trace and each edge window that it is
part of is stored. A trace that the store already has is merged with what the store has, and the windows of its hops
are counted again from the store; so reading a record twice changes nothing and a late span changes only its own share.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from pipeline.assembling.counts import AssembleCounts
from pipeline.assembling.edge_windows import SealedEdgeWindows
from pipeline.assembling.partition import Partition
from pipeline.assembling.span_links import SpanLinkCounts, SpanLinkResolver
from pipeline.assembling.stored_traces import publications
from pipeline.assembling.trace_telemetry import TraceTelemetry
from pipeline.delivery.retry import RevokedError
from pipeline.exchange.codec import BatchKind
from pipeline.exchange.inner_records import received
from processors.assembly.assembler import AssemblyLimits, OpenTrace, TraceAssembler, unpack
from processors.assembly.edge_windows import EdgeWindow, EdgeWindows
from processors.assembly.reconcile import Drawing
from processors.assembly.watermark import SECOND
from processors.series.cumulative import SeriesBudget
from stores.store import NO_LIMIT, OneOf, Query
from telemetry.documents import Body, Kind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from pipeline.assembling.config import AssembleConfig
    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.delivery.offset_tracker import OffsetTracker
    from pipeline.delivery.retry import Answer
    from pipeline.exchange.environment_topic import EnvironmentTopic
    from pipeline.record import TP, OutputTopic, Record
    from processors.assembly.reconcile import Publication
    from processors.kernels.protocol import Kernels
    from stores.store import Store
    from telemetry.metrics import Metric

CHUNK = 200
"""Traces drawn and stored at a time: enough for a full batch, few enough to let the loop breathe."""

CHUNK_BYTES = 2 << 20
"""Memory of them at a time, unless a trace takes more: drawing takes ten times that."""

FULL, REDUCED = 1.0, 0.75
"""Shares of the memory at which traces are closed to make room, and down to which."""


RECENT = 50_000
"""Traces remembered as just closed: more than close between two refreshes of a store."""


_ACCEPTED = frozenset(
    {BatchKind.SPANS, BatchKind.LOG_REFERENCES, BatchKind.EXEMPLARS, BatchKind.LINK_QUERIES, BatchKind.LINK_TARGETS}
)

_FOLLOWING = frozenset({BatchKind.EXEMPLARS, BatchKind.LINK_QUERIES, BatchKind.LINK_TARGETS})
"""What may be minutes old, or comes of signals that have moved event time: it neither moves it nor keeps it from running."""


class AssembleStage:
    """The state and the work of stage 2 in one worker."""

    def __init__(
        self,
        config: AssembleConfig,
        store: Store,
        writer: DocumentWriter,
        offsets: OffsetTracker,
        traced: OutputTopic,
        series: OutputTopic,
        signals: EnvironmentTopic,
        now: Callable[[], int],
        kernels: Kernels,
        *,
        live: bool = True,
    ) -> None:
        self._config = config
        self._store = store
        self._writer = writer
        self._offsets = offsets
        self._traced, self._series = traced, series
        self._signals = signals
        self._now = now
        self._kernels = kernels
        self._live = live
        self._limits = AssemblyLimits(
            int(config.quiet * SECOND), int(config.max_open * SECOND), config.max_traces, config.max_signals
        )
        self._partitions: dict[TP, Partition] = {}
        self._wake = asyncio.Event()
        self._capacity = asyncio.Event()
        self._capacity.set()
        self._ending = False
        self._cycle = asyncio.Lock()
        self._drawing_large = asyncio.Lock()
        self._metric_samples = SeriesBudget(config.max_metric_samples)
        self.counts = AssembleCounts()
        self.messages = SpanLinkCounts()
        self._edges = SealedEdgeWindows(store, writer, series, self.counts)

    # ------------------------------------------------------------------ in

    def handle(self, event: Record) -> None:
        """Add the signals of one record."""
        tp = event.message.tp
        part = self._part(tp)
        batch, signals = received(event, _ACCEPTED, part.packer.pack)
        event_time = self._event_time(batch, signals)
        now = self._now()
        if batch not in _FOLLOWING:
            part.last_record = part.last_tick = now
        # Nothing that a sender says may be later than now, or one wrong clock would close every trace.
        watermark = part.watermark.observe(min(event_time, now))
        if batch is BatchKind.LINK_QUERIES:
            references = part.messages.add(event.message.offset, watermark, signals)
        else:
            references = len(part.assembler.add(event.message.offset, watermark, signals))
        self._offsets.add(event, references)
        if not references:
            self._offsets.release(tp, ())
        self._wake.set()
        if part.assembler.signals > self._config.max_signals or self._offsets.full or self.memory > self._config.max_bytes:
            self._capacity.clear()

    def _event_time(self, batch: BatchKind, signals: Sequence[Any]) -> int:
        """The event time that the signals of a record move their partition to; 0: to none."""
        match batch:
            case BatchKind.SPANS:
                self.counts.spans += len(signals)
                return max((span.end for span in signals), default=0)
            case BatchKind.LOG_REFERENCES:
                self.counts.logs += len(signals)
                return max((log.time for log in signals), default=0)
        return 0

    def _part(self, tp: TP) -> Partition:
        part = self._partitions.get(tp)
        if part is None:
            part = self._partitions[tp] = Partition(
                tp,
                TraceAssembler(self._limits),
                EdgeWindows(int(self._config.window * SECOND), int(self._config.lateness * SECOND)),
                TraceTelemetry(tp.partition, self._now(), self._series, self._signals, self._metric_samples, self._kernels),
                SpanLinkResolver(
                    tp,
                    self._traced,
                    self._store,
                    self._writer,
                    self._offsets,
                    self.messages,
                    self._limits.inactivity_gap,
                    lambda: self._partitions.get(tp) is part,
                ),
                last_record=self._now(),
                last_tick=self._now(),
            )
        return part

    @property
    def memory(self) -> int:
        """Memory that everything takes which is not stored yet."""
        return sum(self.memory_by_holder().values())

    def memory_by_holder(self) -> dict[str, int]:
        """Bytes of memory by what uses them."""
        parts = self._partitions.values()
        return {
            "open_traces": sum(part.assembler.memory for part in parts),
            "closed_traces": sum(part.closing for part in parts),
            "edge_windows": sum(part.windows.memory for part in parts),
            "receipts": sum(part.messages.memory for part in parts),
            "assemble_records": self._offsets.in_flight_bytes,
        }

    async def wait_for_capacity(self) -> None:
        """Wait while more is in memory than the limits allow; the flush closes the oldest."""
        await self._capacity.wait()

    def drop(self, revoked: Iterable[TP]) -> None:
        """Drop the state of partitions that were revoked: their new owner reads their records again."""
        for tp in revoked:
            part = self._partitions.pop(tp, None)
            self._edges.drop(tp.partition)
            if part is not None:
                self._metric_samples.give_back(part.trace_telemetry.samples)

    def metrics(self) -> list[Metric]:
        """What the service graph, the spans and the clocks of all partitions say, as scrapers read it."""
        now = self._now()
        return [metric for part in self._partitions.values() for metric in part.trace_telemetry.metrics(now)]

    @property
    def dropped(self) -> dict[str, int]:
        """What the bounds on counters and clock skew have cost the partitions that this worker has."""
        total: Counter[str] = Counter(
            large_edges=self.counts.dropped["large_edges"],
            large_origins=self.messages.dropped["large_origins"],
            metric_series_overflow=self._metric_samples.overflow,
            trace_spans=self.counts.undrawn,
            invalid_spans=self.counts.invalid,
        )
        for part in self._partitions.values():
            total.update(part.trace_telemetry.dropped)
        return total

    # ------------------------------------------------------------------ out

    async def run(self) -> None:
        """Close, store and seal what is due, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), timeout=0.5)
            self._wake.clear()
            await self.flush()
            await asyncio.sleep(0.05)

    async def flush(self) -> None:
        """One round: close and store the traces that are due, then seal and store the windows that are."""
        async with self._cycle:
            share, everything = self._excess()
            parts = list(self._partitions.values())
            await asyncio.gather(*(self._flush(part, share=share, everything=everything) for part in parts))
            self._capacity.set()

    def _excess(self) -> tuple[float | None, bool]:
        """The share of their memory that open traces may keep, if not all, and whether everything has to be closed.

        Closing traces does not free the windows in which their hops are counted, nor the records that those hold.
        """
        limit = self._config.max_bytes
        used = self.memory_by_holder()
        total, traces = sum(used.values()), used["open_traces"]
        others = total - traces
        if self._offsets.full or others > limit / 2:
            return 0.0, True
        if total <= FULL * limit:
            return None, False
        return max(0.0, (REDUCED * limit - others) / traces), False

    async def close(self) -> None:
        """Close and store everything: the input has ended."""
        async with self._cycle:
            parts = list(self._partitions.values())
            await asyncio.gather(*(self._flush(part, share=None, everything=True) for part in parts))

    def _owns(self, part: Partition) -> bool:
        return self._partitions.get(part.tp) is part

    async def _flush(self, part: Partition, *, share: float | None, everything: bool) -> None:
        with contextlib.suppress(RevokedError):  # revoked meanwhile: the new owner does the rest
            await self._flush_owned(part, share=share, everything=everything)

    async def _flush_owned(self, part: Partition, *, share: float | None, everything: bool) -> None:
        watermark = self._advance(part)
        await part.messages.resolve(part.assembler, watermark)
        before = part.assembler.memory
        due = deque(part.assembler.advance(watermark))
        if share is not None:
            due += part.assembler.shed(int(before * share))
        if everything:
            due += part.assembler.close_all()
        self.counts.crowded += sum(trace.early for trace in due)
        part.closing = before - part.assembler.memory
        each = part.closing / len(due) if due else 0.0
        while due:
            chunk = _chunk(due)
            await self._publish(part, chunk)
            part.closing = int(each * len(due))
        if everything:
            await part.messages.resolve(part.assembler, watermark, everything=True)
        sealed = part.windows.seal_all() if everything else part.windows.seal(watermark)
        for window in sealed:
            await self._seal(part, window)
        if sealed:
            documents = await part.trace_telemetry.send_metrics(min(sealed[-1].start + part.windows.width, self._now()))
            if documents:
                await self._writer.write(documents, lambda: self._owns(part))

    def _advance(self, part: Partition) -> int:
        now = self._now()
        idle = self._live and now - part.last_record > self._config.idle * SECOND
        if idle:
            part.watermark.elapse(now - part.last_tick)
        part.last_tick = now
        # Without event time since a restart, nothing is waited for.
        return now if idle and not part.watermark.time else part.watermark.time

    async def _publish(self, part: Partition, traces: list[OpenTrace]) -> None:
        large = sum(trace.memory for trace in traces) > CHUNK_BYTES
        async with self._drawing_large if large else contextlib.nullcontext():  # one at a time
            self.counts.invalid += unpack(traces, self._kernels)
            await self._publish_unpacked(part, traces)

    async def _publish_unpacked(self, part: Partition, traces: list[OpenTrace]) -> None:
        published = await self._merge_stored(part, traces)
        width = part.windows.window_of
        partition = part.tp.partition
        parts = [publication.parts(partition, width, self._kernels) for publication in published]
        first = [document for documents in parts for document in documents]
        last = [document for publication in published for document in publication.trace()]
        await part.messages.answer([span for publication in published for span in publication.new_spans])
        # A stored trace document says that all its spans and hops are stored, so it comes last.
        for documents in (first, last):
            await self._writer.write(documents, lambda: self._owns(part))
        self._check_owned(part)
        self.counts.spans_stored += sum(len(publication.new_spans) for publication in published)
        await part.trace_telemetry.send_sample(zip(traces, published, strict=True))
        now = self._now()
        for trace, publication, documents in zip(traces, published, parts, strict=True):
            if publication.merged:
                self.counts.merged += 1
                self.counts.undrawn += 0 if publication.spans else len(publication.new_spans)
                if trace.trace_id in part.recent:  # all windows of what was stored are counted, or waiting to be
                    windows = {document.body["window"] for document in documents if document.kind is Kind.HOP}
                else:
                    windows = publication.windows(width)
                references = part.windows.recount(windows, trace.sources)
            else:
                self.counts.traces += 1
                references = part.windows.add(publication.graph.hops, publication.revision, trace.sources)
            part.trace_telemetry.count(publication, now)
            self.counts.closed_early += trace.closed_early
            self._offsets.add_references(part.tp, references)
            self._offsets.release(part.tp, trace.sources)
            part.recent[trace.trace_id] = None
            part.recent.move_to_end(trace.trace_id)
        while len(part.recent) > RECENT:
            part.recent.popitem(last=False)

    async def _merge_stored(self, part: Partition, traces: list[OpenTrace]) -> list[Publication]:
        """Each trace as it is to be published, joined with what the store has of it."""
        fresh = part.fresh
        unsure = fresh or any(trace.trace_id in part.recent for trace in traces)
        if unsure and not self._store.capabilities().immediate:
            await self._ask(part, "refresh", lambda: self._store.refresh([Kind.TRACE, Kind.SPAN, Kind.HOP, Kind.LOG]))
        part.fresh = False

        async def find(kind: Kind, trace_ids: list[str]) -> list[Body]:
            query = Query(kind, [OneOf("trace_id", trace_ids)], limit=NO_LIMIT)
            return await self._ask(part, "find", lambda: self._store.find(query))

        drawing = Drawing(self._kernels, part.tp.partition, part.windows.width)
        return await publications(traces, find, part.recent, drawing, after_a_start=fresh)

    async def _ask(self, part: Partition, operation: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        return await self._writer.availability.ask(operation, ask, lambda: self._owns(part))

    def _check_owned(self, part: Partition) -> None:
        if not self._owns(part):
            raise RevokedError(f"{part.tp.topic}[{part.tp.partition}] was revoked")

    async def _seal(self, part: Partition, window: EdgeWindow) -> None:
        await self._edges.seal(part.tp.partition, window, part.windows.width, lambda: self._owns(part))
        self._check_owned(part)
        self._offsets.release(part.tp, window.sources)


def _chunk(due: deque[OpenTrace]) -> list[OpenTrace]:
    """The next traces to be drawn together, which leave the others."""
    chunk, size = [due.popleft()], 0
    while due and len(chunk) < CHUNK and (size := size + chunk[-1].memory) + due[0].memory <= CHUNK_BYTES:
        chunk.append(due.popleft())
    return chunk
