"""Limits of the fleet as routes say them: what Envoy asks the control plane of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governance.compile.matches import as_headers
from governance.limits.descriptors import LIMIT, PER, REQUESTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from governance.model import LimitKey, LimitPolicy
    from telemetry.json_object import JsonObject


def fleet_limits(policies: Sequence[LimitPolicy]) -> list[JsonObject]:
    """The `rate_limits` of a virtual host: a descriptor for each policy, which only requests that match have."""
    return [{"actions": _actions(each)} for each in policies]


def _actions(policy: LimitPolicy) -> list[JsonObject]:
    name = {"descriptor_key": LIMIT, "descriptor_value": f"{policy.service}:{policy.name}", "headers": as_headers(policy.match)}
    return [
        {"header_value_match": name},
        {"generic_key": {"descriptor_key": REQUESTS, "descriptor_value": str(policy.requests)}},
        {"generic_key": {"descriptor_key": PER, "descriptor_value": str(policy.per)}},
        *map(_key, policy.by),
    ]


def _key(key: LimitKey) -> JsonObject:
    if key.header is not None:
        # Requests without the header are counted together: leaving it off must not lead past the limit.
        return {
            "request_headers": {"header_name": key.header, "descriptor_key": f"header.{key.header}", "skip_if_absent": True}
        }
    return {"remote_address": {}}
