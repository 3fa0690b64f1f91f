"""The unmodified OpenTelemetry SDK for Python and its OTLP exporters against the real receivers."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from prometheus_client import CollectorRegistry

from collectors.errors import LogUnavailableError
from collectors.metrics import CollectorMetrics
from collectors.receivers.otlp_grpc import OtlpGrpcConfig, OtlpGrpcReceiver
from collectors.receivers.otlp_http import OtlpHttpConfig, OtlpHttpReceiver
from telemetry import otlp
from telemetry.errors import OverloadedError
from telemetry.spans import SpanKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

HTTP_PATHS = {"spans": "/v1/traces", "logs": "/v1/logs", "metrics": "/v1/metrics"}
EXPORTERS: dict[tuple[str, str], Any] = {
    ("http", "spans"): HttpSpanExporter,
    ("http", "logs"): HttpLogExporter,
    ("http", "metrics"): HttpMetricExporter,
    ("grpc", "spans"): GrpcSpanExporter,
    ("grpc", "logs"): GrpcLogExporter,
    ("grpc", "metrics"): GrpcMetricExporter,
}
TRANSPORTS = pytest.mark.parametrize("transport", ["http", "grpc"])
RESOURCE = Resource({"service.name": "checkout"})


class Log:
    """A sink in memory that fails with each of `errors` first, and counts how often it was asked."""

    max_record_bytes = 1_000_000

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes]] = []
        self.errors: list[Exception] = []
        self.asked = 0

    async def send(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        assert headers == {"spanloom.sender": b"loopback"}
        self.records.append((topic, value))


@asynccontextmanager
async def receiving(transport: str, log: Log) -> AsyncIterator[int]:
    metrics = CollectorMetrics(CollectorRegistry())
    receiver: OtlpHttpReceiver | OtlpGrpcReceiver
    if transport == "http":
        receiver = OtlpHttpReceiver(OtlpHttpConfig(port=0), log, metrics)
    else:
        receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0), log, metrics)
    await receiver.start()
    try:
        yield receiver.port
    finally:
        await receiver.stop()


def exporter(transport: str, signal: str, port: int, *, gzip: bool = False) -> Any:
    make = EXPORTERS[transport, signal]
    if transport == "http":
        compression = Compression.Gzip if gzip else Compression.NoCompression
        return make(endpoint=f"http://127.0.0.1:{port}{HTTP_PATHS[signal]}", compression=compression)
    compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
    return make(endpoint=f"http://127.0.0.1:{port}", insecure=True, compression=compression)


def make_spans(to: Any) -> None:
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(to))
    tracer = provider.get_tracer("shop", "1.0")
    with tracer.start_as_current_span("pay", attributes={"amount": 9.5, "items": ["a", "b"]}) as span:
        span.add_event("asked the bank")
        with tracer.start_as_current_span("charge"):
            pass
    assert provider.force_flush()
    provider.shutdown()


def make_logs(to: Any) -> None:
    provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(to))
    provider.get_logger("shop").emit(body="card refused", severity_text="ERROR", attributes={"attempt": 2})
    assert provider.force_flush()
    provider.shutdown()


def make_metrics(to: Any) -> None:
    reader = PeriodicExportingMetricReader(to, export_interval_millis=float("inf"))
    provider = MeterProvider(metric_readers=[reader], resource=RESOURCE, shutdown_on_exit=False)
    meter = provider.get_meter("shop")
    meter.create_counter("orders").add(3, {"kind": "book"})
    meter.create_histogram("payment.duration", unit="s").record(0.2)
    assert provider.force_flush()
    provider.shutdown()


@TRANSPORTS
@pytest.mark.parametrize("gzip", [False, True])
async def test_spans_arrive_as_they_were_made(transport: str, gzip: bool) -> None:  # noqa: FBT001
    log = Log()
    async with receiving(transport, log) as port:
        await asyncio.to_thread(make_spans, exporter(transport, "spans", port, gzip=gzip))
    spans = {span.name: span for topic, value in log.records for span in otlp.decode_spans(value) if topic == "otlp_spans"}
    assert set(spans) == {"pay", "charge"}
    pay, charge = spans["pay"], spans["charge"]
    assert (charge.trace_id, charge.parent_span_id) == (pay.trace_id, pay.span_id)
    assert (pay.service, pay.scope.name, pay.kind, pay.parent_span_id) == ("checkout", "shop", SpanKind.INTERNAL, b"")
    assert pay.attributes == {"amount": 9.5, "items": ["a", "b"]}
    assert [event.name for event in pay.events] == ["asked the bank"]
    assert pay.start <= charge.start <= charge.end <= pay.end


@TRANSPORTS
async def test_logs_arrive_as_they_were_made(transport: str) -> None:
    log = Log()
    async with receiving(transport, log) as port:
        await asyncio.to_thread(make_logs, exporter(transport, "logs", port))
    ((topic, value),) = log.records
    (record,) = otlp.decode_logs(value)
    assert topic == "otlp_logs"
    assert (record.body, record.severity_text, record.attributes, record.service) == (
        "card refused",
        "ERROR",
        {"attempt": 2},
        "checkout",
    )


@TRANSPORTS
async def test_metrics_arrive_as_they_were_made(transport: str) -> None:
    log = Log()
    async with receiving(transport, log) as port:
        await asyncio.to_thread(make_metrics, exporter(transport, "metrics", port))
    metrics = {metric.name: metric for _, value in log.records for metric in otlp.decode_metrics(value)}
    assert metrics["orders"].points[0].value == 3
    assert (metrics["payment.duration"].unit, metrics["payment.duration"].points[0].count) == ("s", 1)


@TRANSPORTS
@pytest.mark.parametrize("error", [OverloadedError("full", 0.001), LogUnavailableError("gone", 0.001)])
async def test_the_exporter_waits_as_long_as_asked_and_the_batch_arrives_once(transport: str, error: Exception) -> None:
    log = Log()
    log.errors = [error, error]
    async with receiving(transport, log) as port:
        await asyncio.to_thread(make_spans, exporter(transport, "spans", port))
    assert log.asked == 3
    assert sorted(span.name for _, value in log.records for span in otlp.decode_spans(value)) == ["charge", "pay"]


@pytest.fixture
def exporter_log() -> Iterator[list[str]]:
    """What the exporters complain about."""
    lines: list[str] = []
    lock = threading.Lock()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with lock:
                lines.append(record.getMessage())

    handler = Handler()
    logger = logging.getLogger("opentelemetry.exporter")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


@TRANSPORTS
async def test_what_will_never_be_accepted_is_not_sent_again(transport: str, exporter_log: list[str]) -> None:
    log = Log()

    def export_an_invalid_span(port: int) -> SpanExportResult:
        to = exporter(transport, "spans", port)
        span = TracerProvider(resource=RESOURCE, shutdown_on_exit=False).get_tracer("shop").start_span("late")
        span.end(end_time=2**63)  # past the year 2262
        try:
            result: SpanExportResult = to.export([span])
            return result
        finally:
            to.shutdown()

    async with receiving(transport, log) as port:
        assert await asyncio.to_thread(export_an_invalid_span, port) is SpanExportResult.FAILURE
    assert log.asked == 0
    assert not [line for line in exporter_log if "retrying" in line]
