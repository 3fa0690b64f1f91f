"""Each record says who sent it, whatever receiver it came by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import httpx2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from collectors.receivers.otlp_grpc import OtlpGrpcConfig, OtlpGrpcReceiver
from collectors.receivers.otlp_http import OtlpHttpConfig, OtlpHttpReceiver

if TYPE_CHECKING:
    from collectors.metrics import CollectorMetrics
    from tests.collectors.conftest import FakeLog

SPAN = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "name": "a", "start_time_unix_nano": 1, "end_time_unix_nano": 2}
REQUEST = ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": [SPAN]}]}])


async def test_a_record_over_http_says_loopback_unless_a_proxy_or_a_browser_passed_it_on(
    log: FakeLog, metrics: CollectorMetrics
) -> None:
    receiver = OtlpHttpReceiver(OtlpHttpConfig(port=0), log, metrics)
    await receiver.start()
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{receiver.port}", trust_env=False) as client:
            for extra in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"Origin": "http://evil.example"}):
                headers = {"Content-Type": "application/x-protobuf", **extra}
                await client.post("/v1/traces", content=REQUEST.SerializeToString(), headers=headers)
    finally:
        await receiver.stop()
    assert log.senders == ["loopback"] + ["anonymous"] * (len(log.records) - 1)


async def test_a_record_over_grpc_says_loopback_unless_a_proxy_passed_it_on(log: FakeLog, metrics: CollectorMetrics) -> None:
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0), log, metrics)
    await receiver.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.port}") as channel:
            await TraceServiceStub(channel).Export(REQUEST)
            await TraceServiceStub(channel).Export(REQUEST, metadata=(("x-forwarded-for", "127.0.0.1"),))
    finally:
        await receiver.stop()
    assert log.senders == ["loopback", "anonymous"]
