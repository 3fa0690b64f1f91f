"""Proxies that applications and callers are configured to use: a reverse proxy, and one for calls to peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.bootstrap import socket_address
from agent.config import Address
from agent.own.http import cluster, http_manager, of_peer, peer_name, routes, virtual_host
from agent.relay.messages import LISTENER, ROUTES
from components.xds.contract import INBOUND, OUTBOUND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.config import AgentConfig

APPLICATION = "application"
"""The cluster of the application."""


def proxies(config: AgentConfig) -> Iterator[Mapping[str, object]]:
    """Resources of the reverse proxy and of the outbound one, as far as they are configured."""
    if (inbound := config.inbound) is not None:
        yield cluster(APPLICATION, [inbound.application])
        yield _listener(config, INBOUND, inbound.host, inbound.port)
        host = {"name": APPLICATION, "domains": ["*"], "routes": list(routes(inbound.routes, APPLICATION))}
        yield {"@type": ROUTES, "name": INBOUND, "virtual_hosts": [host]}
    if (outbound := config.outbound) is not None:
        for peer in config.peers:
            yield of_peer(peer, cluster(peer_name(peer), peer.addresses))
        yield _listener(config, OUTBOUND, outbound.host, outbound.port)
        yield {"@type": ROUTES, "name": OUTBOUND, "virtual_hosts": [virtual_host(peer) for peer in config.peers]}


def _listener(config: AgentConfig, name: str, host: str, port: int) -> dict[str, object]:
    return {
        "@type": LISTENER,
        "name": name,
        "traffic_direction": name.upper(),
        "address": socket_address(Address(host=host, port=port)),
        "filter_chains": [{"filters": [http_manager(config, name)]}],
        "per_connection_buffer_limit_bytes": 1 << 20,
    }
