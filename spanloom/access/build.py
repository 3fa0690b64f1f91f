"""Builds what stands before the HTTP server of a process: who may do what, by the configuration and the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from components.access.attempts import Attempts
from components.access.authenticate import Authenticator
from components.access.login.form import Login
from components.access.login.oidc import OidcLogin
from components.access.metrics import AccessMetrics
from components.access.middleware import AccessMiddleware
from components.access.origins import Origins
from components.access.policy import Asks
from components.access.proxies import Proxies
from components.access.sessions import Sessions
from components.access.tokens import Tokens
from components.sender import is_loopback
from spanloom.access.local_token import local_entry, make_local_token
from spanloom.access.route_policy import POLICY
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from components.access.config import OidcConfig
    from components.access.oidc.provider import OidcProvider
    from spanloom.config import Config


_ASKS = {"open": Asks.NOBODY, "authenticated": Asks.EVERYBODY}


def require_authentication(config: Config) -> None:
    """Refuse an address that others can reach where nobody could prove who they are.

    Raises:
        ConfigError: says what to set.
    """
    if not is_loopback(config.console.host) and not config.access.asks:
        raise ConfigError(
            f"console.host: {config.console.host or 'every address'} can be reached by others, and nobody is asked who they "
            "are: set access.tokens (SPANLOOM_ACCESS__TOKENS; `spanloom token new --role admin` prints the lines), "
            "access.oidc or access.proxy, or let console.host (SPANLOOM_CONSOLE) be 127.0.0.1. docs/access.md says more"
        )


@dataclass(frozen=True, slots=True)
class Access:
    """What checks the requests of one process.

    Args:
        config: the whole configuration.
        authenticator: finds out who asks.
        oidc: the provider, if there is one.
        local_token: of this machine; empty where others can reach the address.
        now: nanoseconds since the epoch.
    """

    config: Config
    authenticator: Authenticator
    oidc: OidcProvider | None
    local_token: str
    now: Callable[[], int]

    def guard(self, app: ASGIApp) -> AccessMiddleware:
        """The app behind the checks."""
        access = self.config.access
        urls = (access.url, self.config.alerting.external_url)
        hosts = [*access.hosts, self.config.console.host, *(urlsplit(url).hostname or "" for url in urls if url)]
        origins = [*access.origins, *(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in urls if url)]
        local = is_loopback(self.config.console.host) and not access.asks
        read = _ASKS.get(access.read or "", Asks.NOT_THIS_MACHINE if local else Asks.EVERYBODY)
        return AccessMiddleware(
            app=app,
            policy=POLICY,
            origins=Origins([host for host in hosts if host not in {"", "0.0.0.0", "::"}], origins),  # noqa: S104 - not bound
            authenticator=self.authenticator,
            read=read,
            metrics=_ASKS.get(access.metrics or "", read),
        )

    def login_routes(self) -> list[BaseRoute]:
        """Where browsers log in."""
        url = self.config.access.url
        login = Login(self.authenticator, self.oidc.issuer if self.oidc else "", secure=url.startswith("https://"))
        provider = OidcLogin(self.oidc, login, url, self.now).routes() if self.oidc else []
        return [*login.routes(), *provider]

    async def close(self) -> None:
        """End connections to the provider."""
        if self.oidc is not None:
            await self.oidc.close()


def build_access(config: Config, registry: CollectorRegistry, now: Callable[[], int]) -> Access:
    """The checks of a process; on loopback it makes the token of this machine.

    Raises:
        ConfigError: the token's file cannot be used.
    """
    access = config.access
    local = make_local_token(config.data_dir) if is_loopback(config.console.host) else ""
    proxy = access.proxy
    headers = (proxy.user_header, proxy.groups_header) if proxy else ()
    oidc = _provider(access.oidc, now) if access.oidc else None
    authenticator = Authenticator(
        tokens=Tokens([*access.tokens, *([local_entry(local)] if local else [])]),
        sessions=Sessions(now, access.session_hours * 3600),
        attempts=Attempts(now),
        proxies=Proxies(proxy.addresses if proxy else (), headers),
        proxy=proxy,
        oidc=oidc,
        metrics=AccessMetrics(registry),
    )
    return Access(config, authenticator, oidc, local, now)


def _provider(config: OidcConfig, now: Callable[[], int]) -> OidcProvider:
    try:
        from components.access.oidc.provider import OidcProvider  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ConfigError(f"access.oidc: {error.name} is not installed: pip install 'spanloom[oidc]'") from error
    return OidcProvider(config, now)
