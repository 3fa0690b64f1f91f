"""Who may send, and how much: over both transports alike."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import httpx2
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from collectors.errors import ThrottledError
from collectors.ingest import Ingest, IngestConfig
from collectors.receivers.otlp_grpc import OtlpGrpcConfig, OtlpGrpcReceiver
from collectors.receivers.otlp_http import OtlpHttpConfig, OtlpHttpReceiver
from collectors.senders import SenderLimits, Senders
from components.access.roles import Role
from components.access.tokens import TokenConfig, new_token, token_hash
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from prometheus_client import CollectorRegistry

    from collectors.metrics import CollectorMetrics
    from tests.collectors.conftest import FakeLog

SHOP, VIEWER = new_token(), new_token()
TOKENS = (
    TokenConfig(name="shop", role=Role.INGEST, hash=token_hash(SHOP)),
    TokenConfig(name="ann", role=Role.VIEWER, hash=token_hash(VIEWER)),
)


def request(spans: int = 1) -> ExportTraceServiceRequest:
    span = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "name": "a"}
    return ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": [span] * spans}]}])


class Ports:
    """Both receivers; `send` gives the code and the words of each, which are to be the same."""

    def __init__(self, http: OtlpHttpReceiver, grpc: OtlpGrpcReceiver) -> None:
        self.http, self.grpc = http, grpc

    async def send_over_http(self, token: str | None, spans: int = 1) -> httpx2.Response:
        headers = {"content-type": "application/x-protobuf"} | ({"authorization": f"Bearer {token}"} if token else {})
        async with httpx2.AsyncClient(trust_env=False) as client:
            url = f"http://127.0.0.1:{self.http.port}/v1/traces"
            return await client.post(url, content=request(spans).SerializeToString(), headers=headers)

    async def send_over_grpc(self, token: str | None, spans: int = 1) -> grpc.aio.AioRpcError | None:
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.grpc.port}") as channel:
            try:
                await TraceServiceStub(channel).Export(request(spans), metadata=metadata)
            except grpc.aio.AioRpcError as error:
                return error
        return None


@asynccontextmanager
async def receiving(log: FakeLog, metrics: CollectorMetrics, **config: Any) -> AsyncIterator[Ports]:
    ingest = Ingest(IngestConfig(**config), metrics, TOKENS)
    ports = Ports(
        OtlpHttpReceiver(OtlpHttpConfig(port=0), log, metrics, ingest),
        OtlpGrpcReceiver(OtlpGrpcConfig(port=0), log, metrics, ingest),
    )
    try:
        await ports.http.start()
        await ports.grpc.start()
        yield ports
    finally:
        await ports.http.stop()
        await ports.grpc.stop()


async def test_where_a_token_is_required_only_one_that_may_send_is_accepted(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    async with receiving(log, metrics, require_token=True) as ports:
        for token, http_status, code in (
            (None, 401, grpc.StatusCode.UNAUTHENTICATED),
            (new_token(), 401, grpc.StatusCode.UNAUTHENTICATED),
            ("nonsense", 401, grpc.StatusCode.UNAUTHENTICATED),
            (VIEWER, 403, grpc.StatusCode.PERMISSION_DENIED),
        ):
            answer = await ports.send_over_http(token)
            assert answer.status_code == http_status
            assert (answer.headers.get("www-authenticate") == "Bearer") == (http_status == 401)
            error = await ports.send_over_grpc(token)
            assert error is not None
            assert error.code() is code
            for text in (answer.text, str(error.details())):
                assert SHOP not in text
                assert token is None or token not in text
        assert (await ports.send_over_http(SHOP)).status_code == 200
        assert await ports.send_over_grpc(SHOP) is None
    assert log.senders == ["token:shop", "token:shop"]
    for transport in ("http", "grpc"):
        labels = {"signal": "spans", "transport": transport, "reason": "unauthenticated"}
        assert registry.get_sample_value("spanloom_collector_refused_requests_total", labels) == 3


async def test_where_none_is_required_a_wrong_one_is_still_refused(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(log, metrics) as ports:
        assert (await ports.send_over_http(None)).status_code == 200
        assert (await ports.send_over_http(new_token())).status_code == 401
        assert (await ports.send_over_http(SHOP)).status_code == 200
    assert log.senders == ["loopback", "token:shop"]


async def test_a_token_over_its_rate_is_asked_to_wait_and_counted_and_others_are_not(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    limits = {"shop": {"requests_per_second": 0.001}}  # one at first, and the next in a quarter of an hour
    async with receiving(log, metrics, limits_by_token=limits) as ports:
        assert (await ports.send_over_http(SHOP)).status_code == 200
        answer = await ports.send_over_http(SHOP)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        error = await ports.send_over_grpc(SHOP)
        assert error is not None
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
        info = RetryInfo()
        assert Status.FromString(details).details[0].Unpack(info)
        assert info.retry_delay.seconds > 0
        assert (await ports.send_over_http(None)).status_code == 200
    labels = {"token": "shop", "limit": "requests"}
    assert registry.get_sample_value("spanloom_collector_throttled_requests_total", labels) == 2


async def test_a_request_of_more_items_than_its_token_may_send_is_refused_for_good(
    log: FakeLog, metrics: CollectorMetrics
) -> None:
    async with receiving(log, metrics, token_limits={"max_items": 10}) as ports:
        answer = await ports.send_over_http(SHOP, spans=11)
        assert (answer.status_code, "11 spans, 10 is the limit" in answer.text) == (400, True)
        error = await ports.send_over_grpc(SHOP, spans=11)
        assert error is not None
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await ports.send_over_http(SHOP, spans=10)).status_code == 200
        assert (await ports.send_over_http(None, spans=11)).status_code == 200


def test_the_bytes_of_a_request_are_what_the_next_one_waits_for(metrics: CollectorMetrics) -> None:
    time = 0.0
    limits = {"shop": SenderLimits(bytes_per_second=1000)}
    senders = Senders(TOKENS, SenderLimits(), limits, metrics.throttled_requests, now=lambda: time)
    sender = senders.of_request("127.0.0.1", {"authorization": f"Bearer {SHOP}"}, None)
    sender.begin()
    sender.spend(10_000)  # five seconds' worth were there, and five are owed
    with pytest.raises(ThrottledError, match=r"token:shop may send 1000 bytes a second; wait 5.0 s"):
        sender.begin()
    time = 5.1
    sender.begin()


def test_a_configuration_that_nobody_could_send_under_is_refused(metrics: CollectorMetrics) -> None:
    with pytest.raises(ConfigError, match="spanloom token new --role ingest"):
        Ingest(IngestConfig(require_token=True), metrics, TOKENS[1:])
    with pytest.raises(ConfigError, match=r"ingest\.limits_by_token: ann: no token of this name"):
        Ingest(IngestConfig(limits_by_token={"ann": SenderLimits(max_items=1)}), metrics, TOKENS)
