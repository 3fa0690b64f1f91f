"""Envoy's bootstrap: who it is, where its configuration comes from, where telemetry goes, and its bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.identity import node
from components.xds.contract import LIMITS, RUNTIME_LAYER
from components.xds.peer_name import is_address, name_matcher
from components.xds.pool import TYPE_PREFIX
from components.xds.telemetry import COLLECTOR, collector_service, detectors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.config import Address, AgentConfig, CollectorConfig

RELAY = "spanloom-relay"
"""The cluster of the relay."""

_ADS: dict[str, object] = {"ads": {}, "resource_api_version": "V3"}
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def bootstrap(config: AgentConfig, relay: Path, admin: Path) -> dict[str, object]:
    """The bootstrap as JSON.

    Args:
        config: of the agent.
        relay: the socket of the relay.
        admin: the socket that Envoy is to make for its administration.
    """
    return {
        "node": node(config),
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": RELAY}}],
            },
            "cds_config": _ADS,
            "lds_config": _ADS,
        },
        "layered_runtime": {"layers": [{"name": "rtds", "rtds_layer": {"name": RUNTIME_LAYER, "rtds_config": _ADS}}]},
        "static_resources": {"clusters": [_relay(RELAY, relay), _relay(LIMITS, relay), _collector(config.collector)]},
        "stats_sinks": [_metrics(config.collector)],
        "stats_flush_interval": f"{config.collector.stats_seconds}s",
        # Versions are 64-bit hashes, and no metrics.
        "stats_config": {"stats_matcher": {"exclusion_list": {"patterns": [{"suffix": ".version"}]}}},
        "overload_manager": _bounds(config),
    }


def endpoints(cluster: str, addresses: Sequence[object]) -> dict[str, object]:
    """The `load_assignment` of a cluster."""
    found = [{"endpoint": {"address": address}} for address in addresses]
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": found}]}


def socket_address(address: Address) -> dict[str, object]:
    """An address as Envoy writes it."""
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def discovery(addresses: Sequence[Address]) -> str:
    """The type of a cluster: static where no name has to be resolved."""
    return "STATIC" if all(is_address(address.host) for address in addresses) else "STRICT_DNS"


def _grpc_cluster(name: str, kind: str, address: object) -> dict[str, object]:
    keepalive = {"interval": "20s", "timeout": "10s"}
    options = {
        "@type": TYPE_PREFIX + _HTTP,
        "explicit_http_config": {"http2_protocol_options": {"connection_keepalive": keepalive}},
    }
    return {
        "name": name,
        "type": kind,
        "connect_timeout": "2s",
        "typed_extension_protocol_options": {_HTTP: options},
        "load_assignment": endpoints(name, [address]),
    }


def _relay(name: str, socket: Path) -> dict[str, object]:
    return _grpc_cluster(name, "STATIC", {"pipe": {"path": str(socket)}})


def _collector(config: CollectorConfig) -> dict[str, object]:
    cluster = _grpc_cluster(COLLECTOR, discovery([config.address]), socket_address(config.address))
    if config.ca is not None:
        host = config.address.host
        own: dict[str, object] = {}
        if config.certificate is not None and config.key is not None:
            pair = {"certificate_chain": config.certificate, "private_key": config.key}
            own["tls_certificates"] = [{name: {"inline_string": path.read_text()} for name, path in pair.items()}]
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": TYPE_PREFIX + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                **({} if is_address(host) else {"sni": host}),
                "common_tls_context": {
                    "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                    "alpn_protocols": ["h2"],
                    **own,
                    "validation_context": {
                        "trusted_ca": {"inline_string": config.ca.read_text()},
                        "match_typed_subject_alt_names": [name_matcher(host)],
                    },
                },
            },
        }
    return cluster


def _metrics(config: CollectorConfig) -> dict[str, object]:
    token = config.token.get_secret_value() if config.token else ""
    return {
        "name": "envoy.stat_sinks.open_telemetry",
        "typed_config": {
            "@type": TYPE_PREFIX + "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig",
            "grpc_service": collector_service(token, config.timeout_seconds),
            "resource_detectors": detectors(),
            "emit_tags_as_attributes": True,
            "prefix": "envoy",
        },
    }


def _bounds(config: AgentConfig) -> dict[str, object]:
    """Past these Envoy refuses, rather than die."""
    monitors = "envoy.extensions.resource_monitors."
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.fixed_heap",
                "typed_config": {
                    "@type": TYPE_PREFIX + monitors + "fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": config.envoy.max_heap_bytes,
                },
            },
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": TYPE_PREFIX + monitors + "downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": config.envoy.max_connections,
                },
            },
        ],
        "actions": [
            {"name": f"envoy.overload_actions.{action}", "triggers": [_above_heap(share)]}
            for action, share in (("shrink_heap", 0.9), ("stop_accepting_requests", 0.97))
        ],
    }


def _above_heap(share: float) -> dict[str, object]:
    return {"name": "envoy.resource_monitors.fixed_heap", "threshold": {"value": share}}
