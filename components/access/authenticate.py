"""Finds out who a request comes from: by its bearer token, by the proxy that it came through, or by its login's cookie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from starlette.requests import cookie_parser

from components.access.identity import ANONYMOUS, RESERVED, Identity, shown_name
from components.access.oidc.errors import TokenRefusedError
from components.access.roles import RANK, Right
from components.access.tokens import bearer
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Scope

    from components.access.attempts import Attempts
    from components.access.config import ProxyConfig
    from components.access.metrics import AccessMetrics
    from components.access.oidc.provider import OidcProvider
    from components.access.proxies import Proxies
    from components.access.sessions import Sessions
    from components.access.tokens import Tokens


class WrongCredentialsError(SpanloomError):
    """Credentials that nobody has."""


class TooManyFailuresError(SpanloomError):
    """An address that tried too many wrong ones.

    Args:
        seconds: after which it may try again.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__("too many wrong logins from this address: wait, and look at what sends them")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Authenticator:
    """All ways to prove who one is, and the bounds on trying.

    Args:
        tokens: static ones.
        sessions: logins of browsers.
        attempts: wrong ones, by address.
        proxies: that are believed.
        proxy: how they say who somebody is, if they do.
        oidc: whose tokens are accepted, if there is one.
        metrics: counts.
    """

    tokens: Tokens
    sessions: Sessions
    attempts: Attempts
    proxies: Proxies
    proxy: ProxyConfig | None
    oidc: OidcProvider | None
    metrics: AccessMetrics

    async def identity(self, scope: Scope, headers: Headers) -> Identity:
        """Who it is; `ANONYMOUS` if it does not say.

        Raises:
            WrongCredentialsError: it says something wrong.
            TooManyFailuresError: its address did so too often.
            OidcError: the provider that must say cannot be asked.
        """
        presented = bearer(headers.get("authorization", ""))
        if presented is not None:
            return await self.by_token(presented, scope)
        if self.proxy is not None and (named := self._by_proxy(self.proxy, headers)) is not None:
            return self.distinct(named)
        cookie = cookie_parser(headers.get("cookie", "")).get(cookie_name(scope), "")
        return (self.sessions.find(cookie) if cookie else None) or ANONYMOUS

    async def by_token(self, token: str, scope: Scope) -> Identity:
        """Whose token it is.

        Raises:
            WrongCredentialsError: nobody's.
            TooManyFailuresError: the address tried too many.
            OidcError: the provider that must say cannot be asked.
        """
        found = self.tokens.find(token)
        if found is not None:
            return Identity(found.name, found.role, "token")
        try:
            if self.oidc is not None and token.count(".") == 2:
                return self.distinct(await self.oidc.verify(token))
        except TokenRefusedError as error:
            raise self.wrong(scope, str(error)) from error
        raise self.wrong(scope, "this token is not accepted here")

    def wrong(self, scope: Scope, why: str) -> WrongCredentialsError | TooManyFailuresError:
        """The refusal of a wrong login, which counts for its address.

        What is right is let in from the same address all the while: tokens are too long to guess, and who guesses, perhaps
        behind the same proxy, must lock nobody out.
        """
        self.metrics.failed_logins.inc()
        address = self.proxies.client(scope)
        wait = self.attempts.wait(address)
        if wait > 0:
            return TooManyFailuresError(wait)
        self.attempts.failed(address)
        return WrongCredentialsError(why)

    def _by_proxy(self, proxy: ProxyConfig, headers: Headers) -> Identity | None:
        """Who the proxy names. The headers of a peer that is none are gone by now."""
        names = headers.getlist(proxy.user_header)
        if len(names) != 1 or not names[0].strip():
            return None
        groups = {group.strip() for text in headers.getlist(proxy.groups_header) for group in text.split(",")}
        roles = [proxy.roles[group] for group in groups if group in proxy.roles]
        role = max(roles, key=RANK.index) if roles else proxy.default_role
        return Identity(names[0], role, "proxy")

    def distinct(self, identity: Identity) -> Identity:
        """The same under a name that none of ours has: people choose names at a provider, perhaps one of a token here."""
        name = shown_name(identity.name)
        ours = name in RESERVED or name in self.tokens.names or name.endswith(")")
        return replace(identity, name=f"{name} ({identity.source})" if ours or not name else name)

    def may_log_in(self, identity: Identity) -> bool:
        """Whether the console is for them."""
        return identity.may(Right.READ)


def cookie_name(scope: Scope) -> str:
    """The cookie of a login. Cookies know no port, and several of us may run on one machine."""
    server = scope.get("server")
    return f"spanloom_session_{server[1] if server else 0}"
