"""Whatever a signal holds, its documents reach a real store or are rejected one by one: no value ends a process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from pipeline.delivery.document_writer import DocumentWriter
from pipeline.exchange.codec import BatchKind
from pipeline.exchange.inner_records import received
from pipeline.incoming import RekeyCounts, read
from pipeline.rekey import log_documents, rekey_logs, rekey_metrics, rekey_spans
from processors.assembly.assembler import AssemblyLimits, TraceAssembler, unpack
from processors.assembly.reconcile import publish_trace
from processors.kernels.choose import choose
from stores.duckdb.store import DuckDbStore
from telemetry import otlp
from telemetry.documents.signals import metric_document
from telemetry.metrics import Buckets, DataPoint, Metric, MetricType
from telemetry.resource import Resource
from tests.pipeline.parts import Event, KeepingTopic
from tests.pipeline.test_odd_telemetry import SECOND, START, after_rekey, logs, metrics, now, spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from stores.store import Rejected
    from telemetry.documents import Document, Kind

ODD = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

NUMBERS = [2**53 + 1, 2**63 - 1, -(2**63), 9223372036854771712, 0, -1, 1e308, -0.0, float("nan"), float("inf"), float("-inf")]


class Aside:
    """Keeps what the store rejects."""

    def __init__(self) -> None:
        self.rejected: list[Rejected] = []

    def count(self, kind: Kind, *, refused: bool) -> None:
        pass

    def objection(self, _: Sequence[Rejected]) -> str:
        return ""

    async def reject(self, rejected: Sequence[Rejected]) -> None:
        self.rejected += rejected


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "odd.duckdb"


def stored(file: Path, documents: Sequence[Document]) -> list[Rejected]:
    """Write as the pipeline does; gives what was rejected. What is not must be found again."""

    async def run() -> list[Rejected]:
        store, aside = DuckDbStore(file), Aside()
        try:
            writer = DocumentWriter(store, aside)
            await writer.write(documents)
            counts = writer.counts
            assert counts.created + counts.existing + counts.rejected == len(documents)
        finally:
            await store.close()
        return aside.rejected

    return asyncio.run(run())


def read_between_stages(topic: KeepingTopic) -> Iterator[tuple[BatchKind, Any]]:
    """What a stage wrote for the next can be read by it."""
    for number, sent in enumerate(topic.sent):
        event = Event("inner", 0, number, sent.value)
        event.headers = sent.headers
        yield received(event, frozenset(BatchKind))


@ODD
@given(metrics())
def test_metrics(file: Path, value: bytes) -> None:
    _, traced, series = after_rekey(lambda traced, series, a: rekey_metrics(traced, series, a, a, RekeyCounts(), now), value)
    all_read = [*read_between_stages(traced), *read_between_stages(series)]
    assert len(all_read) == len(traced.sent) + len(series.sent)
    batch, _ = read("metrics", value, otlp.decode_metrics, RekeyCounts())
    stored(file, [metric_document(metric, point) for metric in batch for point in metric.points])


@ODD
@given(logs())
def test_logs(file: Path, value: bytes) -> None:
    _, traced, series = after_rekey(lambda traced, series, a: rekey_logs(traced, series, a, a, RekeyCounts(), now), value)
    all_read = [*read_between_stages(traced), *read_between_stages(series)]
    assert len(all_read) == len(traced.sent) + len(series.sent)
    stored(file, list(log_documents(otlp.decode_logs(value), 1)))


@ODD
@given(spans())
def test_spans_their_traces_hops_and_edges(file: Path, value: bytes) -> None:
    _, traced, _ = after_rekey(lambda traced, *_: rekey_spans(traced, RekeyCounts(), now, choose("auto")), value)
    for sent in traced.sent:
        assembler = TraceAssembler(AssemblyLimits(SECOND, SECOND, 10, 10))
        assembler.add(0, 0, otlp.SpanPacker().pack(sent.value))
        closed = assembler.close_all()
        unpack(closed, choose("auto"))
        for trace in closed:
            publication = publish_trace(trace)
            stored(file, [*publication.parts(0, lambda time: time - time % 5), *publication.trace()])


@pytest.mark.parametrize("number", NUMBERS, ids=str)
@pytest.mark.parametrize("of", ["value", "count", "buckets", "attribute"])
def test_one_odd_number_costs_at_most_its_own_document(file: Path, number: float, of: str) -> None:
    whole = int(number) & (2**64 - 1) if number == number and abs(number) < 2**64 else 2**64 - 1  # noqa: PLR0124 - NaN
    odd = {
        "value": DataPoint(START, value=number),
        "count": DataPoint(START, count=whole, total=float(number)),
        "buckets": DataPoint(START, count=whole, buckets=Buckets((1.0,), (whole, whole))),
        "attribute": DataPoint(START, value=1.0, attributes={"odd": number}),
    }[of]
    resource = Resource({"service.name": f"{of} {number}"})
    points = (odd, DataPoint(START + 1, value=1.0), DataPoint(START + 2, value=2))
    metric = Metric("odd", MetricType.GAUGE, points, resource)
    rejected = stored(file, [metric_document(metric, point) for point in points])
    assert {item.document.time for item in rejected} <= {START}
