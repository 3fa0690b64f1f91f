"""Through a proxy, or not: what `no_proxy` says of networks."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network


class ByNetwork(httpx2.AsyncBaseTransport):
    """Reaches addresses of some networks directly, and all else through a proxy.

    Only a host that is written as an address is in a network: what a name leads to is for the proxy to know.
    """

    def __init__(
        self,
        networks: Sequence[IPv4Network | IPv6Network],
        direct: httpx2.AsyncBaseTransport,
        proxied: httpx2.AsyncBaseTransport,
    ) -> None:
        self._networks, self._direct, self._proxied = networks, direct, proxied

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, by the way of its host."""
        way = self._direct if self._is_within(request.url.host) else self._proxied
        return await way.handle_async_request(request)

    def _is_within(self, host: str) -> bool:
        try:
            address = ip_address(host.strip("[]"))
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._direct.aclose()
        await self._proxied.aclose()
