"""The two listeners of an agent. Their shape depends on where the agent stands, and on no policy.

A changed listener reaches no connection that is kept alive, so all that policies change is elsewhere: filters are in
the chain and off, and routes turn them on; certificates come by SDS; who proves no identity is refused by a filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.xds.contract import INBOUND, OUTBOUND
from components.xds.pool import TYPE_PREFIX
from components.xds.telemetry import access_log, tracing
from governance.compile.clusters import ORIGINAL
from governance.compile.filters import http_filters
from governance.compile.matches import seconds
from governance.compile.tls import ADS, tls_context

if TYPE_CHECKING:
    from governance.compile.site import Options, Site
    from telemetry.json_object import JsonObject

_CONNECTIONS = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TLS = "envoy.extensions.transport_sockets.tls.v3."
_DETECT_SECONDS = "0.2s"
"""How long a client that says nothing is waited for: of a protocol whose server speaks first."""


def listeners(site: Site, options: Options) -> list[JsonObject]:
    """Those that the site names a port for."""
    found = []
    if site.inbound:
        found.append(_inbound(site, options))
    if site.outbound:
        found.append(_outbound(site, options))
    return found


def _inbound(site: Site, options: Options) -> JsonObject:
    connections = _manager(INBOUND, site, options, http_filters(options, inbound=True))
    found = _listener(INBOUND, site.address, site.inbound, site)
    chains: list[JsonObject] = [{"name": "plain", "filters": [connections]}]
    if options.trust_domain:
        context = {
            "@type": TYPE_PREFIX + _TLS + "DownstreamTlsContext",
            "require_client_certificate": True,
            "disable_stateless_session_resumption": True,
            "common_tls_context": tls_context(alpn=("h2", "http/1.1")),
        }
        secure = {"name": "envoy.transport_sockets.tls", "typed_config": context}
        match = {"transport_protocol": "tls"}
        chains.append({"name": "mtls", "filter_chain_match": match, "filters": [connections], "transport_socket": secure})
    elif site.transparent:
        chains = [_http_only(connections)]
        found["default_filter_chain"] = _pass_on()
    found["filter_chains"] = chains
    return found


def _outbound(site: Site, options: Options) -> JsonObject:
    connections = _manager(OUTBOUND, site, options, http_filters(options, inbound=False))
    found = _listener(OUTBOUND, "::" if site.transparent else "127.0.0.1", site.outbound, site)
    if site.transparent:
        found["filter_chains"] = [_http_only(connections)]
        found["default_filter_chain"] = _pass_on()
    else:
        found["filter_chains"] = [{"name": "plain", "filters": [connections]}]
    return found


def _listener(name: str, address: str, port: int, site: Site) -> JsonObject:
    socket: JsonObject = {"address": address, "port_value": port}
    if address == "::":
        socket["ipv4_compat"] = True
    inspectors = [_inspector("tls_inspector.v3.TlsInspector")]
    if site.transparent:
        inspectors = [_inspector("original_dst.v3.OriginalDst"), *inspectors, _inspector("http_inspector.v3.HttpInspector")]
    return {
        "name": name,
        "address": {"socket_address": socket},
        "traffic_direction": name.upper(),
        "listener_filters": inspectors,
        "listener_filters_timeout": _DETECT_SECONDS,
        "continue_on_listener_filters_timeout": True,
        "per_connection_buffer_limit_bytes": 1 << 20,
    }


def _inspector(kind: str) -> JsonObject:
    return {
        "name": kind.partition(".")[0],
        "typed_config": {"@type": TYPE_PREFIX + "envoy.extensions.filters.listener." + kind},
    }


def _http_only(connections: JsonObject) -> JsonObject:
    return {
        "name": "http",
        "filter_chain_match": {"application_protocols": ["http/1.0", "http/1.1", "h2c"]},
        "filters": [connections],
    }


def _pass_on() -> JsonObject:
    """What is no HTTP goes where it was sent."""
    proxy = {
        "@type": TYPE_PREFIX + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "passed",
        "cluster": ORIGINAL,
    }
    return {"name": "passed", "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]}


def _manager(name: str, site: Site, options: Options, filters: list[JsonObject]) -> JsonObject:
    config: JsonObject = {
        "@type": TYPE_PREFIX + _CONNECTIONS,
        "stat_prefix": name,
        "rds": {"route_config_name": name, "config_source": ADS},
        "http_filters": filters,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "request_headers_timeout": "30s",
        "common_http_protocol_options": {"idle_timeout": "300s", "max_connection_duration": seconds(options.max_connection)},
        "server_header_transformation": "PASS_THROUGH",
    }
    if site.telemetry:
        service = site.service.rpartition("/")[2]
        config["tracing"] = tracing(service, outbound=name == OUTBOUND)
        config["access_log"] = access_log({"service.name": service})
    if name == INBOUND:
        config |= {"forward_client_cert_details": "SANITIZE_SET", "set_current_client_cert_details": {"uri": True}}
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}
