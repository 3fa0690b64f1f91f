"""The headers that NiceGUI adds to its answers, also where the browser goes away before one is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import nicegui
from nicegui import app as nicegui_app
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = f"/_nicegui/{nicegui.__version__}/"
DYNAMIC = f"{STATIC}dynamic_resources/"


@dataclass(frozen=True, slots=True)
class PageHeaders:
    """Lets browsers keep files that never change, and puts a proxy's prefix before a redirect."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, prefix = scope["path"], Headers(scope=scope).get("x-forwarded-prefix", "")

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("location", "").startswith("/"):
                    headers["location"] = prefix + headers["location"]
                if path.startswith(STATIC) and not path.startswith(DYNAMIC):
                    headers["cache-control"] = nicegui_app.config.cache_control_directives
            await send(message)

        await self.app(scope, receive, sending)


def replace_middlewares() -> None:
    """Put this in the place of NiceGUI's own middlewares, which raise where nobody waits for the answer any more."""
    kept = [each for each in nicegui_app.user_middleware if getattr(each.cls, "__module__", "") != "nicegui.middlewares"]
    nicegui_app.user_middleware[:] = [Middleware(PageHeaders), *kept]
