"""The parts of proxies for HTTP: what reads requests, where they go, and whom they reach."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agent.bootstrap import discovery, endpoints, socket_address
from agent.observe import MANAGER, Observer
from agent.relay.messages import CLUSTER
from components.xds.contract import INBOUND, OUTBOUND
from components.xds.pool import TYPE_PREFIX
from components.xds.telemetry import peer_metadata, route_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.config import Address, AgentConfig, PeerConfig

ORIGINAL: Final = "original"
"""The cluster of connections that go where their client sent them."""

_HTTP: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_UNBOUNDED: Final = 1_000_000
"""Instead of Envoy's 1,024 connections and requests: without a policy a proxy refuses nothing."""


def http_manager(config: AgentConfig, name: str) -> dict[str, object]:
    """The filter that passes requests on as they are, and says what it saw.

    Args:
        config: of the agent.
        name: INBOUND or OUTBOUND, which is also that of its routes.
    """
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": TYPE_PREFIX + "envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": True,
        },
    }
    manager = {
        "@type": MANAGER,
        "stat_prefix": name,
        "codec_type": "AUTO",
        "rds": {"route_config_name": name, "config_source": {"ads": {}, "resource_api_version": "V3"}},
        "http_filters": [router],
        "http_protocol_options": {"accept_http_10": True},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "server_header_transformation": "PASS_THROUGH",
        "request_headers_timeout": "60s",
        "stream_idle_timeout": "3600s",
        "use_remote_address": name == INBOUND,
        "skip_xff_append": name == OUTBOUND,
        **Observer(config).telemetry(outbound=name == OUTBOUND),
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def peer_name(peer: PeerConfig) -> str:
    """The name of its cluster and virtual host."""
    return f"{peer.namespace}/{peer.service}" if peer.namespace else peer.service


def virtual_host(peer: PeerConfig) -> dict[str, object]:
    """Requests for a peer, by the host that they name."""
    name = peer_name(peer)
    return {"name": name, "domains": sorted(_domains(peer)), "routes": list(routes(peer.routes, name))}


def _domains(peer: PeerConfig) -> set[str]:
    """Values of `Host` that mean this peer: its domains, with its ports too."""
    ports = {address.port for address in peer.addresses}
    found = {str(address) for address in peer.addresses}
    for domain in peer.domains or (peer.service,):
        found |= {domain} if ":" in domain else {domain, *(f"{domain}:{port}" for port in ports)}
    return found


def routes(templates: Iterable[str], cluster: str) -> Iterator[dict[str, object]]:
    """A route of each template, and one for what is left; none has a timeout of its own, as without a proxy."""
    action = {"cluster": cluster, "timeout": "0s"}
    for template in templates:
        pattern = re.sub(r"\\\{[a-z0-9_]+\\\}", "[^/]+", re.escape(template))
        match = {"safe_regex": {"regex": pattern}} if "{" in template else {"path": template}
        yield {"name": template, "match": match, "route": action, "metadata": route_metadata(template)}
    yield {"match": {"prefix": "/"}, "route": action}


def cluster(name: str, addresses: Sequence[Address]) -> dict[str, object]:
    """A cluster of known addresses."""
    found = {"load_assignment": endpoints(name, [socket_address(address) for address in addresses])}
    return {**_cluster(name), "type": discovery(addresses), **found}


def original(name: str = ORIGINAL) -> dict[str, object]:
    """A cluster of whatever address the client chose."""
    return {**_cluster(name), "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}


def of_peer(peer: PeerConfig, found: dict[str, object]) -> dict[str, object]:
    """The cluster as that of a peer, by which spans name it."""
    return {**found, "metadata": peer_metadata(peer.service, peer.namespace)}


def _cluster(name: str) -> dict[str, object]:
    """HTTP/2 where the caller speaks it, HTTP/1.1 where not."""
    most = {"max_connections": _UNBOUNDED, "max_pending_requests": _UNBOUNDED, "max_requests": _UNBOUNDED}
    protocols: dict[str, object] = {"http_protocol_options": {}, "http2_protocol_options": {}}
    return {
        "@type": CLUSTER,
        "name": name,
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [most]},
        "typed_extension_protocol_options": {
            _HTTP: {"@type": TYPE_PREFIX + _HTTP, "use_downstream_protocol_config": protocols}
        },
    }
