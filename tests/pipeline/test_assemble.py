"""Stage 2 as its documents show it: the same for any order of arrival, for spans that come late or twice, and after crashes."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.assemble import AssembleStage
from pipeline.assembling.config import AssembleConfig
from pipeline.delivery.document_writer import DocumentWriter
from pipeline.delivery.offset_tracker import OffsetTracker
from pipeline.exchange import partitions
from pipeline.exchange.codec import BatchKind
from pipeline.exchange.environment_topic import EnvironmentTopic
from processors.assembly.edges import aggregate, edge_from_body, is_empty, merge
from processors.call_graph import call_graph
from processors.kernels.choose import choose
from telemetry import otlp
from telemetry.documents import Kind, hop_document, latest
from telemetry.documents.read_back import hop_from_body
from telemetry.documents.signals import span_document
from tests.generated import START, traces
from tests.pipeline.parts import APP, Event, KeepingTopic, KilledError, MemoryStore, NoRejects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stores.store import Query
    from telemetry.documents import Body
    from telemetry.span_links import LinkTarget
    from telemetry.spans import Span

SECOND = 1_000_000_000
TOPIC = "spanloom-traced"
PARTITIONS = 2
CONFIG = AssembleConfig(quiet=1.0, window=0.05, lateness=0.5, max_records=1000)
WIDTH = 50_000_000
NOW = START + 3600 * SECOND


class Worker:
    """A stage, fed with the records of a log."""

    def __init__(
        self,
        store: MemoryStore,
        config: AssembleConfig = CONFIG,
        traced: KeepingTopic | None = None,
        *,
        series: KeepingTopic | None = None,
        live: bool = False,
    ) -> None:
        self.store = store
        self.now = NOW
        self.traced, self.series, signals = traced or KeepingTopic(PARTITIONS), series or KeepingTopic(), KeepingTopic()
        self.offsets: Any = OffsetTracker(APP, config.max_records)
        writer = DocumentWriter(store, NoRejects())
        make: Any = AssembleStage
        self.stage: AssembleStage = make(
            config,
            store,
            writer,
            self.offsets,
            self.traced,
            self.series,
            EnvironmentTopic(signals),
            lambda: self.now,
            choose("auto"),
            live=live,
        )

    def take(self, event: Event) -> None:
        self.stage.handle(event)


def events(batches: list[list[Span]]) -> list[Event]:
    """Records of these batches, as stage 1 makes them."""
    following = dict.fromkeys(range(PARTITIONS), 0)
    made = []
    for batch in batches:
        parts: dict[int, list[Span]] = {}
        for span in batch:
            parts.setdefault(partitions.of_trace(span.trace_id, PARTITIONS), []).append(span)
        for partition, spans in parts.items():
            made.append(Event(TOPIC, partition, following[partition], otlp.encode_spans(spans), BatchKind.SPANS))
            following[partition] += 1
    return made


def expected(spans: list[Span], origins: Sequence[LinkTarget] = ()) -> dict[str, Any]:
    """What a batch job makes of all spans at once, and of the origins of messages between their traces."""
    by_trace: dict[bytes, list[Span]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    graphs = [call_graph(own, [item for item in origins if item.trace_id == trace_id]) for trace_id, own in by_trace.items()]
    hops = [hop for graph in graphs for hop in graph.hops]
    documents = [
        hop_document(hop, 0, partitions.of_trace(hop.trace_id, PARTITIONS), hop.start - hop.start % WIDTH) for hop in hops
    ]
    return {
        "spans": {(document := span_document(span)).id: document.body for span in spans},
        "traces": {graph.trace_id.hex(): (graph.span_count, graph.duration, len(graph.orphans)) for graph in graphs},
        "hops": {document.body["id"]: without_revision(document.body) for document in documents},
        "edges": {place: sums(edge) for place, edge in aggregate(hops, WIDTH).items()},
    }


def stored(store: MemoryStore) -> dict[str, Any]:
    """What the store has, as a reader sees it."""

    def of(kind: Kind) -> list[dict[str, Any]]:
        return [document.body for (known, _), document in store.documents.items() if known is kind]

    edges: dict[Any, Any] = {}
    for edge in map(edge_from_body, of(Kind.EDGE)):
        place = (edge.key, edge.start)
        edges[place] = merge(edges[place], edge) if place in edges else edge
    return {
        "spans": {id_: document.body for (kind, id_), document in store.documents.items() if kind is Kind.SPAN},
        "traces": {body["id"]: (body["span_count"], body["duration"], len(body["orphans"])) for body in latest(of(Kind.TRACE))},
        "hops": {body["id"]: without_revision(body) for body in latest(of(Kind.HOP))},
        "edges": {place: sums(edge) for place, edge in edges.items() if not is_empty(edge)},
    }


def without_revision(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "revision"}


def sums(edge: Any) -> tuple[Any, ...]:
    return edge.calls, edge.failures, edge.latency_sum, edge.self_time_sum, edge.critical_path_sum, sum(edge.latency.positive)


def in_batches(spans: list[Span], chance: random.Random) -> list[list[Span]]:
    """Spans in batches of any size."""
    found, at = [], 0
    while at < len(spans):
        size = chance.randint(1, 25)
        found.append(spans[at : at + size])
        at += size
    return found


def telemetry(count: int, seed: int) -> list[Span]:
    """Traces half a second apart, so that windows and traces close between them."""
    return [span for trace in traces(count, seed, every=SECOND // 2) for span in trace]


async def run(worker: Worker, log: list[Event], flushes: set[int]) -> None:
    for number, event in enumerate(log):
        worker.take(event)
        if number in flushes:
            await worker.stage.flush()
    await worker.stage.close()


slow = settings(max_examples=25)


@slow
@given(st.integers(1, 12), st.integers(0, 1000), st.booleans())
def test_documents_do_not_depend_on_order_batches_or_when_traces_were_closed(count: int, seed: int, shuffled: bool) -> None:  # noqa: FBT001 - hypothesis passes it so
    chance = random.Random(seed)
    spans = telemetry(count, seed)
    mixed = list(spans)
    if shuffled:
        chance.shuffle(mixed)
    log = events(in_batches(mixed, chance))
    store = MemoryStore()
    asyncio.run(run(Worker(store), log, {number for number in range(len(log)) if chance.random() < 0.5}))
    assert stored(store) == expected(spans)
    assert all(event.acked for event in log)


@slow
@given(st.integers(1, 8), st.integers(0, 1000))
def test_spans_that_come_again_at_any_time_change_nothing(count: int, seed: int) -> None:
    chance = random.Random(seed)
    spans = telemetry(count, seed)
    twice = spans + chance.sample(spans, len(spans) // 2)
    log = events(in_batches(twice, chance))
    store = MemoryStore()
    asyncio.run(run(Worker(store), log, set(range(0, len(log), 2))))
    assert stored(store) == expected(spans)


@slow
@given(st.integers(1, 8), st.integers(0, 1000), st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=4))
def test_after_crashes_at_any_write_and_reading_again_all_is_as_if_nothing_had_happened(
    count: int, seed: int, kills: list[tuple[int, bool]]
) -> None:
    chance = random.Random(seed)
    spans = telemetry(count, seed)
    mixed = sorted(spans, key=lambda span: span.end + chance.randint(0, SECOND))
    cut = in_batches(mixed, chance)
    store = MemoryStore()
    committed = dict.fromkeys(range(PARTITIONS), 0)
    for kill_at, after in [*kills, (-1, False)]:
        log = [event for event in events(cut) if event.message.offset >= committed[event.message.partition]]
        store.kill_at, store.after, store.writes = kill_at, after, 0
        flushes = {number for number in range(len(log)) if chance.random() < 0.5}
        with contextlib.suppress(KilledError):
            asyncio.run(run(Worker(store), log, flushes))
        for event in log:
            if event.acked:
                partition = event.message.partition
                committed[partition] = max(committed[partition], event.message.offset + 1)
    assert stored(store) == expected(spans)


async def test_a_late_span_corrects_its_own_window_and_no_other() -> None:
    spans = telemetry(4, 3)
    late = next(span for span in spans if span.name == "SELECT stock")
    store = MemoryStore()
    worker = Worker(store)
    first, second = events([[span for span in spans if span is not late], [late]])[:-1], events([[late]])
    for event in first:
        worker.take(event)
    await worker.stage.close()
    before = {id_ for (kind, id_) in store.documents if kind is Kind.EDGE}
    second[0].message.offset = 10
    worker.take(second[0])
    await worker.stage.close()
    added = [document.body for (kind, id_), document in store.documents.items() if kind is Kind.EDGE and id_ not in before]
    assert stored(store) == expected(spans)
    assert worker.stage.counts.merged == 1
    assert {body["window"] for body in added} <= {
        span.start - span.start % WIDTH for span in spans if span.trace_id == late.trace_id
    }
    assert added


async def test_a_span_that_moves_a_hop_into_another_window_moves_its_count() -> None:
    trace = next(traces(1, 4))
    client = next(span for span in trace if span.kind.name == "CLIENT" and any(s.parent_span_id == span.span_id for s in trace))
    early = replace(client, start=client.start - WIDTH)
    spans = [early if span is client else span for span in trace]
    store = MemoryStore()
    worker = Worker(store)
    without, with_ = events([[span for span in spans if span is not early]]), events([[early]])
    with_[0].message.offset = 5
    for event in (*without, *with_):
        worker.take(event)
        await worker.stage.close()
    assert stored(store) == expected(spans)


async def test_a_trace_past_the_limit_of_open_ones_is_closed_early_counted_and_marked() -> None:
    store = MemoryStore()
    worker = Worker(store, CONFIG.model_copy(update={"max_traces": 2}))
    spans = [span for trace in traces(6, 1, every=1000) for span in trace]
    for event in events([spans]):
        worker.take(event)
    await worker.stage.flush()
    early = [document.body for (kind, _), document in store.documents.items() if kind is Kind.TRACE]
    assert worker.stage.counts.closed_early == len(early) > 0
    assert all(body["cut"] and body["completeness"] < 1 for body in early)
    await worker.stage.close()
    assert stored(store) == expected(spans)


class CountingStore(MemoryStore):
    """A store that counts the spans that are read back from it."""

    read_back = 0

    async def find(self, query: Query) -> list[Body]:
        found = await super().find(query)
        self.read_back += len(found) if query.kind is Kind.SPAN else 0
        return found


@pytest.mark.parametrize("crash_at", [None, 5, 6, 10, 30])
async def test_a_trace_without_end_is_stored_whole_drawn_in_part_and_read_back_no_more(
    crash_at: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.assembly.assembler.MAX_TELEMETRY_ITEMS", 60)
    spans = [replace(span, trace_id=b"endless" + bytes(9)) for span in telemetry(60, 5)]
    log = events([spans[at : at + 12] for at in range(0, len(spans), 12)])
    store = CountingStore()
    worker = Worker(store)
    for number, event in enumerate(log):
        if number == crash_at:  # nothing of the open windows was stored
            worker, committed = Worker(store), next((i for i, one in enumerate(log) if not one.acked), number)
            for again in events([spans[at : at + 12] for at in range(0, len(spans), 12)])[committed:number]:
                worker.take(again)
            await worker.stage.flush()
        worker.take(event)
        await worker.stage.flush()
    await worker.stage.close()
    found = stored(store)
    assert found["spans"].keys() == {span_document(span).id for span in spans}
    (trace,) = latest([document.body for (kind, _), document in store.documents.items() if kind is Kind.TRACE])
    assert trace["cut"]
    assert trace["completeness"] < 1
    assert 60 <= trace["span_count"] < 60 + 12 * 2
    assert worker.stage.dropped["trace_spans"] > 0
    assert store.read_back < 60 * 12
    hops = [hop_from_body(body) for body in latest([d.body for (kind, _), d in store.documents.items() if kind is Kind.HOP])]
    assert hops
    assert found["edges"] == {place: sums(edge) for place, edge in aggregate(hops, WIDTH).items()}
    assert log[-1].acked


async def test_a_record_is_held_until_the_windows_of_its_hops_are_stored_too() -> None:
    store = MemoryStore()
    worker = Worker(store, CONFIG.model_copy(update={"lateness": 5.0}))
    trace = next(traces(1, 1))
    later = replace(trace[-1], span_id=b"12345678", start=trace[-1].end, end=trace[-1].end + 2 * SECOND)
    owner = partitions.of_trace(trace[0].trace_id, PARTITIONS)
    ids = (number.to_bytes(16, "big") for number in range(1, 100))
    later = replace(later, trace_id=next(id_ for id_ in ids if partitions.of_trace(id_, PARTITIONS) == owner))
    first, second = events([trace, [later]])
    worker.take(first)
    worker.take(second)
    await worker.stage.flush()
    kinds = {kind for kind, _ in store.documents}
    assert Kind.TRACE in kinds
    assert Kind.EDGE not in kinds
    assert not first.acked
    await worker.stage.close()
    assert first.acked


async def test_partitions_that_were_revoked_are_forgotten() -> None:
    store = MemoryStore()
    worker = Worker(store)
    log = events([telemetry(3, 1)])
    for event in log:
        worker.take(event)
    tps = {event.message.tp for event in log}
    worker.offsets.drop(tps)
    worker.stage.drop(tps)
    await worker.stage.close()
    assert not store.documents
    assert not any(event.acked for event in log)


async def test_what_a_clock_that_is_ahead_dates_is_stored_at_once_and_holds_no_record() -> None:
    ordinary = list(traces(30, 1, every=SECOND))
    ahead = [
        [replace(span, start=span.start + 3600 * SECOND, end=span.end + 3600 * SECOND) for span in trace]
        for trace in traces(30, 2, every=SECOND)
    ]
    log = events([[*one, *other] for one, other in zip(ordinary, ahead, strict=True)])
    store = MemoryStore()
    worker = Worker(store, CONFIG.model_copy(update={"max_open": 5.0}))
    for number, event in enumerate(log):
        worker.now = START + 30 * SECOND * (number + 1) // len(log)
        worker.take(event)
        await worker.stage.flush()
    assert all(event.acked for event in log[: len(log) // 2])
    await worker.stage.close()
    assert stored(store)["edges"] == expected([span for trace in ordinary + ahead for span in trace])["edges"]
