"""What is bounded in number is bounded in bytes too: a name may be sixteen thousand characters, and a trace a megabyte."""

from __future__ import annotations

import asyncio

from alerting.rules.samples import LEAST_SHARE, Limits, Samples
from pipeline.delivery.offset_tracker import DOCUMENT_BYTES, RECORD_BYTES, OffsetTracker
from processors.call_graph.visits import Visit
from processors.detectors.series import SeriesDetector
from processors.root_cause.metrics import MetricMemory
from processors.root_cause.trace_memory import TraceMemory
from processors.series.cumulative import MAX_LABELS, OVERFLOW, Counters, Histograms
from processors.series.span_metrics import SpanMetrics
from telemetry.metrics import Point, Series
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind
from tests.pipeline.parts import APP, Event

SECOND = 1_000_000_000


def long_series(number: int, length: int = 1000) -> Series:
    return Series("load", (("name", f"{number:06d}".rjust(length, "x")),))


def test_scored_series_are_forgotten_when_their_names_take_too_much() -> None:
    scorer = SeriesDetector(max_series=1000, max_text=10_500)
    for number in range(100):
        scorer.add([Point(long_series(number), SECOND, 1.0)])
    assert len(scorer) == 10
    assert scorer.evicted == 90
    restored = SeriesDetector(max_series=1000, max_text=10_500)
    restored.restore(scorer.snapshot())
    restored.add([Point(long_series(number), 2 * SECOND, 1.0) for number in range(200, 220)])
    assert len(restored) == 10


def test_remembered_metrics_are_forgotten_when_their_names_take_too_much() -> None:
    memory = MetricMemory(max_text=10_500)
    for number in range(100):
        memory.add(Point(long_series(number), SECOND, 1.0))
    assert memory.evicted == 90


def test_samples_of_names_beyond_the_room_are_refused_and_counted_until_others_are_forgotten() -> None:
    samples = Samples(Limits(text=10_500))
    samples.add([Point(long_series(number), SECOND, 1.0) for number in range(100)])
    assert (len(samples), samples.counts.too_many_series) == (10, 90)
    samples.evict(2 * SECOND)
    samples.add([Point(long_series(1000), 3 * SECOND, 1.0)])
    assert len(samples) == 1


def test_many_series_share_the_room_for_samples() -> None:
    samples = Samples(Limits(samples=1000, samples_per_series=500))
    for time in range(1, 501):
        samples.add([Point(Series("one"), time * SECOND, 1.0)])
    assert samples.counts.evicted == 0
    for time in range(501, 1001):
        samples.add([Point(Series(f"s{number}"), time * SECOND, 1.0) for number in range(10)])
    held = samples.counts.added - samples.counts.evicted
    assert held <= 10 * max(LEAST_SHARE, 100) + 500


def test_the_oldest_remembered_traces_go_when_all_take_too_much() -> None:
    memory = TraceMemory(SECOND, max_memory=100_000)
    for number in range(50):
        spans = tuple(f"{number}-{i}".encode() for i in range(200))
        visit = Visit("shop", "buy", "", -1, number * SECOND, 1, 1, -1, frozenset(), spans)
        memory.add(number.to_bytes(16, "big"), number * SECOND, [visit])
    assert memory.memory <= 100_000
    kept = [start // SECOND for start, _ in memory.buckets()]
    assert kept == list(range(50 - len(kept), 50))
    assert memory.dropped == 50 - len(kept) > 0


async def test_documents_that_wait_for_the_store_fill_the_room_of_a_stage() -> None:
    offsets = OffsetTracker(APP, 1000, max_bytes=3 * RECORD_BYTES + 10 * DOCUMENT_BYTES)
    stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    first, second = (Event("otlp_metrics", 0, offset, b"tiny") for offset in range(2))
    await offsets.done(first, [stored], documents=9)
    assert not offsets.full
    waiting = asyncio.create_task(offsets.done(second, [stored], documents=9))
    await asyncio.sleep(0)
    assert offsets.full
    stored.set_result(None)
    await waiting
    await second.acknowledged.wait()
    assert offsets.in_flight_bytes == 0


def test_counters_of_names_that_are_too_long_are_counted_in_the_overflow() -> None:
    counters = Counters(0, 100)
    counters.add((("service", "a"),))
    counters.add((("service", "x" * (MAX_LABELS + 1)),))
    assert [dict(point.attributes) for point in counters.points(1)] == [dict(OVERFLOW), {"service": "a"}]
    histograms = Histograms(0, 100, (1.0,))
    histograms.record((("service", "x" * (MAX_LABELS + 1)),), 1.0)
    assert OVERFLOW in histograms
    metrics = SpanMetrics(0)
    metrics.add([Span(b"t" * 16, b"s" * 8, b"", "x" * (MAX_LABELS + 1), SpanKind.SERVER, 1, 2, Resource())])
    assert metrics.overflow == 1
