"""What an agent without a control plane gives Envoy: a reverse proxy, a proxy for calls to peers, and the file of resources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from agent.bootstrap import discovery, endpoints, socket_address
from agent.config import Address
from agent.identity import resource
from agent.relay.messages import CLUSTER, LISTENER, ROUTES, RUNTIME, pack
from components.xds.contract import INBOUND, OUTBOUND, RUNTIME_LAYER
from components.xds.pool import TYPE_PREFIX
from components.xds.telemetry import access_log, peer_metadata, route_metadata, tracing
from telemetry.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from agent.config import AgentConfig, PeerConfig

APPLICATION = "application"
"""The cluster of the application."""

MAX_FILE_BYTES = 8 << 20
"""Largest file of resources."""

_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_UNBOUNDED = 1_000_000
"""Instead of Envoy's 1,024 connections and requests: without a policy a proxy refuses nothing."""


def own_resources(config: AgentConfig) -> dict[str, dict[str, bytes]]:
    """Serialized resources by type and name.

    Raises:
        ConfigError: the file of resources cannot be used.
    """
    found: list[Mapping[str, object]] = [{"@type": RUNTIME, "name": RUNTIME_LAYER, "layer": {}}]
    if config.control is None:
        found += _proxies(config)
    if config.resources is not None:
        found += read_resources(config.resources)
    packed: dict[str, dict[str, bytes]] = {}
    for one in found:
        try:
            type_url, name, value = pack(one)
        except InputError as error:
            raise ConfigError(f"{config.resources or 'agent'}: {one.get('name', '')}: {error}") from error
        packed.setdefault(type_url, {})[name] = value
    return packed


def read_resources(path: Path) -> list[Mapping[str, object]]:
    """The list in a YAML file.

    Raises:
        ConfigError: it cannot be read, or is no list of mappings.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{path}: more than {MAX_FILE_BYTES} bytes")
        read = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(read, list) or not all(isinstance(one, dict) for one in read):
        raise ConfigError(f"{path}: a list of resources is expected, each a mapping with its @type")
    return read


def _proxies(config: AgentConfig) -> Iterable[Mapping[str, object]]:
    if (inbound := config.inbound) is not None:
        yield _cluster(APPLICATION, [inbound.application])
        yield _listener(config, INBOUND, inbound.host, inbound.port)
        host = {"name": APPLICATION, "domains": ["*"], "routes": list(_routes(inbound.routes, APPLICATION))}
        yield {"@type": ROUTES, "name": INBOUND, "virtual_hosts": [host]}
    if (outbound := config.outbound) is not None:
        for peer in config.peers:
            yield {**_cluster(_peer_name(peer), peer.addresses), "metadata": peer_metadata(peer.service, peer.namespace)}
        yield _listener(config, OUTBOUND, outbound.host, outbound.port)
        yield {"@type": ROUTES, "name": OUTBOUND, "virtual_hosts": [_virtual_host(peer) for peer in config.peers]}


def _peer_name(peer: PeerConfig) -> str:
    return f"{peer.namespace}/{peer.service}" if peer.namespace else peer.service


def _virtual_host(peer: PeerConfig) -> dict[str, object]:
    name = _peer_name(peer)
    return {"name": name, "domains": sorted(_domains(peer)), "routes": list(_routes(peer.routes, name))}


def _domains(peer: PeerConfig) -> set[str]:
    """Values of `Host` that mean this peer: its domains, with its ports too."""
    ports = {address.port for address in peer.addresses}
    found = {str(address) for address in peer.addresses}
    for domain in peer.domains or (peer.service,):
        found |= {domain} if ":" in domain else {domain, *(f"{domain}:{port}" for port in ports)}
    return found


def _routes(templates: Iterable[str], cluster: str) -> Iterable[dict[str, object]]:
    """A route of each template, and one for what is left; none has a timeout of its own, as without a proxy."""
    action = {"cluster": cluster, "timeout": "0s"}
    for template in templates:
        pattern = re.sub(r"\\\{[a-z0-9_]+\\\}", "[^/]+", re.escape(template))
        match = {"safe_regex": {"regex": pattern}} if "{" in template else {"path": template}
        yield {"name": template, "match": match, "route": action, "metadata": route_metadata(template)}
    yield {"match": {"prefix": "/"}, "route": action}


def _cluster(name: str, addresses: Iterable[Address]) -> dict[str, object]:
    """HTTP/2 where the caller speaks it, HTTP/1.1 where not."""
    known = list(addresses)
    most = {"max_connections": _UNBOUNDED, "max_pending_requests": _UNBOUNDED, "max_requests": _UNBOUNDED}
    protocols: dict[str, object] = {"http_protocol_options": {}, "http2_protocol_options": {}}
    return {
        "@type": CLUSTER,
        "name": name,
        "type": discovery(known),
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [most]},
        "typed_extension_protocol_options": {
            _HTTP: {"@type": TYPE_PREFIX + _HTTP, "use_downstream_protocol_config": protocols}
        },
        "load_assignment": endpoints(name, [socket_address(address) for address in known]),
    }


def _listener(config: AgentConfig, name: str, host: str, port: int) -> dict[str, object]:
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": http_manager(config, name)}]
    return {
        "@type": LISTENER,
        "name": name,
        "traffic_direction": name.upper(),
        "address": socket_address(Address(host=host, port=port)),
        "filter_chains": [{"filters": filters}],
        "per_connection_buffer_limit_bytes": 1 << 20,
    }


def http_manager(config: AgentConfig, name: str) -> dict[str, object]:
    """Passes requests on as they are, and says what it saw.

    Args:
        config: of the agent.
        name: INBOUND or OUTBOUND, which is also that of its routes.
    """
    token = config.collector.token.get_secret_value() if config.collector.token else ""
    sampling = config.collector.sampling_percent
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": TYPE_PREFIX + "envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": True,
        },
    }
    return {
        "@type": TYPE_PREFIX + _MANAGER,
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
        "tracing": tracing(config.service, outbound=name == OUTBOUND, sampling_percent=sampling, token=token),
        "access_log": access_log(resource(config), token=token),
    }
