"""A small OTLP receiver that keeps what it gets: gRPC and HTTP, protobuf."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

SIGNALS: dict[str, tuple[str, str, Any, Any]] = {
    "traces": ("trace.v1.Trace", "/v1/traces", traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse),
    "logs": ("logs.v1.Logs", "/v1/logs", logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
    "metrics": (
        "metrics.v1.Metrics",
        "/v1/metrics",
        metrics.ExportMetricsServiceRequest,
        metrics.ExportMetricsServiceResponse,
    ),
}


class OtlpReceiver:
    """Listens on two free loopback ports, `grpc` and `http`, until closed."""

    def __init__(self) -> None:
        self._requests: dict[str, list[Any]] = {signal: [] for signal in SIGNALS}
        self._server = grpc.server(ThreadPoolExecutor(4))
        for signal, (service, _, request, response) in SIGNALS.items():
            handler = grpc.unary_unary_rpc_method_handler(
                self._keep(signal, response), request.FromString, response.SerializeToString
            )
            name = f"opentelemetry.proto.collector.{service}Service"
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": handler}),))
        self.grpc = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        self._web = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http = f"127.0.0.1:{self._web.server_port}"
        self._thread = threading.Thread(target=self._web.serve_forever)
        self._thread.start()

    def spans(self) -> list[tuple[dict[str, str], Any]]:
        """Every span with the string attributes of its resource."""
        return [
            (_strings(resource.resource.attributes), span)
            for request in list(self._requests["traces"])
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def logs(self) -> list[tuple[dict[str, str], Any]]:
        """Every log record with the string attributes of its resource."""
        return [
            (_strings(resource.resource.attributes), record)
            for request in list(self._requests["logs"])
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def metrics(self) -> list[Any]:
        """Every metric."""
        return [
            metric
            for request in list(self._requests["metrics"])
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    def close(self) -> None:
        self._web.shutdown()
        self._web.server_close()
        self._thread.join()
        self._server.stop(None).wait()

    def _keep(self, signal: str, response: Any) -> Any:
        def keep(request: Any, _: Any) -> Any:
            self._requests[signal].append(request)
            return response()

        return keep

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        kept = self._requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                for signal, (_, path, request, _) in SIGNALS.items():
                    if path == self.path:
                        kept[signal].append(request.FromString(body))
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        return Handler


def _strings(attributes: Any) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in attributes}
