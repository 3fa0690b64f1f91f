"""JSON Web Tokens: who issues them stands in the listener, in a fixed place; which requests need one, routes say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.xds.pool import TYPE_PREFIX
from governance.compile.matches import route_match
from governance.model import of_service
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from governance.model import Policies
    from telemetry.json_object import JsonObject

TOKENS = "envoy.filters.http.jwt_authn"
MAX_KEYS_BYTES = 64 << 10
"""Of a JWKS: every agent's listener holds it."""
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_TYPE = TYPE_PREFIX + "envoy.extensions.filters.http.jwt_authn.v3."


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Who signs tokens: its name in policies, its `iss`, the audiences of which one must be in `aud`, and its JWKS."""

    name: str
    issuer: str
    audiences: tuple[str, ...]
    keys: str


def public_keys(text: str, place: str) -> str:
    """A JWKS that may be given to every agent.

    Raises:
        ConfigError: it is none, or holds a key that must stay with the issuer.
    """
    if len(text) > MAX_KEYS_BYTES:
        raise ConfigError(f"{place}: more than {MAX_KEYS_BYTES} bytes")
    try:
        read = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{place}: no JSON: {error}") from None
    keys = read.get("keys") if isinstance(read, dict) else None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise ConfigError(f'{place}: no JWKS: {{"keys": [...]}} with one key or more is expected')
    for number, key in enumerate(keys):
        if private := sorted(set(key) & set(_PRIVATE)):
            raise ConfigError(f"{place}: keys[{number}] has the private {private[0]!r}: name a JWKS of public keys alone")
    return json.dumps({"keys": keys}, sort_keys=True)


def token_filter(issuers: Iterable[TokenIssuer]) -> JsonObject:
    """The filter, off: a requirement for each issuer, which routes name."""
    providers = {
        each.name: {
            "issuer": each.issuer,
            "audiences": list(each.audiences),
            "forward": True,  # the application may want to read it
            "local_jwks": {"inline_string": each.keys},
        }
        for each in issuers
    }
    requirements = {name: {"provider_name": name} for name in providers}
    config = {"@type": _TYPE + "JwtAuthentication", "providers": providers, "requirement_map": requirements}
    return {"name": TOKENS, "disabled": True, "typed_config": config}


def token_routes(policies: Policies, service: str, to: JsonObject) -> Iterator[JsonObject]:
    """A route for each policy, whose requests need a token; Envoy refuses all where the issuer is unknown to it."""
    for policy in of_service(policies.tokens, service):
        need = {"@type": _TYPE + "PerRouteConfig", "requirement_name": policy.issuer}
        yield {
            "name": f"token {policy.name}",
            "match": route_match(policy.match),
            "route": to,
            "typed_per_filter_config": {TOKENS: need},
        }


def check_issuers(policies: Policies, issuers: Iterable[TokenIssuer], name: str) -> None:
    """Refuse policies that name an issuer whom nobody has configured.

    Raises:
        ConfigError: says which.
    """
    known = {each.name for each in issuers}
    for at, policy in enumerate(policies.tokens):
        if policy.issuer not in known:
            there = f"there are {', '.join(sorted(known))}" if known else "there are none"
            raise ConfigError(f"{name}: tokens[{at}].issuer: control.token_issuers has no {policy.issuer!r}; {there}")
