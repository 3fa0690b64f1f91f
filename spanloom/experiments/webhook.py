"""A receiver of Alertmanager webhooks: what an on-call system would be."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from starlette.requests import Request

    from telemetry.documents import Body

STATUSES = ("firing", "resolved")


class WebhookReceiver:
    """Listens on loopback from entering to leaving, and hands each notification to `handle`. Port 0 picks a free one."""

    def __init__(self, port: int, handle: Callable[[Body], None]) -> None:
        self._port = port
        self._handle = handle
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        try:
            listener = socket.create_server(("127.0.0.1", self._port))
        except OSError as error:
            raise SpanloomError(f"webhook receiver: 127.0.0.1:{self._port}: {error.strerror}; choose another port") from error
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/webhook"
        app = Starlette(routes=[Route("/webhook", self._webhook, methods=["POST"])])
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        self._serving = asyncio.create_task(self._server._serve([listener]))  # noqa: SLF001  # serve() takes the signals
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving

    async def _webhook(self, request: Request) -> JSONResponse:
        try:
            payload = await request.json()
        except ValueError:
            payload = None
        if not isinstance(payload, dict) or payload.get("status") not in STATUSES or "alerts" not in payload:
            return JSONResponse({"error": "not a payload of Alertmanager's webhook, version 4"}, 400)
        self._handle(payload)
        return JSONResponse({})
