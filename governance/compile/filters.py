"""The HTTP filters of every listener, always there and off, and what turns each on for a route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.spiffe import spiffe_id
from components.xds.contract import EXTERNAL_LIMITS, LIMITS
from components.xds.pool import TYPE_PREFIX
from governance.compile.matches import as_headers, fraction, header_matches, permission, seconds
from governance.compile.tokens import token_filter
from governance.limits.external import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from governance.compile.site import Options
    from governance.model import Allowance, AuthorizationPolicy, ConcurrencyPolicy, FaultPolicy, LimitPolicy
    from telemetry.json_object import JsonObject

_TYPE = TYPE_PREFIX + "envoy.extensions.filters.http."
AUTHORIZATION = "envoy.filters.http.rbac"
FAULT = "envoy.filters.http.fault"
LOCAL_LIMIT = "envoy.filters.http.local_ratelimit"
FLEET_LIMIT = "envoy.filters.http.ratelimit"
CONCURRENCY = "envoy.filters.http.adaptive_concurrency"
CONCURRENCY_KEY = "adaptive_concurrency."
"""What its runtime keys begin with, by which it is turned on and bounded: it reads none of a route."""
ROUTER = "envoy.filters.http.router"
_TICK = 50_000_000
"""Nanoseconds, of which every limit's time is a multiple."""
_UNLIMITED = {"max_tokens": 4_000_000_000, "tokens_per_fill": 4_000_000_000, "fill_interval": "0.05s"}
_ALWAYS = {"default_value": {"numerator": 100}}


def http_filters(options: Options, *, inbound: bool) -> list[JsonObject]:
    """All filters of a listener, off until a route turns them on."""
    found: list[JsonObject] = []
    if inbound:
        if options.token_issuers:
            found.append(token_filter(options.token_issuers))
        found += [
            {"name": AUTHORIZATION, "disabled": True, "typed_config": {"@type": _TYPE + "rbac.v3.RBAC"}},
            {
                "name": LOCAL_LIMIT,
                "disabled": True,
                "typed_config": {"@type": _TYPE + "local_ratelimit.v3.LocalRateLimit", "stat_prefix": "limit"},
            },
            {"name": FLEET_LIMIT, "disabled": True, "typed_config": _fleet_limit(options)},
            {"name": CONCURRENCY, "typed_config": _concurrency()},
        ]
    found.append({"name": FAULT, "disabled": True, "typed_config": {"@type": _TYPE + "fault.v3.HTTPFault"}})
    found.append({"name": ROUTER, "typed_config": {"@type": _TYPE + "router.v3.Router"}})
    return found


def _fleet_limit(options: Options) -> JsonObject:
    """It asks the control plane or an external service, and lets pass what gets no answer."""
    return {
        "@type": _TYPE + "ratelimit.v3.RateLimit",
        "domain": DOMAIN,
        "stat_prefix": "fleet",
        "timeout": seconds(options.limit_deadline),
        "failure_mode_deny": False,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "rate_limit_service": {
            "grpc_service": {"envoy_grpc": {"cluster_name": EXTERNAL_LIMITS if options.limit_service else LIMITS}},
            "transport_api_version": "V3",
        },
    }


def _concurrency() -> JsonObject:
    """It follows the gradient of the least latency, which it measures anew, and is off until the runtime turns it on."""
    gradient = {
        "concurrency_limit_params": {"concurrency_update_interval": "0.1s"},
        "min_rtt_calc_params": {"interval": "60s", "jitter": {"value": 10}, "request_count": 50},
    }
    return {
        "@type": _TYPE + "adaptive_concurrency.v3.AdaptiveConcurrency",
        "gradient_controller_config": gradient,
        "enabled": {"default_value": False, "runtime_key": f"{CONCURRENCY_KEY}enabled"},
    }


