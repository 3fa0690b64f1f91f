from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
import trustme
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from collectors.errors import LogUnavailableError
from collectors.receivers.otlp_grpc import OtlpGrpcConfig, OtlpGrpcReceiver
from components.tls import TlsConfig
from telemetry.errors import ConfigError, OverloadedError, SpanloomError
from tests.pipeline.wire import message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from collectors.metrics import CollectorMetrics
    from tests.collectors.conftest import FakeLog

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def a_request(*spans: dict[str, Any]) -> Any:
    good = {"trace_id": bytes([1] * 16), "span_id": bytes([2] * 8)}
    return ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": [good | span for span in spans or ({},)]}]}])


@asynccontextmanager
async def receiving(log: FakeLog, metrics: CollectorMetrics, **config: Any) -> AsyncIterator[Any]:
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0, **config), log, metrics)
    await receiver.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.port}") as channel:
            yield channel
    finally:
        await receiver.stop()


def refused(registry: CollectorRegistry, reason: str) -> float | None:
    return registry.get_sample_value(
        "spanloom_collector_refused_requests_total", {"signal": "spans", "transport": "grpc", "reason": reason}
    )


async def test_each_signal_goes_to_its_topic(log: FakeLog, metrics: CollectorMetrics) -> None:
    logs = ExportLogsServiceRequest(resource_logs=[{"scope_logs": [{"log_records": [{"event_name": "a"}]}]}])
    points = ExportMetricsServiceRequest(
        resource_metrics=[{"scope_metrics": [{"metrics": [{"gauge": {"data_points": [{"as_int": 1}]}}]}]}]
    )
    async with receiving(log, metrics) as channel:
        await TraceServiceStub(channel).Export(a_request())
        await LogsServiceStub(channel).Export(logs)
        await MetricsServiceStub(channel).Export(points)
    assert log.records == [
        ("otlp_spans", a_request().SerializeToString()),
        ("otlp_logs", logs.SerializeToString()),
        ("otlp_metrics", points.SerializeToString()),
    ]


async def test_the_valid_spans_of_a_batch_are_shipped_and_the_invalid_ones_named(
    log: FakeLog, metrics: CollectorMetrics
) -> None:
    async with receiving(log, metrics) as channel:
        answer = await TraceServiceStub(channel).Export(a_request({"name": "good"}, {"span_id": b""}))
    assert answer.partial_success.rejected_spans == 1
    assert "spans[1].span_id: must be an id of 8 bytes" in answer.partial_success.error_message
    assert log.records == [("otlp_spans", a_request({"name": "good"}).SerializeToString())]


async def test_malformed_protobuf_is_an_invalid_argument(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    async with receiving(log, metrics) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(EXPORT)(b"nonsense")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith("not a protobuf ExportTraceServiceRequest")
    assert refused(registry, "malformed") == 1


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (OverloadedError("full", 1.5), grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded"),
        (LogUnavailableError("gone", 1.5), grpc.StatusCode.UNAVAILABLE, "unavailable"),
    ],
)
async def test_what_the_log_does_not_take_is_to_be_sent_again(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry, error: Exception, code: grpc.StatusCode, reason: str
) -> None:
    log.errors.append(error)
    async with receiving(log, metrics) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await TraceServiceStub(channel).Export(a_request())
    assert caught.value.code() is code
    trailers = dict(caught.value.trailing_metadata())
    info = RetryInfo()
    assert Status.FromString(trailers["grpc-status-details-bin"]).details[0].Unpack(info)
    assert (info.retry_delay.seconds, info.retry_delay.nanos) == (1, 500_000_000)
    assert RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"]) == info
    assert refused(registry, reason) == 1


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
@pytest.mark.parametrize(("size", "is_named"), [(1001, True), (10_000_000, False)])
async def test_a_request_over_the_limit_is_refused_for_good_and_the_next_served(
    log: FakeLog,
    metrics: CollectorMetrics,
    registry: CollectorRegistry,
    compression: grpc.Compression,
    size: int,
    is_named: bool,  # noqa: FBT001
) -> None:
    async with receiving(log, metrics, max_request_bytes=1000) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(EXPORT)(b"\n" * size, compression=compression)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "google.rpc.retryinfo-bin" not in dict(caught.value.trailing_metadata())
        assert ("limit (otlp_grpc.max_request_bytes)" in (caught.value.details() or "")) == is_named
        assert "larger than max" in (caught.value.details() or "") or is_named, "else gRPC says it"
        assert refused(registry, "too_large") == 1
        await TraceServiceStub(channel).Export(a_request(), compression=compression)
    assert len(log.records) == 1


async def test_a_request_of_six_megabytes_is_accepted(log: FakeLog, metrics: CollectorMetrics) -> None:
    log.max_record_bytes = 10_000_000
    async with receiving(log, metrics) as channel:
        await TraceServiceStub(channel).Export(a_request(*({"name": "x" * 100_000} for _ in range(60))))
    ((_, value),) = log.records
    assert len(value) > 6_000_000


