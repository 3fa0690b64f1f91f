from __future__ import annotations

import asyncio
import ssl
import threading
from collections import Counter
from contextlib import asynccontextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2 as proto
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families as parse_text
from pydantic import ValidationError

from processors.call_graph import call_graph
from processors.series.service_graph import ServiceGraphMetrics
from processors.series.span_metrics import SpanMetrics
from spanloom.self_metrics.export import POINTS, MetricsConfig, MetricsExporter, parts
from spanloom.self_metrics.exposition import families
from telemetry.errors import ConfigError
from telemetry.metrics import DataPoint, Metric, MetricType, Temporality
from telemetry.resource import Resource
from tests.processors.traces import CLIENT, SERVER, TRACE, span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

MS = 1_000_000
START, NOW = 5, 9


class Receiver:
    """An OTLP/HTTP receiver that parses what comes with OpenTelemetry's own messages."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[dict[str, str], ExportMetricsServiceRequest]] = []
        self.answers: list[tuple[int, bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/v1/metrics"
                receiver.requests.append(
                    ({k.lower(): v for k, v in self.headers.items()}, ExportMetricsServiceRequest.FromString(body))
                )
                status, answer = receiver.answers.pop(0) if receiver.answers else (200, b"")
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def read() -> list[Metric]:
    """What a partition counted that saw a call of cart by web."""
    spans = [
        span(1, 0, "web", SERVER, 0, 500 * MS),
        span(2, 1, "web", CLIENT, 10 * MS, 310 * MS, name="GET /cart/17"),
        span(3, 2, "cart", SERVER, 20 * MS, 120 * MS),
    ]
    graph = ServiceGraphMetrics(START, Resource({"service.name": "spanloom", "service.instance.id": "partition-0"}))
    graph.add(call_graph(spans).hops)
    counted = SpanMetrics(START, "partition-0")
    counted.add(spans)
    return [*graph.metrics(NOW), *counted.metrics(NOW)]


@asynccontextmanager
async def exporting(
    config: MetricsConfig, metrics: Callable[[], list[Metric]] = read
) -> AsyncIterator[tuple[asyncio.Task[None], CollectorRegistry]]:
    registry = CollectorRegistry()
    task = asyncio.create_task(MetricsExporter(config, metrics, registry).run())
    await asyncio.sleep(0)  # it has begun: what is cancelled before has nothing to end
    try:
        yield task, registry
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def once(config: MetricsConfig, metrics: Callable[[], list[Metric]] = read) -> CollectorRegistry:
    """One reading, sent because it stops."""
    async with exporting(config, metrics) as (_, registry):
        pass
    return registry


def received(receiver: Receiver) -> dict[str, list[tuple[dict[str, str], proto.Metric]]]:
    """Metrics by name, with their resource's attributes."""
    found: dict[str, list[tuple[dict[str, str], proto.Metric]]] = {}
    for _, request in receiver.requests:
        for group in request.resource_metrics:
            resource = {item.key: item.value.string_value for item in group.resource.attributes}
            for scope in group.scope_metrics:
                for metric in scope.metrics:
                    found.setdefault(metric.name, []).append((resource, metric))
    return found


def attributes(point: Any) -> dict[str, str]:
    return {item.key: item.value.string_value for item in point.attributes}


def points(receiver: Receiver) -> int:
    metrics = [metric for named in received(receiver).values() for _, metric in named]
    return sum(len(metric.sum.data_points) + len(metric.histogram.data_points) for metric in metrics)


async def test_a_receiver_gets_the_service_graph_and_the_span_metrics_cumulative_from_their_start(receiver: Receiver) -> None:
    await once(MetricsConfig(otlp=f"http://127.0.0.1:{receiver.port}"))
    found = received(receiver)
    ((resource, requests),) = found["traces_service_graph_request_total"]
    assert resource == {"service.name": "spanloom", "service.instance.id": "partition-0"}
    assert requests.sum.is_monotonic
    assert requests.sum.aggregation_temporality == proto.AGGREGATION_TEMPORALITY_CUMULATIVE
    (call,) = [point for point in requests.sum.data_points if attributes(point)["server"] == "cart"]
    assert attributes(call) == {"client": "web", "server": "cart", "connection_type": ""}
    assert (call.start_time_unix_nano, call.time_unix_nano, call.as_int) == (START, NOW, 1)
    ((_, client),) = found["traces_service_graph_request_client"]
    assert client.unit == "s"
    (duration,) = client.histogram.data_points
    assert (duration.count, duration.sum) == (1, 0.3)
    assert dict(zip([*duration.explicit_bounds, "inf"], duration.bucket_counts, strict=True))[0.4] == 1
    (exemplar,) = duration.exemplars
    assert (exemplar.trace_id, exemplar.as_double, exemplar.time_unix_nano) == (TRACE, 0.3, 310 * MS)
    durations = {resource["service.name"]: metric for resource, metric in found["traces.span.metrics.duration"]}
    assert durations["cart"].unit == "ms"
    (own,) = durations["cart"].histogram.data_points
    assert attributes(own) == {
        "span.name": "work",
        "span.kind": "SPAN_KIND_SERVER",
        "status.code": "STATUS_CODE_UNSET",
        "collector.instance.id": "partition-0",
    }
    assert own.exemplars[0].span_id == (3).to_bytes(8)