def concurrency_on(policy: ConcurrencyPolicy) -> JsonObject:
    """The runtime keys that turn it on."""
    return {
        f"{CONCURRENCY_KEY}enabled": True,
        f"{CONCURRENCY_KEY}gradient_controller.min_concurrency": policy.least,
        f"{CONCURRENCY_KEY}gradient_controller.max_concurrency_limit": policy.most,
    }


def fleet_limit_on() -> JsonObject:
    """Turns the filter on for a virtual host, whose `rate_limits` say what it asks."""
    return {"@type": _TYPE + "ratelimit.v3.RateLimitPerRoute"}


def local_limits(policies: Sequence[LimitPolicy]) -> JsonObject:
    """Limits of each instance by itself: a bucket for each policy, which the requests that match take from."""
    buckets, actions = [], []
    for policy in policies:
        entry = {"key": "header_match", "value": policy.name}
        bucket = {"max_tokens": policy.requests, "tokens_per_fill": policy.requests, "fill_interval": seconds(policy.per)}
        buckets.append({"entries": [entry], "token_bucket": bucket})
        match = {"descriptor_value": policy.name, "headers": as_headers(policy.match)}
        actions.append({"actions": [{"header_value_match": match}]})
    return {
        "@type": _TYPE + "local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limit",
        "token_bucket": _UNLIMITED,
        "always_consume_default_token_bucket": False,
        "filter_enabled": _ALWAYS,
        "filter_enforced": _ALWAYS,
        "descriptors": buckets,
        "rate_limits": actions,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
    }


def fault(policy: FaultPolicy) -> JsonObject:
    """A fault whose shares stand in the runtime layer, so that it ends there."""
    key = fault_key(policy)
    config: JsonObject = {"@type": _TYPE + "fault.v3.HTTPFault", "headers": header_matches(policy.headers)}
    off = {"numerator": 0, "denominator": "MILLION"}
    if policy.delay:
        config["delay"] = {"fixed_delay": seconds(policy.delay.duration), "percentage": off}
        config["delay_percent_runtime"] = f"{key}.delay"
    if policy.abort:
        config["abort"] = {"http_status": policy.abort.status, "percentage": off}
        config["abort_percent_runtime"] = f"{key}.abort"
    if policy.bandwidth:
        limit = {"limit_kbps": policy.bandwidth.kibibytes_per_second}
        config["response_rate_limit"] = {"fixed_limit": limit, "percentage": off}
        config["response_rate_limit_percent_runtime"] = f"{key}.bandwidth"
    return config


def fault_key(policy: FaultPolicy) -> str:
    """What the runtime keys of a fault begin with."""
    return f"fault.{policy.name}"


def fault_shares(policy: FaultPolicy) -> JsonObject:
    """The runtime keys that turn a fault on."""
    parts = {"delay": policy.delay, "abort": policy.abort, "bandwidth": policy.bandwidth}
    return {f"{fault_key(policy)}.{name}": fraction(part.share) for name, part in parts.items() if part}


def authorization(policies: Sequence[AuthorizationPolicy], trust_domain: str, *, strict: bool) -> JsonObject:
    """Who may call; without a policy any caller that proves an identity."""
    rules = {
        f"{policy.name}/{at}": {"permissions": [permission(rule.match)], "principals": _principals(rule, trust_domain, strict)}
        for policy in policies
        for at, rule in enumerate(policy.allow)
    }
    if not policies:
        rules["any-authenticated"] = {"permissions": [{"any": True}], "principals": [{"authenticated": {}}]}
    return {"@type": _TYPE + "rbac.v3.RBACPerRoute", "rbac": {"rules": {"action": "ALLOW", "policies": rules}}}


def _principals(rule: Allowance, trust_domain: str, strict: bool) -> list[JsonObject]:  # noqa: FBT001 - private
    if "*" in rule.callers and not strict:
        return [{"any": True}]
    if not rule.callers or "*" in rule.callers:
        return [{"authenticated": {}}]
    return [{"authenticated": {"principal_name": {"exact": spiffe_id(trust_domain, each)}}} for each in rule.callers]
