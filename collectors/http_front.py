"""What receivers over HTTP share: a port, which pages and hosts may send, and bodies within bounds."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Route

from collectors import responses
from collectors.admission import Intake
from collectors.compression import SizeLimit, compression_of
from collectors.errors import ForeignHostError, ForeignOriginError, LogUnavailableError, UnsupportedError
from components.access.config import Host, Origin
from components.access.origins import Origins
from components.http.protocol import HttpLimits
from components.http.server import HttpServer
from components.sender import is_loopback
from components.tls import TlsConfig
from telemetry.errors import InputError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from collectors.decoding import Encoding, Outcome
    from collectors.receiver import ReceiverContext
    from collectors.responses import Rejection
    from telemetry.otlp import Signal

CLIENT_GONE: Final = 400
"""Status of an answer that nobody is there to read."""

PREFLIGHT_SECONDS: Final = 7200
"""For which a browser need not ask again whether a page may send: no browser keeps the answer longer."""


class HttpFrontConfig(BaseModel):
    """Where to listen, and for how much. Each receiver has a default port of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    max_request_bytes: int = Field(
        default=16 * 2**20,
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
    origins: tuple[Origin, ...] = Field(
        default=(),
        description="Pages that may send telemetry (CORS), such as `https://shop.example.com`: none by default.",
    )


class HttpFront:
    """The port of one receiver, and the way of its requests to the log.

    Args:
        name: of the receiver, for errors; its section of the configuration.
        transport: what its counters are labelled with.
        config: where it listens, and for how much.
        context: what receivers share.
    """

    def __init__(self, name: str, transport: str, config: HttpFrontConfig, context: ReceiverContext) -> None:
        self._name, self._config = name, config
        self._limit = SizeLimit(config.max_request_bytes, f"{name}.max_request_bytes")
        self._ingest, self._connections = context.ingest, context.metrics.connections
        self._ingest.check_capacity(name, config.max_request_bytes)
        self._intake = Intake(transport, context.sink, context.metrics, self._ingest)
        self._reading = self._ingest.reading()
        self._origins = Origins(config.hosts, config.origins, own_pages=False)
        self._any_host = not config.hosts and not is_loopback(config.host)
        self._server: HttpServer | None = None
        self.port = 0

    async def start(self, routes: Mapping[str, Callable[[Request], Awaitable[Response]]]) -> None:
        """Answer POST on these paths; `port` is then the port bound.

        Raises:
            ListenError: the port cannot be had.
            ConfigError: TLS cannot be set up.
        """
        config = self._config
        app = Starlette(routes=[Route(path, endpoint, methods=["POST"]) for path, endpoint in routes.items()])
        if config.origins:
            app.add_middleware(
                CORSMiddleware,
                allow_origins=config.origins,
                allow_methods=["POST"],
                allow_headers=["*"],
                allow_credentials=True,  # navigator.sendBeacon sends what has to be asked for first with credentials
                max_age=PREFLIGHT_SECONDS,
            )
        server = HttpServer(
            app,
            self._name,
            config.host,
            config.port,
            limits=config.limits,
            tls=config.tls,
            metrics=self._connections,
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

    async def receive(
        self, request: Request, signal: Signal, encoding: Encoding | None, convert: Callable[[bytes], bytes] | None = None
    ) -> Outcome | Rejection | None:
        """Ship the items of a request; returns their outcome once they are on the log.

        Args:
            request: its body is not read yet.
            signal: what it carries.
            encoding: of the OTLP request that its body is, or is made into; None: of none that we know.
            convert: makes an OTLP request of the body, which then may not be compressed. It runs in the event loop, and raises
                InputError for what it cannot read.

        Returns:
            The outcome; or why the request is refused, which is counted; or None: the client has gone.
        """
        try:
            self._check_page(request)
            if encoding is None:
                named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
                raise UnsupportedError(f"content type {named!r}: send application/x-protobuf or application/json")
            compression = compression_of(",".join(request.headers.getlist("content-encoding")))
            if compression != "identity" and convert is not None:
                raise UnsupportedError(f"content encoding {compression!r}: send nothing compressed")
            host = request.client.host if request.client else None
            sender = self._ingest.senders.of_request(host, request.headers, getattr(request.state, "tls_subject", None))
            sender.begin()
            body = await self._body(request, host or "")
            limit = self._limit
            if convert is not None:
                body = convert(body)
                limit = replace(limit, bytes=max(limit.bytes, len(body)))
            return await self._intake.admit(signal, body, sender, encoding=encoding, compression=compression, limit=limit)
        except (InputError, OverloadedError, LogUnavailableError) as error:
            refusal = responses.refusal(error)
            self._intake.refused(signal, refusal.reason)
            return refusal
        except ClientDisconnect:
            self._intake.refused(signal, "cut_off")
            return None

    def _check_page(self, request: Request) -> None:
        """Let no page in a browser send that may not, under whatever name it found the way here."""
        if not self._any_host and not self._origins.knows_host(request.scope, request.headers):
            named = request.headers.get("host", "")[:200]
            raise ForeignHostError(f"host {named!r}: no name of this server; add it to {self._name}.hosts")
        if not self._origins.allows(request.scope, request.headers):
            named = request.headers.get("origin", "")[:200]
            raise ForeignOriginError(f"origin {named!r}: pages may not send telemetry; add it to {self._name}.origins")

    async def _body(self, request: Request, host: str) -> bytes:
        """The body as it came."""
        limit = self._limit
        if int(request.headers.get("content-length", 0)) > limit.bytes:
            raise limit.exceeded()
        read = bytearray()
        async with self._reading.body(host, self._config.read_seconds) as body:
            async for chunk in request.stream():
                body.grow(len(chunk))
                read += chunk
                if len(read) > limit.bytes:
                    raise limit.exceeded()
        return bytes(read)


def headers_of(refusal: Rejection) -> dict[str, str]:
    """The headers that go with a refusal: when to try again, and how to authenticate."""
    headers = {"retry-after": str(math.ceil(refusal.retry_after))} if refusal.retry_after is not None else {}
    if refusal.http_status == 401:
        headers["www-authenticate"] = "Bearer"
    return headers
