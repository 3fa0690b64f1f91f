"""OTLP over HTTP: `/v1/traces`, `/v1/logs` and `/v1/metrics`, in protobuf and in JSON, gzip or plain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf import json_format
from pydantic import Field
from starlette.responses import Response

from collectors import responses
from collectors.http_front import CLIENT_GONE, HttpFront, HttpFrontConfig, headers_of
from collectors.ingest import Ingest, IngestConfig
from collectors.receiver import ReceiverComponent, ReceiverContext
from collectors.responses import Rejection
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.protobuf.message import Message
    from starlette.requests import Request

    from collectors.decoding import Encoding
    from collectors.metrics import CollectorMetrics
    from collectors.shipper import Sink
    from telemetry.otlp import Signal

_PATHS: Final[Mapping[str, Signal]] = {"/v1/traces": "spans", "/v1/logs": "logs", "/v1/metrics": "metrics"}
_CONTENT_TYPES: Final[Mapping[str, Encoding]] = {"application/x-protobuf": "protobuf", "application/json": "json"}


class OtlpHttpConfig(HttpFrontConfig):
    """Where to listen, and for how much."""

    port: int = Field(default=4318, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")


class OtlpHttpReceiver:
    """Listens for OTLP/HTTP and ships what comes. A request is answered when it is on the log."""

    def __init__(self, config: OtlpHttpConfig, sink: Sink, metrics: CollectorMetrics, ingest: Ingest | None = None) -> None:
        context = ReceiverContext(sink, metrics, ingest or Ingest(IngestConfig(), metrics))
        self._front = HttpFront("otlp_http", "http", config, context)

    @property
    def port(self) -> int:
        """The port bound, once it has started."""
        return self._front.port

    async def start(self) -> None:
        """Listen; `port` is then the port bound.

        Raises:
            ListenError: the port cannot be had.
            ConfigError: TLS cannot be set up.
        """
        await self._front.start({path: self._endpoint(signal) for path, signal in _PATHS.items()})

    async def stop(self) -> None:
        """Take no more requests, finish those in flight. Safe before start and twice."""
        await self._front.stop()

    def _endpoint(self, signal: Signal) -> Callable[[Request], Awaitable[Response]]:
        async def export(request: Request) -> Response:
            content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            encoding = _CONTENT_TYPES.get(content_type)
            found = await self._front.receive(request, signal, encoding)
            if found is None:
                return Response(status_code=CLIENT_GONE)
            if isinstance(found, Rejection):
                return _answer(found.http_status, encoding or "json", found.status, headers_of(found))
            return _answer(200, encoding or "json", responses.response(signal, found))

        return export


def _answer(status: int, encoding: Encoding, message: Message, headers: Mapping[str, str] | None = None) -> Response:
    """A message in the encoding that the request came in."""
    if encoding == "json":
        return Response(json_format.MessageToJson(message, indent=None), status, headers, "application/json")
    return Response(message.SerializeToString(), status, headers, "application/x-protobuf")


OTLP_HTTP = ReceiverComponent(
    kind=ComponentKind.RECEIVER,
    name="otlp_http",
    config=OtlpHttpConfig,
    build=lambda config, context: OtlpHttpReceiver(config, context.sink, context.metrics, context.ingest),
    summary="OTLP over HTTP, as protobuf or JSON: spans, logs and metrics.",
    stability=Stability.STABLE,
)
