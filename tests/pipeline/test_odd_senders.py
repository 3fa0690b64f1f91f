"""A flood of senders whose service is no text, beside honest ones: the real writer, dead letters and store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from collectors.decoding import parse, prepare
from pipeline.dead_letters.limits import DeadLetters
from pipeline.delivery.document_writer import DocumentWriter
from pipeline.rekey import log_documents
from stores.duckdb.store import DuckDbStore
from stores.layout import SERVICE
from stores.store import Equals, Query
from telemetry import otlp
from telemetry.documents import Document, Kind
from telemetry.documents.signals import metric_document, span_document
from tests.attack.telemetry import gauge, logs, spans
from tests.pipeline.parts import KeepingTopic

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.otlp.request import Signal

EACH = 300
"""Requests of one record: three times what the dead letters admit in a row."""


def named(signal: Signal, service: Any) -> bytes:
    """A request of one record of a service, whatever type that has."""
    resource = {"service.name": service}
    match signal:
        case "spans":
            return spans("x", resource=resource)
        case "logs":
            return logs("x", resource=resource)
        case _:
            return gauge("x", {"queue": 1.5}, resource=resource)


def documents(signal: Signal, body: bytes) -> list[Document]:
    """Of a request, as the collector accepts it and the pipeline stores it."""
    prepared = prepare(
        signal,
        parse(signal, body, encoding="protobuf", max_elements=10**6),
        encoding="protobuf",
        max_items=10**5,
        max_record_bytes=900_000,
    )
    assert (prepared.items, prepared.outcome.rejected) == (1, 0)
    match signal:
        case "spans":
            return [span_document(span) for span in otlp.decode_spans(body)]
        case "logs":
            return list(log_documents(otlp.decode_logs(body), 1))
        case _:
            return [metric_document(metric, point) for metric in otlp.decode_metrics(body) for point in metric.points]


@pytest.mark.parametrize("signal", ["spans", "logs", "metrics"])
async def test_a_flood_of_services_that_are_no_text_costs_nobody_a_document(tmp_path: Path, signal: Signal) -> None:
    store, topic = DuckDbStore(tmp_path / "store.duckdb"), KeepingTopic()
    writer = DocumentWriter(store, DeadLetters(topic))
    odd: list[Any] = [5, -1.5, True, b"\xff", {"a": {"b": 1}}, ["a", 1]]
    honest, flood = [], []
    for number in range(3):
        honest.append(writer.write(documents(signal, named(signal, "honest"))))
        flood += [writer.write(documents(signal, named(signal, odd[i % len(odd)]))) for i in range(number, EACH)]
    beside = [
        writer.write([Document(Kind.AUDIT, "a1", 1, {"chain": "c", "sequence": 1, "incident": "", "event": "e"})]),
        writer.write([Document(Kind.METRIC, "m1", 1, {"name": "x", "value": 1.0})]),
    ]
    await asyncio.gather(*honest, *beside, *flood)
    kind = Kind(signal.removesuffix("s"))
    assert await store.count(Query(kind, [Equals(SERVICE, "honest")])) == len(honest)
    for text in ("5", "-1.5", "true", "ff", '{"a": {"b": 1}}', '["a", 1]'):
        assert await store.count(Query(kind, [Equals(SERVICE, text)])) > EACH // len(odd)
    assert (topic.sent, writer.counts.rejected, writer.refused_waiting) == ([], 0, {})
    await writer.close()
    await store.close()


async def test_documents_that_no_store_accepts_cost_none_of_another(tmp_path: Path) -> None:
    store, topic = DuckDbStore(tmp_path / "store.duckdb"), KeepingTopic()
    writer = DocumentWriter(store, DeadLetters(topic))
    bad = [writer.write([Document(Kind.LOG, f"bad {i}", i, {"attributes": {"n": 2**70}})]) for i in range(3 * EACH)]
    good = [writer.write([Document(kind, "good", 1, {})]) for kind in Kind]
    await asyncio.gather(*good, *bad)
    assert len(topic.sent) == len(bad)
    assert await store.count(Query(Kind.LOG)) == 1
    await writer.close()
    await store.close()
