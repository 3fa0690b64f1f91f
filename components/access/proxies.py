"""What a proxy says of a request, believed only when its address is a configured one."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FORWARDED = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-prefix",
        b"x-real-ip",
        b"via",
    }
)


def address_of(text: str) -> Address | None:
    """An IP address; one of version 4 that came as one of version 6 is the former."""
    try:
        found = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


class Proxies:
    """The proxies that are believed.

    Args:
        networks: their addresses.
        headers: that only they may send, beside those that say where a request came from.
    """

    def __init__(self, networks: Iterable[Network], headers: Iterable[str] = ()) -> None:
        self._networks = tuple(networks)
        self._headers = FORWARDED | {name.lower().encode() for name in headers}

    def trusts(self, scope: Scope) -> bool:
        """Whether the peer is one of them."""
        peer = address_of((scope.get("client") or ("",))[0])
        return peer is not None and self._has(peer)

    def forwarded(self, scope: Scope) -> bool:
        """Whether a request says that somebody passed it on."""
        return any(name.lower() in FORWARDED for name, _ in scope["headers"])

    def strip(self, scope: Scope) -> None:
        """Drop what a peer that is not one of them has no right to say."""
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name.lower() not in self._headers]

    def client(self, scope: Scope) -> str:
        """Where a request came from: the peer, or what a believed proxy says, the last that is not a proxy itself."""
        peer = (scope.get("client") or ("",))[0]
        if not self.trusts(scope):
            return peer
        listed = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
        for text in reversed(listed):
            found = address_of(text)
            if found is None:
                return peer
            if not self._has(found):
                return str(found)
        return peer

    def _has(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)
