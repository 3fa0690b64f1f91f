"""Requests at the check of access: none without a credential reaches a route that changes something, however it is written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from components.access.attempts import Attempts
from components.access.authenticate import Authenticator
from components.access.login.form import Login
from components.access.metrics import AccessMetrics
from components.access.middleware import AccessMiddleware
from components.access.origins import Origins, host_of
from components.access.policy import WEBSOCKET, Asks, Need
from components.access.proxies import Proxies, address_of
from components.access.roles import Role
from components.access.sessions import Sessions
from components.access.tokens import TokenConfig, Tokens, new_token, token_hash
from components.sender import grpc_host, sender_of_peer, sender_of_record
from spanloom.access.route_policy import POLICY, ROUTES
from telemetry.errors import InputError
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from contextlib import ExitStack

    from starlette.requests import Request

NEEDLESS = frozenset({Need.NOTHING, Need.LINK, Need.READ, Need.METRICS})
"""What a request without a credential may reach where reading is open."""
HOUR = 3600.0


class _Guarded:
    """Every declared route behind the check, each noting that it was reached."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self.reached: list[tuple[Need, str]] = []
        self._clock = 0
        tokens = Tokens([TokenConfig(name="admin", role=Role.ADMIN, hash=token_hash(new_token()))])
        authenticator = Authenticator(
            tokens=tokens,
            sessions=Sessions(self._now, HOUR),
            attempts=Attempts(self._now),
            proxies=Proxies(()),
            proxy=None,
            oidc=None,
            metrics=AccessMetrics(CollectorRegistry()),
        )
        login = {route.path for route in Login(authenticator).routes()}
        routes = [
            Route(route.path, self._note(route.needs[method]), methods=[method])
            for route in ROUTES
            for method in route.needs
            if method != WEBSOCKET and route.path not in login
        ]
        self._app = AccessMiddleware(
            app=Starlette(routes=[*Login(authenticator).routes(), *routes]),
            policy=POLICY,
            origins=Origins(),
            authenticator=authenticator,
            read=Asks.NOBODY,
            metrics=Asks.NOBODY,
        )

    def close(self) -> None:
        """End the loop."""
        self._loop.close()

    def _now(self) -> int:
        self._clock += 60_000_000_000  # so that wrong logins are forgiven, and each input is alone
        return self._clock

    def _note(self, need: Need) -> Any:
        async def reached(request: Request) -> Response:
            self.reached.append((need, request.scope["path"]))
            return Response("")

        return reached

    def ask(self, data: bytes) -> int:
        """A request: its line, its headers, and after an empty line its body. Gives the status of the answer."""
        head, _, body = data.partition(b"\n\n")
        line, *fields = head.split(b"\n")
        method, _, target = line.partition(b" ")
        path, _, query = target.partition(b"?")
        headers = [(name.strip().lower(), value.strip()) for name, _, value in (each.partition(b":") for each in fields)]
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
            "method": method.decode("latin-1").upper() or "GET", "query_string": query, "headers": headers,
            "path": unquote_to_bytes(path).decode("utf-8", "replace"), "raw_path": quote_from_bytes(path, "/%").encode(),
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8080),
        }  # fmt: skip
        self.reached.clear()
        self._loop.run_until_complete(self._app(scope, receive, send))
        return statuses[0]


def of_requests(stack: ExitStack) -> Target:
    """Requests without a valid credential."""
    guarded = _Guarded()
    stack.callback(guarded.close)

    def run(data: bytes) -> None:
        status = guarded.ask(data)
        assert status < 500, f"answered {status}"
        beyond = [(need, path) for need, path in guarded.reached if need not in NEEDLESS]
        assert not beyond, f"reached without a credential: {beyond}"

    host = b"\nhost: 127.0.0.1:8080"
    seeds = (
        b"GET /api/v1/status?x=1" + host + b"\ncookie: spanloom_session_8080=AAAA",
        b"POST /api/v1/rules/evil"
        + host
        + b"\nauthorization: Bearer spanloom_"
        + b"A" * 43
        + b"\ncontent-type: application/yaml\n\nname: a",
        b"DELETE /api/v2/silence/1"
        + host
        + b"\norigin: http://127.0.0.1:8080\nx-forwarded-user: admin\nsec-fetch-site: same-origin",
        b"POST /login" + host + b"\ncontent-type: application/x-www-form-urlencoded\n\ntoken=spanloom_x&next=/map",
        b"GET /login?token=x&next=//evil" + host,
        b"POST /api/v1/incidents/a/approval?expires=1&token=x" + host,
    )
    words = (
        b"//", b"/..", b"%2f", b"%00", b"\n", b"host:", b"[::1]", b"@", b"bearer ", b"HEAD ", b"OPTIONS ", b"%c0%af", b";",
        b"\xff", b"/healthz", b"null", b"origin:", b"; ", b"=", b'"', b"/login",
    )  # fmt: skip
    return Target("access-requests", run, seeds, words)


def _texts(data: bytes) -> None:
    """Small readers of headers."""
    text = data.decode("latin-1")
    host = host_of(text)
    assert host is None or host in text.lower(), "a host that was not named"
    address_of(text)
    sender = sender_of_record(data, "kafka")
    assert len(sender) <= 200
    sender_of_peer(text, {text: text})
    grpc_host(text)
    Tokens(()).find(text)


TARGETS = (
    Target(
        "header-values",
        _texts,
        (b"127.0.0.1:8080", b"[::1]:80", b"example.org.", b"token:a", b"ipv6:%5B::1%5D:5", b"::ffff:127.0.0.1%eth0"),
        (b"[", b"]", b"@", b"%", b":", b"::", b"\x00", b"#", b"?", b"/", b"\\", b".."),
        allowed=(InputError,),
    ),
)
