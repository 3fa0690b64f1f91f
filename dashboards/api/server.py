"""The port of the console, the API and the probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.http.server import HttpServer

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from components.http.protocol import HttpLimits
    from components.sockets.connections import ConnectionMetrics
    from components.tls import TlsConfig

STOP_SECONDS = 2
"""How long open connections may take to end: browsers keep a WebSocket each."""

MAX_BODY = 8 * 2**20
"""Largest body of a request, such as rules or alerts that are posted."""


class ConsoleServer(HttpServer):
    """An ASGI app on a port, from `start` to `stop`.

    Args:
        app: what to serve, with the check of who may ask it.
        host: where to listen.
        port: 0 for any free one; `port` is then the one bound.
        limits: of connections.
        tls: certificates; without them it is plain HTTP.
        metrics: where connections are counted.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        limits: HttpLimits | None = None,
        tls: TlsConfig | None = None,
        metrics: ConnectionMetrics | None = None,
    ) -> None:
        super().__init__(
            app,
            "console",
            host,
            port,
            limits=limits,
            tls=tls,
            metrics=metrics,
            max_body_bytes=MAX_BODY,
            lifespan="on",
            stop_seconds=STOP_SECONDS,
        )
