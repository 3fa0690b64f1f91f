"""OTLP over HTTP: `/v1/traces`, `/v1/logs` and `/v1/metrics`, in protobuf and in JSON, gzip or plain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from google.protobuf import json_format
from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from collectors import responses
from collectors.admission import Intake
from collectors.decoding import too_large
from collectors.errors import ForeignHostError, ForeignOriginError, LogUnavailableError, UnsupportedError
from collectors.ingest import Ingest, IngestConfig
from collectors.receiver import ReceiverComponent
from components.access.config import Host, Origin
from components.access.origins import Origins
from components.component import ComponentKind, Stability
from components.http.protocol import HttpLimits
from components.http.server import HttpServer
from components.sender import is_loopback
from components.tls import TlsConfig
from telemetry.errors import InputError, OverloadedError

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


class OtlpHttpConfig(BaseModel):
    """Where to listen, and for how much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=4318, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    max_request_bytes: int = Field(
        default=8 * 2**20,
        gt=0,
        description="Largest body, before and after decompression.",
    )
    read_seconds: float = Field(default=30, gt=0, description="How long a client may take to send a body.")
    stop_seconds: int = Field(default=5, ge=0, description="How long a stop waits for requests in flight.")
    limits: HttpLimits = Field(default=HttpLimits(), description="What connections may be and do.")
    tls: TlsConfig | None = Field(default=None, description="Certificates; without them the port is plain text.")
    hosts: tuple[Host, ...] = Field(
        default=(),
        description="Names in the Host header that are answered to, beside those of loopback and the address that was reached. "
        "Without any, an address of loopback answers to no further name and every other address to all.",
    )
    origins: tuple[Origin, ...] = Field(default=(), description="Pages that may send telemetry: none by default.")


class OtlpHttpReceiver:
    """Listens for OTLP/HTTP and ships what comes. A request is answered when it is on the log."""

    def __init__(self, config: OtlpHttpConfig, sink: Sink, metrics: CollectorMetrics, ingest: Ingest | None = None) -> None:
        self._config = config
        self._ingest = ingest or Ingest(IngestConfig(), metrics)
        self._ingest.check_capacity("otlp_http", config.max_request_bytes)
        self._intake = Intake("http", sink, metrics, self._ingest)
        self._reading = self._ingest.reading()
        metrics.reading_bytes.set_function(lambda: self._reading.in_flight_bytes)
        self._metrics = metrics
        self._origins = Origins(config.hosts, config.origins, own_pages=False)
        self._any_host = not config.hosts and not is_loopback(config.host)
        self._server: HttpServer | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; `port` is then the port bound.

        Raises:
            ListenError: the port cannot be had.
            ConfigError: TLS cannot be set up.
        """
        config = self._config
        app = Starlette(routes=[Route(path, self._endpoint(signal), methods=["POST"]) for path, signal in _PATHS.items()])
        server = HttpServer(
            app,
            "otlp_http",
            config.host,
            config.port,
            limits=config.limits,
            tls=config.tls,
            metrics=self._metrics.connections,
            stop_seconds=config.stop_seconds,
        )
        await server.start()
        self._server, self.port = server, server.port

    async def stop(self) -> None:
        """Take no more requests, finish those in flight. Safe before start and twice."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop()
        self._ingest.close()

    def _endpoint(self, signal: Signal) -> Callable[[Request], Awaitable[Response]]:
        async def export(request: Request) -> Response:
            content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            encoding = _CONTENT_TYPES.get(content_type)
            try:
                self._check_page(request)
                if encoding is None:
                    raise UnsupportedError(f"content type {content_type!r}: send application/x-protobuf or application/json")
                gzip = _is_gzip(request)
                host = request.client.host if request.client else None
                subject = getattr(request.state, "tls_subject", None)
                sender = self._ingest.senders.of_request(host, request.headers, subject)
                sender.begin()
                limit = self._config.max_request_bytes
                outcome = await self._intake.admit(
                    signal, await self._body(request, host or ""), sender, encoding=encoding, gzip=gzip, max_bytes=limit
                )
            except (InputError, OverloadedError, LogUnavailableError) as error:
                refusal = responses.refusal(error)
            except ClientDisconnect:
                self._intake.refused(signal, "cut_off")
                return Response(status_code=400)  # nobody is there to read it
            else:
                return _answer(200, encoding, responses.response(signal, outcome))
            self._intake.refused(signal, refusal.reason)
            headers = {"retry-after": str(math.ceil(refusal.retry_after))} if refusal.retry_after is not None else {}
            if refusal.http_status == 401:
                headers["www-authenticate"] = "Bearer"
            return _answer(refusal.http_status, encoding or "json", refusal.status, headers)

        return export

    def _check_page(self, request: Request) -> None:
        """Let no page in a browser send that may not, under whatever name it found the way here."""
        if not self._any_host and not self._origins.knows_host(request.scope, request.headers):
            named = request.headers.get("host", "")[:200]
            raise ForeignHostError(f"host {named!r}: no name of this server; add it to otlp_http.hosts")
        if not self._origins.allows(request.scope, request.headers):
            named = request.headers.get("origin", "")[:200]
            raise ForeignOriginError(f"origin {named!r}: pages may not send telemetry; add it to otlp_http.origins")

    async def _body(self, request: Request, host: str) -> bytes:
        """The body as it came."""
        limit = self._config.max_request_bytes
        if int(request.headers.get("content-length", 0)) > limit:
            raise too_large(limit)
        read = bytearray()
        async with self._reading.body(host, self._config.read_seconds) as body:
            async for chunk in request.stream():
                body.grow(len(chunk))
                read += chunk
                if len(read) > limit:
                    raise too_large(limit)
        return bytes(read)


def _is_gzip(request: Request) -> bool:
    compression = request.headers.get("content-encoding", "identity").strip().lower()
    if compression not in {"identity", "gzip"}:
        raise UnsupportedError(f"content encoding {compression!r}: send gzip, or nothing compressed")
    return compression == "gzip"


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
