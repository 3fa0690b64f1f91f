"""OpenTelemetry for one process: the SDK, OTLP exporters and the contrib instrumentations, all configured by OTEL_*.

`OTEL_EXPORTER_OTLP_PROTOCOL` chooses between gRPC and HTTP. What was sent is counted where it is sent: an export counts
only when the other side has acknowledged it.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient, GrpcInstrumentorServer
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

QUIET = ("celery", "kombu", "werkzeug", "urllib3", "opentelemetry")
"""Libraries whose INFO lines say nothing of the shop."""


class Sent:
    """How many signals ended, were acknowledged, and were given up, by name. `report` gets the counts when they change."""

    def __init__(self, report: Callable[[dict[str, int]], None]) -> None:
        self._lock = threading.Lock()
        self._report = report
        self.counts: dict[str, int] = dict.fromkeys(
            ("spans_ended", "spans_sent", "spans_failed", "logs_sent", "logs_failed"), 0
        )

    def add(self, name: str, number: int, *, quietly: bool = False) -> None:
        """Count."""
        with self._lock:
            self.counts[name] += number
            counts = dict(self.counts)
        if not quietly:
            self._report(counts)

    def report(self) -> None:
        """Say the counts as they stand."""
        with self._lock:
            counts = dict(self.counts)
        self._report(counts)


class CountingExporter:
    """An exporter that counts what its inner one has delivered."""

    def __init__(self, inner: SpanExporter, signal: str, sent: Sent) -> None:
        self._inner = inner
        self._signal = signal
        self._sent = sent

    def export(self, batch: Sequence[Any]) -> Any:
        """Send a batch on, and count it by its result.

        That its spans have ended is said before: who is killed meanwhile may have sent them.
        """
        self._sent.report()
        result = self._inner.export(batch)
        self._sent.add(f"{self._signal}_{'sent' if result.name == 'SUCCESS' else 'failed'}", len(batch))
        return result

    def shutdown(self) -> None:
        """Close the inner exporter."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the inner exporter."""
        return bool(self._inner.force_flush(timeout_millis))


class CountEnded(SpanProcessor):  # type: ignore[misc]  # the SDK is not typed here
    """Counts every span that ends, so that one lost before its export would show."""

    def __init__(self, sent: Sent) -> None:
        self._sent = sent

    def on_end(self, span: ReadableSpan) -> None:
        """Count it."""
        if span.context.trace_flags.sampled:
            self._sent.add("spans_ended", 1, quietly=True)


def _exporters() -> tuple[Any, Any, Any]:
    # One of the two is imported, for each costs a process memory and start-up time.
    if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter  # noqa: PLC0415  # see above
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        return OTLPSpanExporter(insecure=True), OTLPLogExporter(insecure=True), OTLPMetricExporter(insecure=True)
    from opentelemetry.exporter.otlp.proto.http import _log_exporter, metric_exporter, trace_exporter  # noqa: PLC0415

    return trace_exporter.OTLPSpanExporter(), _log_exporter.OTLPLogExporter(), metric_exporter.OTLPMetricExporter()


class Telemetry:
    """Traces, logs and metrics of this process. Make it before anything that it instruments is made."""

    def __init__(self, report: Callable[[dict[str, int]], None]) -> None:
        sent = Sent(report)
        span_exporter, log_exporter, metric_exporter = _exporters()
        self._traces = TracerProvider()
        self._traces.add_span_processor(CountEnded(sent))
        self._traces.add_span_processor(BatchSpanProcessor(CountingExporter(span_exporter, "spans", sent)))
        self._logs = LoggerProvider()
        self._logs.add_log_record_processor(BatchLogRecordProcessor(CountingExporter(log_exporter, "logs", sent)))
        self._metrics = MeterProvider([PeriodicExportingMetricReader(metric_exporter)])
        trace.set_tracer_provider(self._traces)
        set_logger_provider(self._logs)
        metrics.set_meter_provider(self._metrics)
        for instrumentor in (
            LoggingInstrumentor,
            FlaskInstrumentor,
            RequestsInstrumentor,
            GrpcInstrumentorClient,
            GrpcInstrumentorServer,
            SQLite3Instrumentor,
            CeleryInstrumentor,
        ):
            instrumentor().instrument()
        root = logging.getLogger()
        root.setLevel(logging.INFO)
        troubles = logging.StreamHandler()
        troubles.setLevel(logging.WARNING)
        root.addHandler(troubles)
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)

    def close(self) -> None:
        """Send what is left and stop."""
        self._traces.shutdown()
        self._logs.shutdown()
        self._metrics.shutdown()