async def test_the_endpoint_and_a_scraper_see_the_same_numbers(receiver: Receiver) -> None:
    await once(MetricsConfig(otlp=f"http://127.0.0.1:{receiver.port}"))

    class Scraped:
        def collect(self) -> Any:
            return families(read())

    registry = CollectorRegistry()
    registry.register(Scraped())
    scraped: Counter[str] = Counter()
    for family in parse_text(generate_latest(registry).decode()):
        for sample in family.samples:
            if sample.name.endswith(("_total", "_count")):
                scraped[sample.name] += int(sample.value)
    sent: Counter[str] = Counter()
    for name, metrics in received(receiver).items():
        for _, metric in metrics:
            flat = name.replace(".", "_")
            suffix = {"s": "_seconds", "ms": "_milliseconds"}.get(metric.unit, "")
            if metric.HasField("sum"):
                sent[flat.removesuffix("_total") + "_total"] += sum(point.as_int for point in metric.sum.data_points)
            else:
                sent[f"{flat}{suffix}_count"] += sum(point.count for point in metric.histogram.data_points)
    assert sent == scraped


async def test_headers_are_sent_and_do_not_show(receiver: Receiver) -> None:
    config = MetricsConfig.model_validate({"otlp": f"http://127.0.0.1:{receiver.port}", "headers": {"x-tenant": "s3cret"}})
    await once(config)
    assert receiver.requests[0][0]["x-tenant"] == "s3cret"
    assert "s3cret" not in repr(config)


async def test_it_speaks_tls_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    ca = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.verify_mode = ssl.CERT_REQUIRED
    ca.issue_cert("127.0.0.1").configure_cert(theirs)
    ca.configure_trust(theirs)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours = ca.issue_cert("spanloom")
    ours.private_key_pem.write_to_path(tmp_path / "key.pem")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    receiver = Receiver(theirs)
    try:
        await once(
            MetricsConfig(
                otlp=f"https://127.0.0.1:{receiver.port}",
                ca_file=tmp_path / "ca.pem",
                cert_file=tmp_path / "cert.pem",
                key_file=tmp_path / "key.pem",
            )
        )
        assert points(receiver) == sum(len(metric.points) for metric in read())
    finally:
        receiver.close()


def test_a_certificate_that_is_missing_is_named(tmp_path: Path) -> None:
    config = MetricsConfig(otlp="https://127.0.0.1:1", ca_file=tmp_path / "ca.pem")
    with pytest.raises(ConfigError, match=r"metrics: .*ca\.pem"):
        MetricsExporter(config, read, CollectorRegistry())


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4318", "ftp://host", "http://"])
def test_what_is_no_http_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="otlp"):
        MetricsConfig(otlp=endpoint)


async def test_points_that_the_endpoint_refuses_are_counted(receiver: Receiver) -> None:
    partial = ExportMetricsServiceResponse()
    partial.partial_success.rejected_data_points = 2
    receiver.answers.append((200, partial.SerializeToString()))
    registry = await once(MetricsConfig(otlp=f"http://127.0.0.1:{receiver.port}"))
    assert registry.get_sample_value("spanloom_metrics_export_points_refused_total") == 2
    taken = sum(len(metric.points) for metric in read()) - 2
    assert registry.get_sample_value("spanloom_metrics_export_points_total") == taken


async def test_an_endpoint_that_refuses_is_counted_and_asked_again_after_a_period(receiver: Receiver) -> None:
    receiver.answers.append((400, b""))
    config = MetricsConfig(otlp=f"http://127.0.0.1:{receiver.port}").model_copy(update={"period": 0.05})
    async with exporting(config) as (_, registry):
        while registry.get_sample_value("spanloom_metrics_export_points_total") == 0:  # noqa: ASYNC110 - read from a registry
            await asyncio.sleep(0.01)
    # The refusal; where the machine is busy, also requests that were not answered within the short period.
    assert (registry.get_sample_value("spanloom_metrics_export_failures_total") or 0) >= 1


async def test_nothing_waits_longer_than_a_period_for_an_endpoint_that_is_not_there() -> None:
    receiver = Receiver()
    receiver.close()
    config = MetricsConfig(otlp=f"http://127.0.0.1:{receiver.port}").model_copy(update={"period": 0.05})
    async with exporting(config) as (_, registry):
        while (registry.get_sample_value("spanloom_metrics_export_failures_total") or 0) < 2:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    assert registry.get_sample_value("spanloom_metrics_export_points_total") == 0


def test_many_points_are_sent_in_requests_of_bounded_size() -> None:
    def metric(name: str, count: int) -> Metric:
        made = tuple(DataPoint(1, attributes={"n": str(n)}, value=n) for n in range(count))
        return Metric(name, MetricType.SUM, made, Resource(), temporality=Temporality.CUMULATIVE, monotonic=True)

    metrics = [metric("a", 10), metric("b", 2 * POINTS), metric("empty", 0), metric("c", 5)]
    found = list(parts(metrics))
    assert [sum(len(one.points) for one in part) for part in found] == [POINTS, POINTS, 15]
    again: dict[str, list[DataPoint]] = {}
    for part in found:
        for one in part:
            again.setdefault(one.name, []).extend(one.points)
    assert again == {one.name: list(one.points) for one in metrics if one.points}
