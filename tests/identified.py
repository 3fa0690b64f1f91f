"""An app whose requests come from somebody, for tests of routes without the check of access before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.access.identity import Identity, identify
from components.access.roles import Role

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass
class Identified:
    """Every request comes from `name`, an operator."""

    app: ASGIApp
    name: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        identify(scope, Identity(self.name, Role.OPERATOR, "token"))
        await self.app(scope, receive, send)