async def test_a_call_without_a_message_is_refused(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    async with receiving(log, metrics) as channel:
        call = channel.stream_unary(EXPORT)()
        await call.done_writing()
        with pytest.raises(grpc.aio.AioRpcError, match="the call has no message") as caught:
            await call
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused(registry, "malformed") == 1


HEALTH = "/grpc.health.v1.Health"


@pytest.mark.parametrize("service", ["", "opentelemetry.proto.collector.trace.v1.TraceService", "grpc.health.v1.Health"])
async def test_grpcs_health_service_says_that_the_port_is_served(log: FakeLog, metrics: CollectorMetrics, service: str) -> None:
    request = message((1, service)) if service else b""
    async with receiving(log, metrics, stop_seconds=5) as channel:
        assert await channel.unary_unary(f"{HEALTH}/Check")(request) == b"\x08\x01"  # SERVING


async def test_of_a_service_that_is_not_there_health_says_so(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(log, metrics) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(f"{HEALTH}/Check")(message((1, "shop")))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        watch = channel.unary_stream(f"{HEALTH}/Watch")(message((1, "shop")))
        assert await watch.read() == b"\x08\x03"  # SERVICE_UNKNOWN
        watch.cancel()


async def test_who_watches_health_learns_when_the_port_stops(log: FakeLog, metrics: CollectorMetrics) -> None:
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0), log, metrics)
    await receiver.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.port}") as channel:
        watch = channel.unary_stream(f"{HEALTH}/Watch")(b"")
        assert await watch.read() == b"\x08\x01"
        stopping = asyncio.create_task(receiver.stop())
        assert await watch.read() == b"\x08\x02"  # NOT_SERVING
        assert await watch.read() is grpc.aio.EOF
        await stopping


async def test_a_request_is_answered_only_when_it_is_on_the_log_even_while_stopping(
    log: FakeLog, metrics: CollectorMetrics
) -> None:
    log.let_go.clear()
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0), log, metrics)
    await receiver.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.port}") as channel:
        call = TraceServiceStub(channel).Export(a_request())
        exporting = asyncio.ensure_future(call)
        await log.arrivals.get()
        stopping = asyncio.create_task(receiver.stop())
        assert not exporting.done()
        log.let_go.set()
        await exporting
        await stopping
    assert len(log.records) == 1


async def test_stop_is_safe_before_start_and_twice_and_start_works_again(log: FakeLog, metrics: CollectorMetrics) -> None:
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0), log, metrics)
    await receiver.stop()
    for _ in range(2):
        await receiver.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.port}") as channel:
            await TraceServiceStub(channel).Export(a_request())
        await receiver.stop()
        await receiver.stop()
        with pytest.raises(OSError, match=r"refused|failed"):
            await asyncio.open_connection("127.0.0.1", receiver.port)
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_port_that_is_taken_is_an_error_that_says_so(log: FakeLog, metrics: CollectorMetrics) -> None:
    first = OtlpGrpcReceiver(OtlpGrpcConfig(port=0), log, metrics)
    await first.start()
    try:
        with pytest.raises(SpanloomError, match=rf"cannot listen on 127\.0\.0\.1:{first.port}: .*is the port in use"):
            await OtlpGrpcReceiver(OtlpGrpcConfig(port=first.port), log, metrics).start()
    finally:
        await first.stop()


async def test_over_tls_only_clients_of_the_ca_are_accepted(log: FakeLog, metrics: CollectorMetrics, tmp_path: Path) -> None:
    authority = trustme.CA()
    server, shop = authority.issue_cert("127.0.0.1"), authority.issue_cert("shop")
    server.private_key_pem.write_to_path(tmp_path / "key.pem")
    server.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = TlsConfig(certificate=tmp_path / "certificate.pem", key=tmp_path / "key.pem", client_ca=tmp_path / "ca.pem")
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0, tls=tls), log, metrics)
    await receiver.start()
    root, address = authority.cert_pem.bytes(), f"127.0.0.1:{receiver.port}"
    known = grpc.ssl_channel_credentials(root, shop.private_key_pem.bytes(), shop.cert_chain_pems[0].bytes())
    try:
        async with grpc.aio.secure_channel(address, known) as channel:
            await TraceServiceStub(channel).Export(a_request())
        async with grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(root)) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await TraceServiceStub(channel).Export(a_request(), timeout=5)
    finally:
        await receiver.stop()
    assert len(log.records) == 1


async def test_a_certificate_that_cannot_be_used_is_an_error_of_the_configuration(
    log: FakeLog, metrics: CollectorMetrics, tmp_path: Path
) -> None:
    tls = TlsConfig(certificate=tmp_path / "missing.pem", key=tmp_path / "missing.pem")
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0, tls=tls), log, metrics)
    with pytest.raises(ConfigError, match=r"otlp_grpc\.tls\.certificate: .*missing.pem: cannot be read: No such file"):
        await receiver.start()
    await receiver.stop()


async def test_it_listens_on_ipv6(log: FakeLog, metrics: CollectorMetrics) -> None:
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(host="::1", port=0), log, metrics)
    await receiver.start()
    try:
        _, writer = await asyncio.open_connection("::1", receiver.port)
        writer.close()
        await writer.wait_closed()
    finally:
        await receiver.stop()
