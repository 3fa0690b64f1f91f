"""Stage 2 over every kind of edge, well formed or hostile: what is stored is what a batch job makes of the set of spans."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.exchange.codec import HEADER, BatchKind, decode_bodies
from processors.assembly.assembler import log_summary
from processors.assembly.edges import edge_from_body
from processors.call_graph import call_graph
from processors.series.edge_counts import edge_counts
from telemetry.documents import Kind, latest, trace_document
from tests.generated import START
from tests.pipeline.parts import KeepingTopic, KilledError, MemoryStore
from tests.pipeline.test_assemble import CONFIG, PARTITIONS, SECOND, Worker, events, expected, run, stored
from tests.processors.traces import TRACE, sharing_traces
from tests.processors.traces import traces as any_trace

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from telemetry.documents import Body
    from telemetry.metrics import Series
    from telemetry.spans import Span, SpanLink

TICK = 20_000_000
"""The unit of the drawn times: two and a half of it are a window, so a trace is spread over several."""

HASTY = CONFIG.model_copy(update={"quiet": 0.05, "lateness": 0.05})
"""Traces close and windows are sealed while half of their spans are still to come."""


def placed(spans: list[Span], number: int, apart: int) -> list[Span]:
    """A drawn trace as the n-th of several, with an id of its own."""
    trace_id, begin = number.to_bytes(16, "big"), START + number * apart

    def link(one: SpanLink) -> SpanLink:
        return replace(one, trace_id=trace_id) if one.trace_id == TRACE else one

    return [
        replace(
            span,
            trace_id=trace_id,
            start=begin + span.start * TICK,
            end=begin + span.end * TICK,
            links=tuple(map(link, span.links)),
        )
        for span in spans
    ]


@st.composite
def telemetry(draw: st.DrawFn) -> list[Span]:
    """The spans of a few traces, which follow each other so closely that they overlap, or so far apart that they close."""
    apart = draw(st.sampled_from((TICK, SECOND // 4, SECOND)))
    drawn = draw(st.lists(any_trace() | sharing_traces(), min_size=1, max_size=5))
    return [span for number, spans in enumerate(drawn, 1) for span in placed(spans, number, apart)]


def arrival(spans: list[Span], again: list[Span], chance: random.Random, delay: int) -> list[list[Span]]:
    """Batches of any size, in which a span may come late by up to `delay`, and some come again."""
    due = sorted((span.end + chance.randint(0, delay), number) for number, span in enumerate(spans + again))
    mixed = [(spans + again)[number] for _, number in due]
    batches: list[list[Span]] = []
    while mixed:
        size = chance.randint(1, 5)
        batches.append(mixed[:size])
        mixed = mixed[size:]
    return batches


def trace_bodies(spans: list[Span]) -> dict[str, Any]:
    """The trace documents of a batch job, whole: critical path, missing parents, completeness."""
    by_trace: dict[bytes, list[Span]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    return {
        trace_id.hex(): without(trace_document(call_graph(own), 0, log_summary((), ())).body)
        for trace_id, own in by_trace.items()
    }


def without(body: dict[str, Any]) -> dict[str, Any]:
    """What does not tell how the document came to be."""
    return {name: value for name, value in body.items() if name != "revision"}


@settings(max_examples=60)
@given(
    telemetry(),
    st.data(),
    st.sampled_from((0, SECOND // 2, 3 * SECOND)),
    st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=3),
    st.randoms(use_true_random=False),
)
def test_order_batches_repetition_lateness_and_restarts_change_nothing_for_any_kind_of_edge(
    spans: list[Span], data: st.DataObject, delay: int, kills: list[tuple[int, bool]], chance: random.Random
) -> None:
    again = data.draw(st.lists(st.sampled_from(spans), max_size=5))
    batches = arrival(spans, again, chance, delay)
    store, series = MemoryStore(), KeepingTopic()
    committed = dict.fromkeys(range(PARTITIONS), 0)
    for kill_at, after in [*kills, (-1, False)]:
        log = [event for event in events(batches) if event.message.offset >= committed[event.message.partition]]
        store.kill_at, store.after, store.writes = kill_at, after, 0
        with contextlib.suppress(KilledError):
            asyncio.run(
                run(Worker(store, HASTY, series=series), log, {number for number in range(len(log)) if chance.random() < 0.5})
            )
        for event in log:
            if event.acked:
                partition = event.message.partition
                committed[partition] = max(committed[partition], event.message.offset + 1)
    assert stored(store) == expected(spans)
    reported = latest([document.body for (kind, _), document in store.documents.items() if kind is Kind.TRACE])
    assert {body["id"]: without(body) for body in reported} == trace_bodies(spans)
    assert committed == {partition: number_of(batches, partition) for partition in range(PARTITIONS)}
    assert counted_by_id(series) == counted_as_stored(store)


def counted_by_id(series: KeepingTopic) -> dict[tuple[Series, int], float]:
    """What stage 4 adds up of the edges that were sent: each document once, however often it came."""
    sent = [
        body for each in series.sent if each.headers[HEADER] == BatchKind.EDGES.encode() for body in decode_bodies(each.value)
    ]
    return counted({body["id"]: body for body in sent}.values())


def counted_as_stored(store: MemoryStore) -> dict[tuple[Series, int], float]:
    """The same of those that are stored."""
    return counted(document.body for (kind, _), document in store.documents.items() if kind is Kind.EDGE)


def counted(bodies: Iterable[Body]) -> dict[tuple[Series, int], float]:
    total: dict[tuple[Series, int], float] = {}
    for point in (point for body in bodies for point in edge_counts(edge_from_body(body))):
        place = point.series, point.time
        total[place] = round(total.get(place, 0.0) + point.value, 9)
    return total


def number_of(batches: list[list[Span]], partition: int) -> int:
    """How many records of a partition the batches make."""
    return sum(event.message.partition == partition for event in events(batches))
