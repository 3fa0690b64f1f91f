"""What every receiver does alike: a request is answered when it is on the log, and refused so that the client knows why."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from collectors.errors import LogUnavailableError
from collectors.ingest import Ingest, IngestConfig
from collectors.receiver import ReceiverContext
from components.sockets.acceptor import ListenError
from spanloom.components import RECEIVERS
from telemetry.errors import ConfigError, OverloadedError
from tests.collectors.conftest import FakeLog, log, metrics, registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from collectors.metrics import CollectorMetrics
    from collectors.receiver import Receiver

__all__ = ["log", "metrics", "registry"]

stub: Any = TraceServiceStub
OK, LATER, NEVER = "accepted", "try again later", "sending it again will not help"


def spans(text: str = "") -> bytes:
    good = {"trace_id": bytes([1] * 16), "span_id": bytes([2] * 8), "name": text}
    grouped: Any = [{"scope_spans": [{"spans": [good]}]}]
    encoded: bytes = ExportTraceServiceRequest(resource_spans=grouped).SerializeToString()
    return encoded


async def over_grpc(port: int, body: bytes) -> str:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            await stub(channel).Export(ExportTraceServiceRequest.FromString(body))
        except grpc.aio.AioRpcError as error:
            detail = any(key == "google.rpc.retryinfo-bin" for key, _ in error.trailing_metadata() or ())
            return LATER if error.code() is grpc.StatusCode.UNAVAILABLE or detail else NEVER
    return OK


async def over_http(port: int, body: bytes) -> str:
    async with httpx2.AsyncClient() as client:
        headers = {"content-type": "application/x-protobuf"}
        answer = await client.post(f"http://127.0.0.1:{port}/v1/traces", content=body, headers=headers)
    return OK if answer.is_success else LATER if "retry-after" in answer.headers else NEVER


CASES: dict[str, Callable[[int, bytes], Awaitable[str]]] = {"otlp_grpc": over_grpc, "otlp_http": over_http}
"""Sends spans, given as an OTLP request, to a port in the way that the receiver understands, and says how that ended."""


@pytest.fixture(params=[one.name for one in RECEIVERS])
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def made(name: str, log: FakeLog, metrics: CollectorMetrics, **settings: Any) -> Receiver:
    (component,) = (one for one in RECEIVERS if one.name == name)
    config = component.config.model_validate({**component.example, "port": 0, **settings})
    return component.build(config, ReceiverContext(log, metrics, Ingest(IngestConfig(), metrics)))


@asynccontextmanager
async def receiving(name: str, log: FakeLog, metrics: CollectorMetrics, **settings: Any) -> AsyncIterator[int]:
    receiver = made(name, log, metrics, **settings)
    await receiver.start()
    try:
        yield receiver.port
    finally:
        await receiver.stop()


def test_every_receiver_has_a_case() -> None:
    assert CASES.keys() == {one.name for one in RECEIVERS}


async def test_what_is_accepted_is_on_the_log_with_its_sender(name: str, log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(name, log, metrics) as port:
        assert await CASES[name](port, spans()) == OK
    assert [topic for topic, _ in log.records] == ["otlp_spans"]
    assert log.senders != [""]


@pytest.mark.parametrize("error", [LogUnavailableError("no log", 1), OverloadedError("full", 1)], ids=["no log", "full"])
async def test_what_the_log_does_not_take_is_refused_for_now(
    name: str, error: Exception, log: FakeLog, metrics: CollectorMetrics
) -> None:
    log.errors.append(error)
    async with receiving(name, log, metrics) as port:
        assert await CASES[name](port, spans()) == LATER
        assert await CASES[name](port, spans()) == OK


async def test_a_request_larger_than_it_may_be_is_refused_for_good(name: str, log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(name, log, metrics, max_request_bytes=1000) as port:
        assert await CASES[name](port, spans("x" * 2000)) == NEVER
        assert await CASES[name](port, spans()) == OK
    assert len(log.records) == 1


async def test_a_port_that_another_has_is_a_refusal_to_start_and_costs_nothing(
    name: str, log: FakeLog, metrics: CollectorMetrics
) -> None:
    async with receiving(name, log, metrics) as port:
        second = made(name, log, metrics, port=port)
        with pytest.raises(ListenError, match=str(port)):
            await second.start()
        await second.stop()
        assert await CASES[name](port, spans()) == OK


async def test_a_certificate_that_is_not_there_is_a_refusal_to_start(
    name: str, log: FakeLog, metrics: CollectorMetrics
) -> None:
    receiver = made(name, log, metrics, tls={"certificate": "/nowhere.pem", "key": "/nowhere.key"})
    with pytest.raises(ConfigError, match=r"/nowhere\.pem"):
        await receiver.start()
    await receiver.stop()
