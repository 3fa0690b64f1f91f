"""An app behind the check of access, and requests to it as a browser, a program or a proxy would send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route as Answering
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient

from components.access.attempts import Attempts
from components.access.authenticate import Authenticator
from components.access.config import AccessConfig
from components.access.identity import identity_of
from components.access.login.form import Login
from components.access.login.oidc import OidcLogin
from components.access.metrics import AccessMetrics
from components.access.middleware import AccessMiddleware
from components.access.oidc.provider import OidcProvider
from components.access.origins import Origins
from components.access.policy import WEBSOCKET, Asks, Need, Policy, Route
from components.access.proxies import Proxies
from components.access.roles import Role
from components.access.sessions import Sessions
from components.access.tokens import TokenConfig, Tokens, new_token, token_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

HOUR = 3600 * 1_000_000_000
HOST = "http://127.0.0.1:8080"

POLICY = Policy(
    [
        Route("/login", {"GET": Need.NOTHING, "POST": Need.NOTHING}),
        Route("/login/oidc", {"GET": Need.NOTHING}),
        Route("/login/oidc/callback", {"GET": Need.NOTHING}),
        Route("/logout", {"POST": Need.NOTHING}),
        Route("/page", {"GET": Need.READ}, page=True),
        Route("/read", {"GET": Need.READ}),
        Route("/live", {WEBSOCKET: Need.READ}),
        Route("/change", {"POST": Need.OPERATE}),
        Route("/rule", {"POST": Need.ADMINISTER}),
    ]
)


@dataclass
class World:
    """The app and its clock."""

    config: AccessConfig = field(default_factory=AccessConfig)
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    read: Asks = Asks.EVERYBODY
    now: int = HOUR
    clock: Callable[[], int] | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.tokens = {role: new_token() for role in Role}
        entries = [TokenConfig(name=f"the {role}", role=role, hash=token_hash(token)) for role, token in self.tokens.items()]
        proxy, now = self.config.proxy, self.clock or (lambda: self.now)
        headers = (proxy.user_header, proxy.groups_header) if proxy else ()
        self.authenticator = Authenticator(
            tokens=Tokens(entries),
            sessions=Sessions(now, 3600),
            attempts=Attempts(now),
            proxies=Proxies(proxy.addresses if proxy else (), headers),
            proxy=proxy,
            oidc=OidcProvider(self.config.oidc, now) if self.config.oidc else None,
            metrics=AccessMetrics(self.registry),
        )
        login = Login(self.authenticator)
        oidc = self.authenticator.oidc
        logins = [*login.routes(), *(OidcLogin(oidc, login, "", now).routes() if oidc else [])]
        paths = [Answering(path, who, methods=["GET", "POST"]) for path in ("/page", "/read", "/change", "/rule")]
        self.app = AccessMiddleware(
            app=Starlette(routes=[*paths, WebSocketRoute("/live", echo), *logins]),
            policy=POLICY,
            origins=Origins(self.hosts, self.origins),
            authenticator=self.authenticator,
            read=self.read,
            metrics=Asks.EVERYBODY,
        )

    def client(self, url: str = HOST, peer: str = "127.0.0.1") -> TestClient:
        """A client of the app; it keeps cookies."""
        return TestClient(self.app, base_url=url, client=(peer, 50000), follow_redirects=False)

    def bearer(self, role: Role) -> dict[str, str]:
        """The header of a token."""
        return {"authorization": f"Bearer {self.tokens[role]}"}

    def count(self, name: str, **labels: str) -> float:
        """A counter."""
        return self.registry.get_sample_value(f"spanloom_access_{name}_total", labels) or 0.0


async def who(request: Request) -> Response:
    """Answers who asks."""
    identity = identity_of(request)
    found: dict[str, Any] = {"name": identity.name, "role": identity.role, "source": identity.source}
    return JSONResponse(found)


async def echo(socket: WebSocket) -> None:
    """Answers what it gets."""
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)
