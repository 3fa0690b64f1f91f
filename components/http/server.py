"""An ASGI application on a port of the running loop: uvicorn with our limits on connections, and TLS.

The collector's OTLP/HTTP, the console with its API, and the probes are all served by this.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Literal

import uvicorn
from prometheus_client import CollectorRegistry

from components.http.protocol import HttpLimits, LimitedHttp
from components.sockets.acceptor import Acceptor, bind
from components.sockets.connections import ConnectionMetrics, Connections
from components.sockets.descriptors import connections_within
from components.tls import ServerTls
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from components.sockets.connections import Connection
    from components.tls import TlsConfig

SHARE = 0.3
"""The part of the descriptors left for connections that an HTTP port may have."""


MAX_MESSAGE = 4 * 2**20
"""Bytes of a WebSocket's message, decompressed."""


class NotStartedError(SpanloomError):
    """The application did not start."""


class HttpServer:
    """Serves from `start` to `stop`, as often as wanted.

    Args:
        app: what to serve. `scope["client"]` is the peer itself, never a forwarded header's;
            `scope["state"]["tls_subject"]` says who its client certificate was issued to, where it has one.
        name: what the port is called in metrics and messages.
        host: address to listen on.
        port: 0 for any free one; `port` is then the one bound.
        limits: of connections.
        tls: certificates; without them it is plain HTTP.
        metrics: where connections are counted.
        max_body_bytes: the largest body of a request; None where the application has a limit of its own.
        lifespan: whether the application has a start and a stop.
        stop_seconds: how long a stop waits for requests in flight.

    Raises:
        ConfigError: TLS cannot be set up; names the file and the reason.
    """

    def __init__(
        self,
        app: ASGIApp,
        name: str,
        host: str,
        port: int,
        *,
        limits: HttpLimits | None = None,
        tls: TlsConfig | None = None,
        metrics: ConnectionMetrics | None = None,
        max_body_bytes: int | None = None,
        lifespan: Literal["on", "off"] = "off",
        stop_seconds: int = 5,
    ) -> None:
        self._name = name
        self._tls = ServerTls(tls, name, ("http/1.1",)) if tls else None
        self._limits = limits or HttpLimits()
        self._max_body = max_body_bytes
        self._metrics = metrics or ConnectionMetrics(CollectorRegistry())
        self._config = uvicorn.Config(
            app,
            lifespan=lifespan,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whom to believe who sent a request is the application's to decide
            timeout_graceful_shutdown=stop_seconds,
            timeout_keep_alive=self._limits.idle_seconds,
            http=LimitedHttp,
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE,
        )
        self.host = host
        self.port = port
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen; returns when requests are answered.

        Raises:
            ListenError: the address cannot be had.
            NotStartedError: the application did not start.
        """
        total = connections_within(self._limits.max_connections, SHARE)
        connections = Connections(self._name, self._limits, self._metrics, total)
        listener = bind(self._name, self.host, self.port)
        self.port = listener.getsockname()[1]
        server = self._server = _Server(self._config, listener, connections, self._limits, self._tls, self._max_body)
        self._serving = asyncio.create_task(server.serve(), name=self._name)
        await server.ready.wait()
        if not server.started:
            listener.close()
            await self.stop()
            raise NotStartedError(f"{self._name} did not start; the log has the reason")

    async def stop(self) -> None:
        """Accept no more, finish requests in flight. Safe before `start` and twice."""
        server, serving = self._server, self._serving
        self._server = self._serving = None
        if server is not None and serving is not None:
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    """Uvicorn as a guest: signals are the process's business, connections come from our acceptor."""

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        connections: Connections,
        limits: HttpLimits,
        tls: ServerTls | None,
        max_body: int | None,
    ) -> None:
        super().__init__(config)
        self._max_body = max_body
        self.ready = asyncio.Event()
        self._listener = listener
        self._limits = limits
        self._tls = tls
        self._acceptor = Acceptor(connections, self._serve_connection)
        self._beginning: set[asyncio.Task[None]] = set()  # bounded by the connections

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - ours is the listener
        try:
            await self.lifespan.startup()
            if self.lifespan.should_exit:
                self.should_exit = True
                return
            self.servers = []
            self._acceptor.start(self._listener)
            self.started = True
        finally:
            self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._acceptor.stop()
        for task in self._beginning:
            task.cancel()
        await super().shutdown(sockets)

    def _serve_connection(self, accepted: socket.socket, connection: Connection) -> None:
        task = asyncio.create_task(self._begin(accepted, connection))
        connection.close = task.cancel
        self._beginning.add(task)

        def end(task: asyncio.Task[None]) -> None:
            self._beginning.discard(task)
            if task.cancelled() or task.exception() is not None:
                connection.release()
                accepted.close()

        task.add_done_callback(end)

    async def _begin(self, accepted: socket.socket, connection: Connection) -> None:
        """Make a protocol of a socket; over TLS this takes the handshake."""

        def protocol() -> asyncio.Protocol:
            return LimitedHttp(
                connection,
                self._limits,
                self._max_body,
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )

        loop = asyncio.get_running_loop()
        if self._tls is None:
            await loop.connect_accepted_socket(protocol, accepted)
            return
        try:
            await loop.connect_accepted_socket(
                protocol,
                accepted,
                ssl=self._tls.context(),
                ssl_handshake_timeout=self._limits.header_seconds,
                ssl_shutdown_timeout=self._limits.header_seconds,
            )
        except OSError:  # SSLError is one
            connection.count("handshake")
            raise
