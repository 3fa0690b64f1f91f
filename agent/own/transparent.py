"""Listeners of connections that were redirected here: HTTP is read, everything else goes on as it is to where it was sent.

What a connection speaks is seen in its first bytes: TLS with the name that it asks for, HTTP/1, HTTP/2 (gRPC too). A client
that says nothing is waited for a moment: in its protocol the server speaks first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.identity import any_address, resource
from agent.own.http import ORIGINAL, http_manager, of_peer, original, peer_name, routes, virtual_host
from agent.relay.messages import LISTENER, ROUTES
from components.xds.contract import INBOUND, OUTBOUND
from components.xds.pool import TYPE_PREFIX
from components.xds.telemetry import connection_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.config import AgentConfig, InterceptConfig

_HTTP_PROTOCOLS = ("http/1.0", "http/1.1", "h2c")


def transparent(config: AgentConfig, intercept: InterceptConfig) -> Iterator[Mapping[str, object]]:
    """Resources of interception. Requests to peers are named by them; all go to the address that the client chose."""
    yield original()
    everything = {"name": "any", "domains": ["*"], "routes": list(routes((), ORIGINAL))}
    if intercept.inbound:
        yield _listener(config, INBOUND, intercept.inbound_port, intercept)
        yield {"@type": ROUTES, "name": INBOUND, "virtual_hosts": [everything]}
    if intercept.outbound:
        for peer in config.peers:
            yield of_peer(peer, original(peer_name(peer)))
        yield _listener(config, OUTBOUND, intercept.outbound_port, intercept)
        hosts = [*(virtual_host(peer) for peer in config.peers), everything]
        yield {"@type": ROUTES, "name": OUTBOUND, "virtual_hosts": hosts}


def _listener(config: AgentConfig, name: str, port: int, intercept: InterceptConfig) -> dict[str, object]:
    address: dict[str, object] = {"address": any_address(), "port_value": port}
    if address["address"] == "::":
        address["ipv4_compat"] = True
    http = {
        "name": "http",
        "filter_chain_match": {"application_protocols": list(_HTTP_PROTOCOLS)},
        "filters": [http_manager(config, name)],
    }
    tls = {
        "name": "tls",
        "filter_chain_match": {"transport_protocol": "tls"},
        "filters": [_pass_on(config, f"{name}_tls")],
    }
    return {
        "@type": LISTENER,
        "name": name,
        "traffic_direction": name.upper(),
        "address": {"socket_address": address},
        "listener_filters": [
            _inspector("original_dst.v3.OriginalDst"),
            _inspector("tls_inspector.v3.TlsInspector"),
            _inspector("http_inspector.v3.HttpInspector"),
        ],
        "listener_filters_timeout": f"{intercept.detect_seconds}s",
        "continue_on_listener_filters_timeout": True,
        "filter_chains": [http, tls],
        "default_filter_chain": {"name": "other", "filters": [_pass_on(config, f"{name}_other")]},
        "per_connection_buffer_limit_bytes": 1 << 20,
    }


def _inspector(kind: str) -> dict[str, object]:
    name = kind.partition(".")[0]
    config = {"@type": TYPE_PREFIX + "envoy.extensions.filters.listener." + kind}
    return {"name": f"envoy.filters.listener.{name}", "typed_config": config}


def _pass_on(config: AgentConfig, name: str) -> dict[str, object]:
    token = config.collector.token.get_secret_value() if config.collector.token else ""
    proxy = {
        "@type": TYPE_PREFIX + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": name,
        "cluster": ORIGINAL,
        "idle_timeout": "0s",  # the ends know when they are done
        "access_log": connection_log(resource(config), token=token),
    }
    return {"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}
