"""The port of the console, the API and the probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware.trustedhost import TrustedHostMiddleware

from components.http_server import HttpServer

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from components.connections import ConnectionMetrics
    from components.http_protocol import HttpLimits
    from components.tls import TlsConfig

STOP_SECONDS = 2
"""How long open connections may take to end: browsers keep a WebSocket each."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ConsoleServer(HttpServer):
    """An ASGI app on a port, from `start` to `stop`.

    Args:
        app: what to serve.
        host: where to listen. The console asks nobody who they are: leave it on loopback, or put a proxy before it.
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
        # On loopback only names of loopback are answered: else a page from elsewhere could rebind its own name to it.
        app = TrustedHostMiddleware(app, ["localhost", "127.0.0.1", "[::1]"]) if host in LOOPBACK else app
        super().__init__(
            app,
            "console",
            host,
            port,
            limits=limits,
            tls=tls,
            metrics=metrics,
            lifespan="on",
            stop_seconds=STOP_SECONDS,
        )
