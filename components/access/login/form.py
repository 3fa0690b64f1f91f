"""The login of the console by a link or form with a token.

GET  /login                  the form; with ?token=TOKEN it logs in and leads on, so that the token leaves the address
POST /login                  the form's token
POST /logout
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from components.access.authenticate import TooManyFailuresError, WrongCredentialsError, cookie_name
from components.access.oidc.errors import OidcError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from components.access.authenticate import Authenticator
    from components.access.identity import Identity

MAX_FORM = 20_000
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Log in · Spanloom</title>{refresh}
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:12vh auto;padding:0 1rem;color-scheme:light dark}}
input,button,a.button{{font:inherit;padding:.5rem .75rem;box-sizing:border-box;width:100%;margin:.25rem 0;display:block;
text-align:center}}.wrong{{color:#c62828}}</style></head><body><h1>Spanloom</h1>{content}</body></html>"""

_FORM = """<form method="post" action="/login"><label>Token <input name="token" type="password" autocomplete="off" required>
</label><input type="hidden" name="next" value="{next}"><button>Log in</button></form>"""


@dataclass(frozen=True, slots=True)
class Login:
    """The routes.

    Args:
        authenticator: knows tokens and sessions.
        issuer: where else people log in, if anywhere.
        secure: whether browsers reach the console by https, though this server may not know.
    """

    authenticator: Authenticator
    issuer: str = ""
    secure: bool = False

    def routes(self) -> list[Route]:
        """For a Starlette application."""
        return [
            Route("/login", self._page, methods=["GET"]),
            Route("/login", self._posted, methods=["POST"]),
            Route("/logout", self._end, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        token, leads_to = request.query_params.get("token"), inside(request.query_params.get("next", ""))
        return self.form(leads_to) if token is None else await self._by_token(request, token, leads_to)

    async def _posted(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM:
                return self.form("/", "That is no token.", 413)
        fields = parse_qs(body.decode("latin-1"))
        token, leads_to = (fields.get(name, [""])[-1] for name in ("token", "next"))
        return await self._by_token(request, token.strip(), inside(leads_to))

    async def _by_token(self, request: Request, token: str, leads_to: str) -> Response:
        return await self.log_in(request, leads_to, lambda: self.authenticator.by_token(token, request.scope))

    async def log_in(self, request: Request, leads_to: str, who: Callable[[], Awaitable[Identity]]) -> Response:
        """Begin a session for whoever `who` gives; 303 leads on."""
        try:
            identity = await who()
        except WrongCredentialsError as error:
            return self.form(leads_to, f"{error}.", 401)
        except TooManyFailuresError as error:
            answer = self.form(leads_to, f"{error}.", 429)
            answer.headers["retry-after"] = str(int(error.seconds) + 1)
            return answer
        except OidcError as error:
            return self.form(leads_to, f"{error}.", 503)
        if not self.authenticator.may_log_in(identity):
            return self.form(leads_to, f"{identity.name} may only send telemetry.", 403)
        self.authenticator.metrics.logins.labels(identity.source).inc()
        answer = RedirectResponse(leads_to, 303)
        sessions = self.authenticator.sessions
        self.set_cookie(request, answer, cookie_name(request.scope), sessions.begin(identity), sessions.seconds, "strict")
        return answer

    async def _end(self, request: Request) -> Response:
        name = cookie_name(request.scope)
        self.authenticator.sessions.end(request.cookies.get(name, ""))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(name)
        return answer

    def set_cookie(self, request: Request, answer: Response, name: str, value: str, seconds: int, same_site: str) -> None:
        """Give a browser a secret: for the whole console, or on the way to a provider and back (`lax`)."""
        answer.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/" if same_site == "strict" else "/login",
            secure=self.secure or request.url.scheme == "https",
            httponly=True,
            samesite="strict" if same_site == "strict" else "lax",
        )

    def form(self, leads_to: str, wrong: str = "", status: int = 200) -> Response:
        """The form, with what went wrong."""
        content = f'<p class="wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
        if self.issuer:
            link = f"/login/oidc?next={quote(leads_to, safe='')}"
            content += f'<p><a class="button" href="{escape(link)}">Log in at {escape(self.issuer)}</a></p>'
        return HTMLResponse(PAGE.format(refresh="", content=content + _FORM.format(next=escape(leads_to))), status)


def inside(path: str) -> str:
    """A path of ours; what could lead elsewhere is the first page."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"
