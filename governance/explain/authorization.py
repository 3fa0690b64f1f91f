"""Whether a service serves a request of a caller: the decision of Envoy's RBAC, with the rule that makes it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import re2

from components.spiffe import spiffe_id
from governance.explain.paths import normalised
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from governance.model import Allowance, HeaderMatch, Match, Policies

    Place = tuple[str | int, ...]

_SPIFFE = re.compile(r"spiffe://([a-z0-9._-]{1,255})(/[A-Za-z0-9._-]+)+")


@dataclass(frozen=True, slots=True)
class AskedRequest:
    """A request as it arrives at a service.

    Attributes:
        caller: SPIFFE id that it proves; empty is: none.
        service: that is called.
        method: of HTTP.
        path: with the query, if it has one.
        headers: by name in lower case.
    """

    caller: str
    service: str
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Considered:
    """A rule that does not allow the request, and why."""

    place: Place
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request is served, what decides it, and what stands there.

    Attributes:
        allowed: whether it is.
        rule: that decides; empty where no rule does.
        place: of the rule in the document; empty where nothing in it decides.
        why: in words.
        others: rules that do not allow it.
    """

    allowed: bool
    rule: str
    place: Place
    why: str
    others: tuple[Considered, ...] = ()


def decide(policies: Policies, asked: AskedRequest, trust_domain: str) -> Decision:
    """What Envoy before the service does with a request. Where that needs a token, `why` says of whom.

    Raises:
        InputError: the request cannot be.
    """
    found = _by_caller(policies, asked, trust_domain)
    issuer = _token(policies, asked)
    return replace(found, why=f"{found.why}; only with a token of {issuer}") if found.allowed and issuer else found


def _token(policies: Policies, asked: AskedRequest) -> str:
    """The issuer whose token the request needs; empty for none."""
    request = _Arrived(asked, normalised(asked.path))
    matching = (each for each in policies.tokens if each.service == asked.service)
    return next((each.issuer for each in matching if not any(_mismatches(each.match, request))), "")


def _by_caller(policies: Policies, asked: AskedRequest, trust_domain: str) -> Decision:
    found = _SPIFFE.fullmatch(asked.caller)
    if asked.caller and not found:
        raise InputError(f"{asked.caller!r} is no SPIFFE id of a workload, such as spiffe://shop.example/ns/default/sa/front")
    if not re.fullmatch("[A-Z]+", asked.method):
        raise InputError(f"{asked.method!r} is no method of HTTP, such as GET")
    request = _Arrived(asked, normalised(asked.path))
    if found and found[1] != trust_domain:
        why = f"its certificate is of {found[1]}, and {trust_domain or 'no trust domain'} is trusted: refused in the handshake"
        return Decision(allowed=False, rule="", place=(), why=why)
    strict, mode = _mode(policies, asked.service)
    rules = [
        (("authorization", at, "allow", number), f"{policy.name}/{number}", rule)
        for at, policy in enumerate(policies.authorization)
        if policy.service == asked.service
        for number, rule in enumerate(policy.allow)
    ]
    denying = next(
        (("authorization", at) for at, each in enumerate(policies.authorization) if each.service == asked.service), None
    )
    if denying is None:
        return _by_mode(asked, mode, strict=strict)
    others: list[Considered] = []
    for place, name, rule in rules:
        against = list(_against(rule, request, trust_domain, strict=strict))
        if not against:
            return Decision(allowed=True, rule=name, place=place, why=_allows(rule), others=tuple(others))
        others.append(Considered(place, name, "; ".join(against)))
    name = policies.authorization[int(denying[1])].name
    why = f"{asked.service} has authorization, and no rule allows the request"
    return Decision(allowed=False, rule=name, place=denying, why=why, others=tuple(others))


def _by_mode(asked: AskedRequest, mode: int | None, *, strict: bool) -> Decision:
    """Of a service that no authorization is for."""
    place: Place = () if mode is None else ("mtls", mode)
    if strict and not asked.caller:
        return Decision(allowed=False, rule="strict", place=place, why="mtls is strict, and the caller proves no identity")
    if strict:
        return Decision(allowed=True, rule="strict", place=place, why="mtls is strict, and the caller proves an identity")
    return Decision(allowed=True, rule="", place=place, why=f"no authorization is for {asked.service}, and mtls is not strict")


def _mode(policies: Policies, service: str) -> tuple[bool, int | None]:
    """Whether mTLS is strict, and which policy says so: that of the service before that of all."""
    for name in (service, "*"):
        for at, policy in enumerate(policies.mtls):
            if policy.service == name:
                return policy.mode == "strict", at
    return False, None


@dataclass(frozen=True, slots=True)
class _Arrived:
    asked: AskedRequest
    path: str

    def header(self, name: str) -> str | None:
        pseudo = {":method": self.asked.method, ":path": self.path}
        return {**self.asked.headers, **pseudo}.get(name.lower())


def _allows(rule: Allowance) -> str:
    who = (
        "any caller"
        if "*" in rule.callers
        else f"callers {', '.join(rule.callers)}"
        if rule.callers
        else "callers that prove who they are"
    )
    return f"it allows {who} what it matches"


def _against(rule: Allowance, request: _Arrived, trust_domain: str, *, strict: bool) -> Iterator[str]:
    """Why a rule does not allow a request; nothing if it does."""
    caller = request.asked.caller
    anybody = "*" in rule.callers
    if not caller and not (anybody and not strict):
        yield "the caller proves no identity"
    elif caller and not anybody and rule.callers and caller not in {spiffe_id(trust_domain, each) for each in rule.callers}:
        yield f"the caller is none of {', '.join(rule.callers)}"
    yield from _mismatches(rule.match, request)


def _mismatches(match: Match, request: _Arrived) -> Iterator[str]:
    if match.methods and request.asked.method not in match.methods:
        yield f"the method {request.asked.method} is none of {', '.join(match.methods)}"
    path = request.path.partition("?")[0]
    if match.path is not None and path != match.path:
        yield f"the path {path} is not {match.path}"
    if match.prefix is not None and not path.startswith(match.prefix):
        yield f"the path {path} does not begin with {match.prefix}"
    if match.regex is not None and not re2.fullmatch(match.regex, path):
        yield f"the path {path} does not match {match.regex}"
    for header in match.headers:
        if reason := _header(header, request.header(header.name)):
            yield f"the header {header.name} {reason}"


def _header(header: HeaderMatch, value: str | None) -> str:
    if header.absent:
        return "" if value is None else "is there"
    if value is None:
        return "is not there"
    if header.exact is not None and value != header.exact:
        return f"is not {header.exact}"
    if header.prefix is not None and not value.startswith(header.prefix):
        return f"does not begin with {header.prefix}"
    if header.regex is not None and not re2.fullmatch(header.regex, value):
        return f"does not match {header.regex}"
    return ""
