"""Two services without an SDK, each behind an agent with a real Envoy: what the call graph says is what the load was."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import threading
from contextlib import AsyncExitStack, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry

from collectors.metrics import CollectorMetrics
from collectors.receivers.otlp_grpc import OtlpGrpcConfig, OtlpGrpcReceiver
from components.sender import HEADER, LOOPBACK
from tests.agent.traffic import backend, get, needs_envoy, running, until
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

REQUESTS, FAILURES = 30, 6
MESSAGES: Mapping[str, Any] = {
    "otlp_spans": ExportTraceServiceRequest,
    "otlp_logs": ExportLogsServiceRequest,
    "otlp_metrics": ExportMetricsServiceRequest,
}


class Records:
    """A log in memory behind a real OTLP receiver."""

    max_record_bytes = 1_000_000

    def __init__(self) -> None:
        self.requests: dict[str, list[Any]] = {topic: [] for topic in MESSAGES}
        self.senders: set[bytes] = set()

    async def send(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        self.senders.add(headers[HEADER])
        self.requests[topic].append(MESSAGES[topic].FromString(value))

    produce = send

    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests["otlp_spans"]
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def logs(self) -> list[tuple[str, Any]]:
        return [
            (attributes(group.resource)["service.name"], record)
            for request in self.requests["otlp_logs"]
            for group in request.resource_logs
            for scope in group.scope_logs
            for record in scope.log_records
        ]

    def metrics(self) -> set[str]:
        return {
            metric.name
            for request in self.requests["otlp_metrics"]
            for group in request.resource_metrics
            for scope in group.scope_metrics
            for metric in scope.metrics
        }


def attributes(holder: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in holder.attributes}


class Front(BaseHTTPRequestHandler):
    """Calls `pay` through its proxy, and passes on who asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.server.proxy, timeout=60)  # type: ignore[attr-defined]
        headers = {name: value for name in ("traceparent", "tracestate") if (value := self.headers.get(name))}
        connection.request("GET", "/charges/" + self.path.rpartition("/")[2], headers={**headers, "host": "pay"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        self.send_response(answer.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def front(proxy: int) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    server.proxy = proxy  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@needs_envoy
@pytest.mark.timeout(300)
async def test_the_call_graph_of_services_without_an_sdk_is_what_the_load_was(tmp_path: Path) -> None:
    records, registry = Records(), CollectorRegistry()
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0), records, CollectorMetrics(registry))
    await receiver.start()
    collector = {"address": f"127.0.0.1:{receiver.port}", "stats_seconds": 1}
    shop_in, shop_out, pay_in = free_port(), free_port(), free_port()
    try:
        async with AsyncExitStack() as stack:
            pay = stack.enter_context(backend("pay"))
            shop = stack.enter_context(front(shop_out))
            agents = [
                await stack.enter_async_context(
                    running(
                        tmp_path / "pay",
                        service="pay",
                        environment="test",
                        inbound={"port": pay_in, "application": f"127.0.0.1:{pay.server_port}", "routes": ["/charges/{id}"]},
                        collector=collector,
                    )
                ),
                await stack.enter_async_context(
                    running(
                        tmp_path / "shop",
                        environment="test",
                        inbound={"port": shop_in, "application": f"127.0.0.1:{shop}"},
                        outbound={"port": shop_out},
                        peers=[{"service": "pay", "addresses": [f"127.0.0.1:{pay_in}"], "routes": ["/charges/{id}"]}],
                        collector=collector,
                    )
                ),
            ]
            for agent in agents:
                await agent.ready()
            codes = [
                (await get(f"http://127.0.0.1:{shop_in}/orders/{'fail' if n % 5 == 0 else n}")).status_code
                for n in range(REQUESTS)
            ]
            assert codes.count(500) == FAILURES
            await until(lambda: len(records.spans()) == 3 * REQUESTS and len(records.logs()) == 3 * REQUESTS)
            await until(lambda: any("downstream_rq" in name for name in records.metrics()))
    finally:
        await receiver.stop()
    assert records.senders == {LOOPBACK.encode()}, "nothing says that it was passed on: a repair may start on its word"
    traces = {span.trace_id for span in records.spans()}
    assert len(traces) == REQUESTS, "the application passes traceparent on: one trace a request"
    spans = {(span.trace_id, span.span_id) for span in records.spans()}
    assert {(record.trace_id, record.span_id) for _, record in records.logs()} == spans
    edges = await analysed(records, tmp_path)
    assert edges == {
        ("user", "shop"): {"GET /orders/{id}": (REQUESTS - FAILURES, 0), "GET /orders/fail": (FAILURES, FAILURES)},
        ("shop", "pay"): {"GET /charges/{id}": (REQUESTS, FAILURES)},
    }


async def analysed(records: Records, folder: Path) -> dict[tuple[str, str], dict[str, tuple[int, int]]]:
    """Calls and failures by operation of each edge, as the product computes them."""
    lines = [
        json.dumps(with_hex_ids(MessageToDict(one, use_integers_for_enums=True))) for one in records.requests["otlp_spans"]
    ]
    (folder / "spans.jsonl").write_text("\n".join(lines))
    command = ("-m", "spanloom.cli", "analyse", str(folder / "spans.jsonl"), "--out", str(folder / "out"))
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    assert await process.wait() == 0
    found: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
    for edge in map(json.loads, (folder / "out" / "edges.jsonl").read_text().splitlines()):
        operations = found.setdefault((edge["caller"]["name"], edge["callee"]["name"]), {})
        calls, failures = operations.get(edge["operation"], (0, 0))
        operations[edge["operation"]] = calls + edge["calls"], failures + edge["failures"]
    return found


def with_hex_ids(node: Any) -> Any:
    """OTLP's JSON has hexadecimal ids where that of protobuf has base64."""
    if isinstance(node, dict):
        ids = {"traceId", "spanId", "parentSpanId"}
        return {key: base64.b64decode(value).hex() if key in ids else with_hex_ids(value) for key, value in node.items()}
    return [with_hex_ids(one) for one in node] if isinstance(node, list) else node
