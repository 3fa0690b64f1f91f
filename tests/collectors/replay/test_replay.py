from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest

from collectors.receivers.otlp_http import OtlpHttpConfig, OtlpHttpReceiver
from collectors.replay.batches import RequestBatch
from collectors.replay.client import EndpointError, OtlpClient, RefusedError
from collectors.replay.replay import Replay, ReplaySummary
from telemetry import otlp
from telemetry.errors import InputError, OverloadedError
from telemetry.logs import LogRecord
from telemetry.resource import Resource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from collectors.metrics import CollectorMetrics
    from tests.collectors.conftest import FakeLog

HELLO = otlp.encode_logs([LogRecord(1, "hello", Resource())])
TWO_SPANS = bytes.fromhex("0a2a1228" + "1212" + "0a10" + "01" * 16 + "1212" + "0a10" + "02" * 16)  # without span ids


@asynccontextmanager
async def endpoint(log: FakeLog, metrics: CollectorMetrics) -> AsyncIterator[OtlpClient]:
    receiver = OtlpHttpReceiver(OtlpHttpConfig(port=0), log, metrics)
    await receiver.start()
    try:
        async with httpx2.AsyncClient(trust_env=False) as http:
            yield OtlpClient(f"http://127.0.0.1:{receiver.port}/", http)
    finally:
        await receiver.stop()


class Scripted:
    """A client whose endpoint gives these answers one after the other, the last of them for ever, and never really waits."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self._answers = answers
        self.asked: list[httpx2.Request] = []
        self.naps: list[float] = []
        self.client = OtlpClient(
            "http://collector:4318", httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer)), self._sleep
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _sleep(self, seconds: float) -> None:
        self.naps.append(seconds)


async def test_a_replay_sends_all_and_says_what_it_sent(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with endpoint(log, metrics) as client:
        summary = await Replay(client, concurrency=2).run(
            iter([RequestBatch("logs", HELLO + HELLO, 2), RequestBatch("logs", HELLO, 1)])
        )
    assert (summary.lines, summary.logs, summary.requests, summary.refused, summary.retries) == (3, 3, 2, 0, 0)
    assert sorted(log.records) == [("otlp_logs", HELLO), ("otlp_logs", HELLO + HELLO)]


async def test_an_overloaded_endpoint_is_asked_again_and_the_batch_arrives_once(
    log: FakeLog, metrics: CollectorMetrics
) -> None:
    log.errors.append(OverloadedError("full", 0.001))
    async with endpoint(log, metrics) as client:
        summary = await Replay(client, concurrency=1).run(iter([RequestBatch("logs", HELLO, 1)]))
    assert (summary.logs, summary.retries) == (1, 1)
    assert log.records == [("otlp_logs", HELLO)]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_retry_after_is_honoured(status: int) -> None:
    script = Scripted(httpx2.Response(status, headers={"retry-after": "7"}), httpx2.Response(200))
    assert (await script.client.send("logs", HELLO)).rejected == 0
    assert (script.naps, script.client.retries) == ([7.0], 1)
    assert [str(request.url) for request in script.asked] == ["http://collector:4318/v1/logs"] * 2


async def test_without_retry_after_the_waits_are_bounded_and_so_are_the_tries() -> None:
    script = Scripted(httpx2.Response(200), httpx2.Response(503))
    await script.client.send("logs", HELLO)
    with pytest.raises(EndpointError, match=r"http://collector:4318/v1/logs: answered 503, 8 times; is it running"):
        await script.client.send("logs", HELLO)
    assert (len(script.asked), len(script.naps)) == (9, 7)
    assert max(script.naps) <= 60


async def test_an_endpoint_that_never_answered_is_given_up_on_sooner() -> None:
    script = Scripted(httpx2.ConnectError("no route"))
    with pytest.raises(EndpointError, match=r"http://collector:4318/v1/logs: no route, 3 times; is it running"):
        await script.client.send("logs", HELLO)
    assert max(script.naps) <= 2


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
async def test_other_errors_are_not_tried_again(status: int) -> None:
    script = Scripted(httpx2.Response(status, content=b"\x12\x04nope"))
    with pytest.raises(RefusedError, match=f"answered {status}: nope"):
        await script.client.send("logs", HELLO)
    assert (len(script.asked), script.naps) == (1, [])


async def test_an_endpoint_that_is_no_otlp_receiver_is_an_error() -> None:
    script = Scripted(httpx2.Response(200, content=b"<html>welcome</html>"))
    with pytest.raises(EndpointError, match="not as OTLP does; is the address right"):
        await script.client.send("logs", HELLO)


async def test_what_the_endpoint_refuses_ends_the_replay(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with endpoint(log, metrics) as client:
        with pytest.raises(RefusedError, match=r"answered 400: resource_spans\[0\]"):
            await Replay(client, concurrency=1).run(iter([RequestBatch("spans", TWO_SPANS, 1)]))


async def test_what_the_endpoint_refuses_is_counted_when_somebody_is_told(log: FakeLog, metrics: CollectorMetrics) -> None:
    reported: list[EndpointError] = []
    async with endpoint(log, metrics) as client:
        replay = Replay(client, 1, reported.append)
        summary = await replay.run(iter([RequestBatch("spans", TWO_SPANS, 1), RequestBatch("logs", HELLO, 1)]))
    assert (summary.spans, summary.refused, summary.logs) == (0, 2, 1)
    assert "the endpoint refused 2 of 2 spans" in str(reported[0])


async def test_no_more_requests_are_under_way_than_allowed(log: FakeLog, metrics: CollectorMetrics) -> None:
    log.let_go.clear()
    async with endpoint(log, metrics) as client:
        replaying = asyncio.create_task(Replay(client, concurrency=3).run(iter([RequestBatch("logs", HELLO, 1)] * 5)))
        for _ in range(3):
            await log.arrivals.get()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await log.arrivals.get()
        log.let_go.set()
        assert (await replaying).requests == 5


def failing_after(batch: RequestBatch) -> Iterator[RequestBatch]:
    yield batch
    raise InputError("telemetry.jsonl:2: not JSON")


async def test_an_error_of_the_file_comes_out_as_it_is(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with endpoint(log, metrics) as client:
        with pytest.raises(InputError, match=r"telemetry\.jsonl:2"):
            await Replay(client, concurrency=1).run(failing_after(RequestBatch("logs", HELLO, 1)))


async def test_batches_are_sent_when_they_are_due(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with endpoint(log, metrics) as client:
        batches = [RequestBatch("logs", HELLO, 1, due) for due in (0.0, 0.05, 0.15)]
        summary: ReplaySummary = await Replay(client, concurrency=1).run(iter(batches))
    assert 0.15 <= summary.seconds < 5
