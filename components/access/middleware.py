"""Lets a request in, or says why not: its host, its origin, who it is from, what its route needs. Pure ASGI."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response

from components.access.authenticate import TooManyFailuresError, WrongCredentialsError
from components.access.headers import guarded
from components.access.identity import identify
from components.access.oidc.errors import OidcError
from components.access.policy import WEBSOCKET, Asks, Need

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from components.access.authenticate import Authenticator
    from components.access.identity import Identity
    from components.access.origins import Origins
    from components.access.policy import Match, Policy
    from components.access.roles import Right

LOGIN = "/login"
STATIC = "/assets/"
"""Below it lie files that anybody could have, so browsers may keep them."""

ENDED = 4401
"""Code of a WebSocket whose login ended."""


@dataclass(frozen=True, slots=True)
class AccessMiddleware:
    """Stands before an application.

    Args:
        app: answers what is let in; finds who asks by `identity_of`.
        policy: what each route needs.
        origins: who may be named and who may send.
        authenticator: finds out who it is.
        read: who is asked for the right to read.
        metrics: who is asked for the right to read /metrics.
    """

    app: ASGIApp
    policy: Policy
    origins: Origins
    authenticator: Authenticator
    read: Asks
    metrics: Asks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        proxies = self.authenticator.proxies
        forwarded = proxies.forwarded(scope)
        if not proxies.trusts(scope):
            proxies.strip(scope)
        headers = Headers(scope=scope)
        found = self.policy.find(WEBSOCKET if scope["type"] == "websocket" else scope["method"], scope["path"])
        if scope["type"] == "http":
            page = found.route is not None and found.route.page
            send = guarded(send, page=page, cached=scope["path"].startswith(STATIC))
        refusal = self._foreign(scope, headers) or self._unknown(found)
        if refusal is None and found.need is not Need.NOTHING:
            is_open = self._is_open(found, forwarded=forwarded)
            refusal = await self._unauthorized(scope, headers, found, is_open=is_open)
            if refusal is None and scope["type"] == "websocket" and not is_open:
                receive = self._while_allowed(scope, headers, found, receive, send)
        await (refusal or self.app)(scope, receive, send)

    def _while_allowed(self, scope: Scope, headers: Headers, found: Match, receive: Receive, send: Send) -> Receive:
        """A WebSocket ends with the login that opened it. Browsers send something every half minute at least."""

        async def receiving() -> Message:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            if await self._unauthorized(scope, headers, found, is_open=False) is None:
                return message
            await send({"type": "websocket.close", "code": ENDED})
            return {"type": "websocket.disconnect", "code": ENDED}

        return receiving

    def _foreign(self, scope: Scope, headers: Headers) -> Response | None:
        if not scope["query_string"].isascii():  # what reads it as UTF-8 would fail, each in its own way
            return self._refuse(400, "query", "the query has bytes beyond ASCII: send them percent-encoded")
        if not self.origins.knows_host(scope, headers):
            return self._refuse(400, "host", f"no name of this server: {headers.get('host', '')[:200]!r}; see access.hosts")
        if not self.origins.allows(scope, headers):
            return self._refuse(403, "origin", "a page of another site sent this; see access.origins")
        return None

    def _unknown(self, found: Match) -> Response | None:
        if found.route is None:
            return JSONResponse({"error": "nothing is here"}, 404)
        if found.need is None:
            allowed = ", ".join(sorted(method for method in found.route.needs if method != WEBSOCKET))
            return JSONResponse({"error": f"use {allowed}"}, 405, {"allow": allowed})
        return None

    def _is_open(self, found: Match, *, forwarded: bool) -> bool:
        asks = {Need.LINK: Asks.NOBODY, Need.READ: self.read, Need.METRICS: self.metrics}
        return found.need in asks and asks[found.need].lets(forwarded=forwarded)

    async def _unauthorized(self, scope: Scope, headers: Headers, found: Match, *, is_open: bool) -> Response | None:
        try:
            identity = await self.authenticator.identity(scope, headers)
        except WrongCredentialsError as error:
            return self._unauthenticated(str(error))
        except TooManyFailuresError as error:
            waiting = {"retry-after": str(math.ceil(error.seconds))}
            return self._refuse(429, "too_many_failures", str(error), waiting)
        except OidcError as error:
            return JSONResponse({"error": str(error)}, 503, {"retry-after": "10"})
        identify(scope, identity)
        right = found.need.right if found.need else None
        if is_open or right is None or identity.may(right):
            return None
        return self._missing(found, right, identity, scope, headers)

    def _missing(self, found: Match, right: Right, identity: Identity, scope: Scope, headers: Headers) -> Response:
        """The refusal for want of a right."""
        if identity.authenticated:
            return self._refuse(403, "forbidden", f"{identity.name} ({identity.role}) lacks the right to {right}")
        if identity.source == "proxy":
            return self._refuse(403, "forbidden", f"{identity.name} has no role: see access.proxy.roles")
        if found.route is not None and found.route.page and "text/html" in headers.get("accept", ""):
            asked = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope.get("query_string") else "")
            return RedirectResponse(f"{LOGIN}?next={quote(asked, safe='')}", 303)
        return self._unauthenticated("log in, or send a token as `Authorization: Bearer TOKEN`")

    def _unauthenticated(self, text: str) -> Response:
        return self._refuse(401, "unauthenticated", text, {"www-authenticate": 'Bearer realm="spanloom"'})

    def _refuse(self, status: int, reason: str, text: str, headers: dict[str, str] | None = None) -> Response:
        self.authenticator.metrics.refused.labels(reason).inc()
        return JSONResponse({"error": text}, status, headers)
