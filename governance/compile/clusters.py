"""Services as clusters: one for all instances, and one for each set of labels that a policy sends requests to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.spiffe import spiffe_id
from components.xds.contract import EXTERNAL_LIMITS
from components.xds.pool import TYPE_PREFIX
from components.xds.telemetry import peer_metadata
from governance.compile.matches import seconds
from governance.compile.tls import limit_socket, tls_context
from governance.model import of_service

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from governance.compile.site import Instance, Options, Site
    from governance.model import Policies, ServiceEntry, Target
    from telemetry.json_object import JsonObject

APPLICATION, ORIGINAL = "application", "original-destination"
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_BALANCING = {"round_robin": "ROUND_ROBIN", "least_request": "LEAST_REQUEST", "ring_hash": "RING_HASH", "maglev": "MAGLEV"}
CONNECT_TIMEOUT = "2s"
_TRIES_AT_LEAST = 3
"""Retries that a service with few requests may have in flight whatever its budget."""


def cluster_name(service: str, labels: Mapping[str, str]) -> str:
    """The cluster of the instances of a service that have these labels."""
    return "|".join((service, *(f"{key}={value}" for key, value in sorted(labels.items()))))


def targets(policies: Policies) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Every set of instances that a policy sends requests to: the service and their labels."""
    found = set()
    for owner, target in _named(policies):
        found.add((target.service or owner, tuple(sorted(target.labels.items()))))
    return found


def _named(policies: Policies) -> Iterator[tuple[str, Target]]:
    for policy in policies.routes:
        for rule in policy.rules:
            for target in rule.to:
                yield policy.service, target
    for mirror in policies.mirrors:
        yield mirror.service, mirror.to


class Clusters:
    """Clusters and endpoints of all services, for the callers of one fleet."""

    def __init__(
        self, policies: Policies, entries: Mapping[str, ServiceEntry], instances: Mapping[str, Sequence[Instance]]
    ) -> None:
        self._policies, self._entries, self._instances = policies, entries, instances
        named = {(service, ()) for service in entries} | {pair for pair in targets(policies) if pair[0] in entries}
        self._named = sorted(named)

    def clusters(self, options: Options) -> Iterator[JsonObject]:
        """One for each set of instances."""
        for service, labels in self._named:
            yield self._cluster(cluster_name(service, dict(labels)), self._entries[service], options)

    def endpoints(self) -> Iterator[JsonObject]:
        """The instances of each."""
        for service, labels in self._named:
            found = [each for each in self._instances.get(service, ()) if each.has(dict(labels))]
            yield {"cluster_name": cluster_name(service, dict(labels)), "endpoints": [_locality(found)] if found else []}

    def _cluster(self, name: str, entry: ServiceEntry, options: Options) -> JsonObject:
        http2 = entry.protocol == "http2"
        found: JsonObject = {
            "name": name,
            "type": "EDS",
            "eds_cluster_config": {"eds_config": {"ads": {}, "resource_api_version": "V3"}},
            "connect_timeout": CONNECT_TIMEOUT,
            "lb_policy": _BALANCING[entry.balancing],
            "metadata": _peer(entry.name),
            "typed_extension_protocol_options": http_options({f"http{2 if http2 else ''}_protocol_options": {}}),
        }
        found |= self._bounds(entry.name)
        if options.trust_domain:
            found["transport_socket_matches"] = [_mtls(spiffe_id(options.trust_domain, entry.name), http2=http2)]
        return found

    def _bounds(self, service: str) -> JsonObject:
        threshold: JsonObject = {"track_remaining": True}
        found: JsonObject = {}
        for breaker in of_service(self._policies.breakers, service):
            bounds = {
                "max_connections": breaker.connections,
                "max_pending_requests": breaker.pending,
                "max_requests": breaker.requests,
            }
            threshold |= {key: value for key, value in bounds.items() if value is not None}
            if out := breaker.outliers:
                found["outlier_detection"] = {
                    "consecutive_5xx": out.consecutive_errors,
                    "interval": seconds(out.interval),
                    "base_ejection_time": seconds(out.ejected_for),
                    "max_ejection_percent": round(out.most),
                }
        for retry in of_service(self._policies.retries, service):
            threshold["retry_budget"] = {
                "budget_percent": {"value": retry.budget},
                "min_retry_concurrency": _TRIES_AT_LEAST,
            }
        found["circuit_breakers"] = {"thresholds": [threshold]}
        return found


def own_clusters(site: Site, options: Options) -> Iterator[JsonObject]:
    """Those that no service is: the workload itself, where intercepted traffic was sent, and who counts limits."""
    either: JsonObject = {"http_protocol_options": {}, "http2_protocol_options": {}}
    options_of = {_HTTP: {"@type": TYPE_PREFIX + _HTTP, "use_downstream_protocol_config": either}}
    if site.inbound and site.application:
        yield {
            "name": APPLICATION,
            "type": "STATIC",
            "connect_timeout": CONNECT_TIMEOUT,
            "typed_extension_protocol_options": options_of,
            "load_assignment": _assignment(APPLICATION, "127.0.0.1", site.application),
        }
    if site.inbound and options.limit_service:
        host, _, port = options.limit_service.rpartition(":")
        yield {
            "name": EXTERNAL_LIMITS,
            "type": "STRICT_DNS",
            "connect_timeout": CONNECT_TIMEOUT,
            "typed_extension_protocol_options": http_options({"http2_protocol_options": {}}),
            "load_assignment": _assignment(EXTERNAL_LIMITS, host.strip("[]"), int(port)),
            **({"transport_socket": limit_socket(options.limit_tls)} if options.limit_tls is not None else {}),
        }
    if site.transparent:
        yield {
            "name": ORIGINAL,
            "type": "ORIGINAL_DST",
            "lb_policy": "CLUSTER_PROVIDED",
            "connect_timeout": CONNECT_TIMEOUT,
            "typed_extension_protocol_options": options_of,
        }


def http_options(explicit: JsonObject) -> JsonObject:
    """Which HTTP instances speak."""
    return {_HTTP: {"@type": TYPE_PREFIX + _HTTP, "explicit_http_config": explicit}}


def _peer(name: str) -> JsonObject:
    """By which spans of calls name the service."""
    namespace, _, service = name.rpartition("/")
    return peer_metadata(service, namespace)


def _assignment(name: str, address: str, port: int) -> JsonObject:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [_endpoint(address, port)]}]}


def _endpoint(address: str, port: int) -> JsonObject:
    return {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}}


def _locality(instances: Iterable[Instance]) -> JsonObject:
    found = []
    for each in instances:
        endpoint = _endpoint(each.address, each.port)
        if each.identity:
            endpoint["metadata"] = {"filter_metadata": {"envoy.transport_socket_match": {"mtls": True}}}
        found.append(endpoint)
    # gRPC's own client serves only localities that have a name and a weight.
    return {"locality": {"region": "fleet"}, "load_balancing_weight": 1, "lb_endpoints": found}


def _mtls(peer: str, *, http2: bool) -> JsonObject:
    context = {
        "@type": TYPE_PREFIX + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": tls_context(alpn=("h2",) if http2 else (), peers=(peer,)),
        "max_session_keys": 0,  # a session resumed would go on with a certificate that has been replaced
    }
    return {
        "name": "mtls",
        "match": {"mtls": True},
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
    }
