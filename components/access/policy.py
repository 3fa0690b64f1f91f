"""Which right each route needs: one declared table, and what is not in it is not there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from starlette.routing import compile_path

from components.access.roles import Right

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

WEBSOCKET = "WEBSOCKET"
"""Stands for a method where a WebSocket is opened."""


class Need(StrEnum):
    """What a route asks of a request."""

    NOTHING = "nothing"
    LINK = "link"
    """A signed link, which the route checks itself."""
    METRICS = "metrics"
    """The right to read, unless the configuration opens the metrics."""
    READ = "read"
    """The right to read, unless the configuration opens it."""
    OPERATE = "operate"
    ADMINISTER = "administer"

    @property
    def right(self) -> Right | None:
        """The right that a role must give; None where nobody is asked."""
        return _RIGHT_OF.get(self)


_RIGHT_OF = {
    Need.METRICS: Right.READ,
    Need.READ: Right.READ,
    Need.OPERATE: Right.OPERATE,
    Need.ADMINISTER: Right.ADMINISTER,
}


class Asks(StrEnum):
    """Whom reading is refused without the right to."""

    NOBODY = "nobody"
    NOT_THIS_MACHINE = "not this machine"
    """Whoever's request was passed on: a proxy on this machine brings strangers."""
    EVERYBODY = "everybody"

    def lets(self, *, forwarded: bool) -> bool:
        """Whether a request is let in though it proves nothing."""
        return self is Asks.NOBODY or (self is Asks.NOT_THIS_MACHINE and not forwarded)


@dataclass(frozen=True, slots=True)
class Route:
    """A path, as Starlette writes it, and what each of its methods needs.

    Args:
        path: such as `/api/v1/rules/{namespace}`.
        needs: by method; GET stands for HEAD too.
        page: whether it is a page of the console, which needs scripts.
    """

    path: str
    needs: dict[str, Need]
    page: bool = False


class Match(NamedTuple):
    """What the policy says of a request: its route, if the path has one, and the need, if the method has one."""

    route: Route | None
    need: Need | None


class Policy:
    """The declared routes. Of two that match a path the first counts that names the method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: list[tuple[re.Pattern[str], Route]] = [(compile_path(route.path)[0], route) for route in routes]

    def find(self, method: str, path: str) -> Match:
        """What a request needs."""
        method = "GET" if method == "HEAD" else method
        known: Route | None = None
        for pattern, route in self._routes:
            if pattern.match(path):
                if method in route.needs:
                    return Match(route, route.needs[method])
                known = known or route
        return Match(known, None)
