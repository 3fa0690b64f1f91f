"""Who a request comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.types import Scope

    from components.access.roles import Right, Role

KEY = "identity"
"""Where `scope["state"]` has it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A person or a program that was authenticated; or `ANONYMOUS`.

    Args:
        name: as the audit trail names it.
        role: None: it may nothing.
        source: token, oidc, proxy or anonymous.
    """

    name: str
    role: Role | None
    source: str

    @property
    def authenticated(self) -> bool:
        """Whether it proved who it is."""
        return self.role is not None

    def may(self, right: Right) -> bool:
        """Whether its role gives a right."""
        return self.role is not None and self.role.has(right)


MAX_NAME = 100

RESERVED = frozenset({"anonymous", "automatic", "backtest"})
"""What the audit trail calls nobody, and the product itself."""


def shown_name(text: str) -> str:
    """A name as it may stand in an audit trail and on a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()[:MAX_NAME]


ANONYMOUS = Identity("anonymous", None, "anonymous")


def identify(scope: Scope, identity: Identity) -> None:
    """Let whoever handles the request know who it comes from."""
    scope["state"] = {**(scope.get("state") or {}), KEY: identity}


def identity_of(request: HTTPConnection) -> Identity:
    """Who a request comes from. One that passed no `AccessMiddleware` comes from nobody."""
    found: Identity = (request.scope.get("state") or {}).get(KEY, ANONYMOUS)
    return found
