"""What waits for its turn at being decoded is small, and what was refused leaves nothing behind."""

from __future__ import annotations

import asyncio
import gzip
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors import admission, decoding
from collectors.admission import Intake
from collectors.compression import Compression, SizeLimit
from collectors.ingest import MAX_QUEUED, Ingest, IngestConfig
from telemetry import otlp
from telemetry.errors import DecodeError, OverloadedError
from tests.generated import traces

if TYPE_CHECKING:
    from collectors.metrics import CollectorMetrics
    from tests.collectors.conftest import FakeLog

LIMIT = 8 * 2**20


class Built:
    """Stands for what is built of a request."""

    def __init__(self, message: Any = None) -> None:
        self._message = message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._message, name)


def a_request(spans: int) -> bytes:
    return otlp.encode_spans([span for trace in traces(spans // 12 + 1) for span in trace])


async def taking(ingest: Ingest, intake: Intake, *bodies: bytes, packed: bool = False) -> list[asyncio.Task[Any]]:
    """Requests on their way, each as far as it comes without waiting."""
    sender = ingest.senders.of_request("127.0.0.1", {}, None)
    compression: Compression = "gzip" if packed else "identity"
    limit = SizeLimit(LIMIT, "a setting")
    tasks = [asyncio.create_task(intake.admit("spans", body, sender, compression=compression, limit=limit)) for body in bodies]
    await asyncio.sleep(0)
    return tasks


async def test_a_refusal_keeps_nothing_of_what_was_built_of_the_request(metrics: CollectorMetrics) -> None:
    ingest = Ingest(IngestConfig(), metrics)
    built: list[weakref.ref[Built]] = []

    def keep() -> Built:
        made = Built()
        built.append(weakref.ref(made))
        return made

    def inside(_given: Built) -> None:
        _own = keep()
        raise ValueError("what a parser says")

    def work() -> None:
        own = keep()
        try:
            inside(keep())
        except ValueError as error:
            _also = own
            raise DecodeError("", "no such request") from error

    async with ingest.turn():
        with pytest.raises(DecodeError, match="no such request") as refusal:
            await ingest.off_loop(work)
    assert (len(built), [made() for made in built], refusal.type) == (3, [None] * 3, DecodeError)
    ingest.close()


async def test_large_requests_wait_compressed_and_are_all_accepted(log: FakeLog, metrics: CollectorMetrics) -> None:
    ingest = Ingest(IngestConfig(), metrics)
    intake = Intake("http", log, metrics, ingest)
    plain = a_request(10_000)
    packed = gzip.compress(plain)
    async with ingest.turn():
        waiting = await taking(ingest, intake, *[packed] * 20, packed=True)
        assert ingest.budget.requests == 20
        assert ingest.budget.in_flight_bytes <= 20 * (len(packed) + 256 * 1024)
        assert len(plain) > 10 * 256 * 1024
    outcomes = await asyncio.gather(*waiting)
    assert [outcome.rejected for outcome in outcomes] == [0] * 20
    assert sum(len(otlp.decode_spans(value)) for _, value in log.records) >= 200_000
    assert ingest.budget.in_flight_bytes == 0
    ingest.close()


async def test_a_small_request_of_many_items_waits_as_it_came(
    log: FakeLog, metrics: CollectorMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[weakref.ref[Built]] = []

    def parse(*arguments: Any, **others: Any) -> Any:
        made = Built(decoding.parse(*arguments, **others))
        built.append(weakref.ref(made))
        return made

    monkeypatch.setattr(admission, "parse", parse)
    ingest = Ingest(IngestConfig(), metrics)
    intake = Intake("http", log, metrics, ingest)
    span = {"trace_id": bytes([1] * 16), "span_id": bytes([2] * 8)}
    body = ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": [span] * 5000}]}]).SerializeToString()
    async with ingest.turn():
        waiting = await taking(ingest, intake, *[body] * 3)
        assert (len(built), [made() for made in built]) == (3, [None] * 3)
        assert ingest.budget.in_flight_bytes == 3 * len(body)
    await asyncio.gather(*waiting)
    assert [value for _, value in log.records] == [body] * 3
    ingest.close()


async def test_more_than_may_wait_are_refused_with_a_hint(log: FakeLog, metrics: CollectorMetrics) -> None:
    ingest = Ingest(IngestConfig(), metrics)
    intake = Intake("http", log, metrics, ingest)
    body = a_request(2000)
    async with ingest.turn():
        waiting = await taking(ingest, intake, *[body] * (MAX_QUEUED - 1))
        with pytest.raises(OverloadedError, match=f"waiting to be decoded: {MAX_QUEUED} at a time is the limit") as refusal:
            await (await taking(ingest, intake, body))[0]
        assert refusal.value.retry_after == 1
    assert [outcome.rejected for outcome in await asyncio.gather(*waiting)] == [0] * (MAX_QUEUED - 1)
    ingest.close()


async def test_one_that_gives_up_waiting_leaves_the_turn_to_the_next(log: FakeLog, metrics: CollectorMetrics) -> None:
    ingest = Ingest(IngestConfig(), metrics)
    intake = Intake("http", log, metrics, ingest)
    body = a_request(2000)
    async with ingest.turn():
        first, second = await taking(ingest, intake, body, body)
        first.cancel()
        await asyncio.wait([first])
        assert ingest.budget.requests == 1
    assert (await second).rejected == 0
    ingest.close()
