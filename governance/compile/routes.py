"""Route configurations: where requests go, and which filters each passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.xds.contract import INBOUND, OUTBOUND
from components.xds.pool import TYPE_PREFIX
from governance.compile import filters
from governance.compile.clusters import APPLICATION, ORIGINAL, cluster_name
from governance.compile.fleet_limits import fleet_limits
from governance.compile.matches import fraction, route_match, seconds
from governance.compile.tokens import token_routes
from governance.model import RouteRule, Target, of_service

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from governance.compile.site import Options, Site
    from governance.model import Policies, RetryPolicy, ServiceEntry
    from telemetry.json_object import JsonObject

_PREVIOUS_HOSTS = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
_FOREVER = "0s"


def inbound_routes(policies: Policies, site: Site, options: Options) -> JsonObject:
    """All requests go to the workload; limits, tokens, authorization and faults of its service are on."""
    service = site.service
    limits = [each for each in of_service(policies.limits, service) if each.scope == "instance"]
    shared = [each for each in of_service(policies.limits, service) if each.scope == "fleet"]
    rules = of_service(policies.authorization, service)
    strict = any(each.mode == "strict" for each in of_service(policies.mtls, service) or of_service(policies.mtls, "*"))
    on: JsonObject = _inbound_fault(policies, site)
    if limits:
        on[filters.LOCAL_LIMIT] = filters.local_limits(limits)
    if shared:
        on[filters.FLEET_LIMIT] = filters.fleet_limit_on()
    if rules or strict:
        on[filters.AUTHORIZATION] = filters.authorization(rules, options.trust_domain, strict=strict)
    to = {"cluster": APPLICATION if site.application else ORIGINAL, "timeout": _FOREVER}
    route = {"name": "/", "match": {"prefix": "/"}, "route": to}
    routes = [*token_routes(policies, service, to), route]
    host: JsonObject = {"name": service, "domains": ["*"], "routes": routes, "typed_per_filter_config": on}
    if shared:
        host["rate_limits"] = fleet_limits(shared)
    return _configuration(INBOUND, [host])


def outbound_routes(policies: Policies, entries: Mapping[str, ServiceEntry], site: Site) -> JsonObject:
    """Requests go by their Host header to the service that it means; of others, intercepted ones go where they were sent."""
    hosts = []
    used: set[str] = set()
    for entry in entries.values():
        domains = [each for each in dict.fromkeys(map(str.lower, (*names_of(entry.name), *entry.hosts))) if each not in used]
        used.update(domains)
        if domains:
            routes = _service_routes(policies, entry)
            on = _outbound_fault(policies, entry.name)
            hosts.append({"name": entry.name, "domains": domains, "routes": routes, "typed_per_filter_config": on})
    if site.transparent and "*" not in used:
        through = {"match": {"prefix": "/"}, "route": {"cluster": ORIGINAL, "timeout": _FOREVER}}
        hosts.append({"name": "*", "domains": ["*"], "routes": [through]})
    return _configuration(OUTBOUND, hosts)


def names_of(service: str) -> tuple[str, ...]:
    """How Host headers name a service: NAME, or NAME.NAMESPACE."""
    namespace, _, name = service.rpartition("/")
    return (f"{name}.{namespace}",) if namespace else (name,)


def _configuration(name: str, hosts: list[JsonObject]) -> JsonObject:
    return {"name": name, "virtual_hosts": hosts, "ignore_port_in_host_matching": True}


def _inbound_fault(policies: Policies, site: Site) -> JsonObject:
    """Of several that are for this instance, the one that names most of its labels."""
    labels = dict(site.labels).items()
    here = [
        each for each in of_service(policies.faults, site.service) if each.side == INBOUND and each.labels.items() <= labels
    ]
    here.sort(key=lambda each: -len(each.labels))
    return {filters.FAULT: filters.fault(here[0])} if here else {}


def _outbound_fault(policies: Policies, service: str) -> JsonObject:
    """Of some instances: Envoy injects it into calls to their cluster alone."""
    here = next((each for each in of_service(policies.faults, service) if each.side == OUTBOUND), None)
    if here is None:
        return {}
    only = {"upstream_cluster": cluster_name(service, here.labels)} if here.labels else {}
    return {filters.FAULT: filters.fault(here) | only}


def _service_routes(policies: Policies, entry: ServiceEntry) -> list[JsonObject]:
    rules: list[RouteRule] = []
    for policy in of_service(policies.routes, entry.name):
        rules += policy.rules
    rules.append(RouteRule(to=(Target(),)))
    action = _action(policies, entry)
    return [
        {
            "name": rule.match.path or rule.match.prefix or rule.match.regex or "/",
            "match": route_match(rule.match),
            "route": {**action, **_destination(entry.name, rule.to), **_rewrite(rule)},
        }
        for rule in rules
    ]


def _rewrite(rule: RouteRule) -> JsonObject:
    return {"prefix_rewrite": rule.prefix_rewrite} if rule.prefix_rewrite is not None else {}


def _destination(service: str, to: Sequence[Target]) -> JsonObject:
    if len(to) == 1:
        return {"cluster": _cluster(service, to[0])}
    return {"weighted_clusters": {"clusters": [{"name": _cluster(service, each), "weight": each.weight} for each in to]}}


def _cluster(service: str, target: Target) -> str:
    return cluster_name(target.service or service, target.labels)


def _action(policies: Policies, entry: ServiceEntry) -> JsonObject:
    found: JsonObject = {"timeout": _FOREVER}
    for timeout in of_service(policies.timeouts, entry.name):
        found["timeout"] = seconds(timeout.request)
        if timeout.idle is not None:
            found["idle_timeout"] = seconds(timeout.idle)
    for retry in of_service(policies.retries, entry.name):
        found["retry_policy"] = _retries(retry)
    if mirrors := of_service(policies.mirrors, entry.name):
        found["request_mirror_policies"] = [
            {"cluster": _cluster(entry.name, each.to), "runtime_fraction": {"default_value": fraction(each.share)}}
            for each in mirrors
        ]
    if (key := entry.hash_by) is not None:
        if key.header is not None:
            found["hash_policy"] = [{"header": {"header_name": key.header}}]
        elif key.cookie is not None:
            found["hash_policy"] = [{"cookie": {"name": key.cookie, "ttl": "86400s"}}]
        else:
            found["hash_policy"] = [{"connection_properties": {"source_ip": True}}]
    return found


def _retries(policy: RetryPolicy) -> JsonObject:
    found: JsonObject = {
        "retry_on": ",".join(policy.when),
        "num_retries": policy.attempts,
        "retry_host_predicate": [
            {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": TYPE_PREFIX + _PREVIOUS_HOSTS}}
        ],
        "host_selection_retry_max_attempts": 3,
    }
    if policy.per_try is not None:
        found["per_try_timeout"] = seconds(policy.per_try)
    return found
