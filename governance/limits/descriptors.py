"""What Envoy asks of a limit, as routes say it and as the service reads it.

A descriptor carries its limit, so that what holds is what the revision says that the asking agent has, and the
service needs to know no policies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from governance.compile.matches import as_headers
from governance.limits.windows import Ask
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from governance.model import LimitKey, LimitPolicy
    from telemetry.json_object import JsonObject

LIMIT, REQUESTS, PER = "limit", "requests", "per"
MAX_ENTRIES = 20
MAX_VALUE = 1000
"""Characters of a value; longer ones are counted by their beginning."""
_MOST = 10**15


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


def read_descriptor(entries: Sequence[tuple[str, str]], hits: int) -> Ask:
    """What is asked for.

    Raises:
        InputError: it is none of ours.
    """
    if not 3 <= len(entries) <= MAX_ENTRIES or tuple(key for key, _ in entries[:3]) != (LIMIT, REQUESTS, PER):
        raise InputError("a descriptor begins with limit, requests and per; see docs/governance.md")
    most, per = entries[1][1], entries[2][1]
    if not (most.isdecimal() and per.isdecimal() and 0 < int(most[:20]) <= _MOST and 0 < int(per[:20]) <= _MOST):
        raise InputError("requests and per are whole numbers above 0")
    key = (entries[0][1], *(f"{name}={value}"[:MAX_VALUE] for name, value in entries[3:]))
    return Ask(key, int(most), int(per), max(1, hits))
