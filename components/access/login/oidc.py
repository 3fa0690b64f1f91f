"""The login of the console at an OpenID Connect provider.

GET /login/oidc             leads to it
GET /login/oidc/callback    comes back from it
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route

from components.access.authenticate import cookie_name
from components.access.login.form import PAGE, inside
from components.access.oidc.errors import OidcError, TokenRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from components.access.identity import Identity
    from components.access.login.form import Login
    from components.access.oidc.provider import Begun, OidcProvider

MAX_BEGUN = 1000
"""Logins that wait for the provider; past it the oldest must begin again."""

BEGUN_SECONDS = 600


@dataclass(frozen=True, slots=True)
class OidcLogin:
    """The routes.

    Args:
        oidc: the provider.
        login: begins sessions.
        url: where browsers reach the console; empty: as the request says.
        now: nanoseconds since the epoch.
    """

    oidc: OidcProvider
    login: Login
    url: str
    now: Callable[[], int]
    _begun: OrderedDict[str, tuple[Begun, str, str, int]] = field(default_factory=OrderedDict)

    def routes(self) -> list[Route]:
        """For a Starlette application."""
        return [
            Route("/login/oidc", self._begin, methods=["GET"]),
            Route("/login/oidc/callback", self._back, methods=["GET"]),
        ]

    async def _begin(self, request: Request) -> Response:
        leads_to = inside(request.query_params.get("next", ""))
        try:
            begun = await self.oidc.begin(self._back_url(request))
        except OidcError as error:
            return self.login.form(leads_to, f"{error}.", 503)
        browser = secrets.token_urlsafe(32)
        self._begun[begun.state] = (begun, _hash(browser), leads_to, self.now() + BEGUN_SECONDS * 1_000_000_000)
        if len(self._begun) > MAX_BEGUN:
            self._begun.popitem(last=False)
        answer = RedirectResponse(begun.url, 303)
        self.login.set_cookie(request, answer, _begun_name(request), browser, BEGUN_SECONDS, "lax")
        return answer

    async def _back(self, request: Request) -> Response:
        query, issuer = request.query_params, self.oidc.issuer
        begun, browser, leads_to, until = self._begun.pop(query.get("state", ""), (None, "", "/", 0))
        cookie = cookie_parser(request.headers.get("cookie", "")).get(_begun_name(request), "")
        if begun is None or self.now() >= until or not hmac.compare_digest(_hash(cookie), browser):
            return self.login.form("/", "This login was not begun here, or too long ago: begin again.", 400)
        if query.get("iss", issuer) != issuer or not query.get("code"):
            return self.login.form(leads_to, f"{issuer} did not let you in: {query.get('error', 'no code')[:200]}.", 401)
        answer = await self.login.log_in(request, leads_to, lambda: self._who(request, begun, query["code"]))
        if answer.status_code != 303:
            return answer
        # A redirect would still count as coming from the provider, and the strict cookie would not be sent.
        onward = f'<meta http-equiv="refresh" content="0;url={escape(leads_to)}">'
        page = HTMLResponse(PAGE.format(refresh=onward, content=f'<a href="{escape(leads_to)}">Go on</a>'))
        page.raw_headers += [pair for pair in answer.raw_headers if pair[0] == b"set-cookie"]
        page.delete_cookie(_begun_name(request), path="/login")
        return page

    async def _who(self, request: Request, begun: Begun, code: str) -> Identity:
        try:
            return self.login.authenticator.distinct(await self.oidc.finish(begun, code, self._back_url(request)))
        except TokenRefusedError as error:
            raise self.login.authenticator.wrong(request.scope, str(error)) from error

    def _back_url(self, request: Request) -> str:
        return f"{self.url or str(request.base_url).rstrip('/')}/login/oidc/callback"


def _begun_name(request: Request) -> str:
    return cookie_name(request.scope).replace("session", "login")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
