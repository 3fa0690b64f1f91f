"""Serves the console from the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn
from starlette.middleware.trustedhost import TrustedHostMiddleware

from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

STOP_SECONDS = 2
"""How long open connections may take to end: browsers keep a WebSocket each."""


class ConsoleError(SpanloomError):
    """The console cannot listen."""


class _Server(uvicorn.Server):
    """Says when it is ready, and leaves signals to whoever owns the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # so it ends where an app does not start; whether the process ends is not its to say
            self.should_exit = True
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ConsoleServer:
    """An ASGI app on a port, from `start` to `stop`.

    Args:
        app: what to serve.
        host: where to listen. The console asks nobody who they are: leave it on loopback, or put a proxy before it.
        port: 0 for any free one; `port` is then the one taken.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", port: int = 8080) -> None:
        # On loopback only names of loopback are answered: else a page from elsewhere could rebind its own name to it.
        self._app = TrustedHostMiddleware(app, ["localhost", "127.0.0.1", "[::1]"]) if host in LOOPBACK else app
        self.host = host
        self.port = port
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen; returns when requests are answered.

        Raises:
            ConsoleError: the address cannot be had, or the app did not start.
        """
        bound = self._bind()
        self.port = bound.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=STOP_SECONDS,
            ws="websockets-sansio",
        )
        server = self._server = _Server(config)
        self._serving = asyncio.create_task(server.serve([bound]), name="console")
        ready = asyncio.create_task(server.ready.wait())
        await asyncio.wait((ready, self._serving), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not server.started:
            await self.stop()
            bound.close()
            raise ConsoleError("the console did not start; the log has the reason")

    async def stop(self) -> None:
        """End. Safe before `start` and twice."""
        server, serving = self._server, self._serving
        self._server = self._serving = None
        if server is None or serving is None:
            return
        server.should_exit = True
        await serving

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self.host, self.port))
        except OSError as error:
            bound.close()
            raise ConsoleError(
                f"console: cannot listen on {self.host}:{self.port} ({error.strerror}): stop what has it, or name another port"
            ) from error
        bound.setblocking(False)
        return bound
