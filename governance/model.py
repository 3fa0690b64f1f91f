"""Policies: what the traffic of a fleet is to do, as people write it.

One document holds all of them, so that a revision is the whole of what was meant at a time. A policy names the
service whose requests it is for. Routes, retries, timeouts, breakers and mirrors act where requests leave a caller,
limits, tokens, authorization and mTLS where they arrive; faults on the side that they say.
"""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 - pydantic reads annotations
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, model_validator

from governance.plans.delivery import DeliveryPlan  # noqa: TC001 - pydantic reads annotations
from governance.values import (
    Address,
    Duration,
    Header,
    Host,
    Labels,
    Moment,
    Name,
    Part,
    Pattern,
    Port,
    Service,
    Share,
    Some,
    Text,
)

Many = Annotated[int, Field(ge=1, le=1_000_000)]
MOST = 1000
"""Policies of a kind, services, and instances of a service."""


class Endpoint(Part):
    """An instance of a service that no agent stands beside."""

    address: Address
    port: Port
    labels: Labels = Field(default={})


class HashKey(Part):
    """What keeps requests together on one instance: exactly one of these."""

    header: Header | None = None
    cookie: Name | None = None
    source_ip: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum((self.header is not None, self.cookie is not None, self.source_ip)) != 1:
            raise ValueError("name one of header, cookie and source_ip")
        return self


class ServiceEntry(Part):
    """A service: where it is, and how requests are spread over its instances. Instances with an agent are found by it."""

    name: Service
    hosts: Annotated[tuple[Host, ...], Field(max_length=50)] = ()
    """Further names in Host headers that mean it."""
    endpoints: Annotated[tuple[Endpoint, ...], Field(max_length=MOST)] = ()
    protocol: Literal["http1", "http2"] = "http1"
    balancing: Literal["round_robin", "least_request", "ring_hash", "maglev"] = "least_request"
    hash_by: HashKey | None = None

    @model_validator(mode="after")
    def _hashed(self) -> Self:
        if (self.hash_by is None) is (self.balancing in {"ring_hash", "maglev"}):
            raise ValueError("hash_by and a balancing of ring_hash or maglev need each other")
        return self


class HeaderMatch(Part):
    """A header, by one of these; none of them is: it is there."""

    name: Header
    exact: Text | None = None
    prefix: Text | None = None
    regex: Pattern | None = None
    absent: bool = False

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if sum((self.exact is not None, self.prefix is not None, self.regex is not None, self.absent)) > 1:
            raise ValueError("a header is matched by at most one of exact, prefix, regex and absent")
        return self


class Match(Part):
    """Which requests; nothing set is: all. What is set must all hold."""

    path: Text | None = None
    prefix: Text | None = None
    regex: Pattern | None = None
    methods: Annotated[
        tuple[Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], ...], Field(max_length=7)
    ] = ()
    headers: Annotated[tuple[HeaderMatch, ...], Field(max_length=20)] = ()
    share: Share | None = None

    @model_validator(mode="after")
    def _one_path(self) -> Self:
        if sum(each is not None for each in (self.path, self.prefix, self.regex)) > 1:
            raise ValueError("name at most one of path, prefix and regex")
        if any(each is not None and not each.startswith("/") for each in (self.path, self.prefix)):
            raise ValueError("path and prefix begin with /")
        return self


class Target(Part):
    """Where a share of requests goes: instances that have these labels, of this service or another."""

    labels: Labels = Field(default={})
    service: Service | None = None
    weight: Annotated[int, Field(ge=0, le=1000)] = 1


class RouteRule(Part):
    """Which requests go where: to fixed places, or from old instances to new ones step by step."""

    match: Match = Match()
    to: Annotated[tuple[Target, ...], Field(max_length=20)] = ()
    deliver: DeliveryPlan | None = None
    prefix_rewrite: Text | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if bool(self.to) is (self.deliver is not None):
            raise ValueError("name one of to and deliver")
        if self.to and not any(each.weight for each in self.to):
            raise ValueError("to: every weight is 0")
        return self

    @property
    def targets(self) -> tuple[Target, ...]:
        """All places that it may send requests to."""
        if self.deliver is None:
            return self.to
        return Target(labels=self.deliver.old), Target(labels=self.deliver.new)


class Policy(Part):
    """What every policy has."""

    name: Name
    service: Service


class RoutePolicy(Policy):
    """Where requests for a service go; the first rule that matches decides, and without one: any instance."""

    rules: Annotated[tuple[RouteRule, ...], Field(max_length=100), Some]

    @model_validator(mode="after")
    def _one_delivery(self) -> Self:
        if sum(rule.deliver is not None for rule in self.rules) > 1:
            raise ValueError("rules: at most one may deliver")
        return self


class RetryPolicy(Policy):
    """Requests that are sent again, to another instance where there is one."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    when: Annotated[
        tuple[
            Literal["5xx", "gateway-error", "connect-failure", "refused-stream", "reset", "retriable-4xx", "unavailable"], ...
        ],
        Some,
    ] = ("connect-failure", "refused-stream", "unavailable")
    per_try: Duration | None = None
    budget: Share = 20.0
    """Percent of the requests in flight that may be retries, so that retries cannot add to an outage."""


class TimeoutPolicy(Policy):
    """How long a request may last."""

    request: Duration
    idle: Duration | None = None


class Outliers(Part):
    """When an instance gets no requests for a while."""

    consecutive_errors: Many = 5
    interval: Duration = 10_000_000_000
    ejected_for: Duration = 30_000_000_000
    most: Share = 50.0


class BreakerPolicy(Policy):
    """Bounds of what one caller has in flight to a service, past which it is refused at once."""

    connections: Many | None = None
    pending: Many | None = None
    requests: Many | None = None
    outliers: Outliers | None = None


class MirrorPolicy(Policy):
    """Requests that are sent to others too, whose answers nobody waits for."""

    to: Target
    share: Share = 100.0


class LimitKey(Part):
    """What requests are counted apart by: exactly one of these."""

    header: Header | None = None
    remote_address: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.header is not None) is self.remote_address:
            raise ValueError("name one of header and remote_address")
        return self


class LimitPolicy(Policy):
    """Requests that are served in a time: by each instance, or by all instances of the fleet together."""

    requests: Many
    per: Duration
    match: Match = Match()
    scope: Literal["instance", "fleet"] = "instance"
    by: Annotated[tuple[LimitKey, ...], Field(max_length=5)] = ()
    """Requests that differ in one of these are counted apart; without it all that match are counted together."""

    @model_validator(mode="after")
    def _matched_here(self) -> Self:
        if self.per % 50_000_000:
            raise ValueError("per: must be a multiple of 50ms")
        if self.match.share is not None:
            raise ValueError("match.share: a limit is for all requests that match")
        if self.by and self.scope != "fleet":
            raise ValueError("by: needs scope: fleet")
        return self


class Delay(Part):
    """A share of requests waits."""

    duration: Duration
    share: Share = 100.0


class Abort(Part):
    """A share of requests is answered with an error."""

    status: Annotated[int, Field(ge=400, le=599)]
    share: Share = 100.0


class Bandwidth(Part):
    """A share of answers is slowed."""

    kibibytes_per_second: Many
    share: Share = 100.0


class FaultPolicy(Policy):
    """A fault that is injected until a time: of all instances of a service, or of those that have some labels.

    At callers it meets the calls of routes that name instances by exactly these labels.
    """

    side: Literal["inbound", "outbound"] = "inbound"
    labels: Labels = Field(default={})
    headers: Annotated[tuple[HeaderMatch, ...], Field(max_length=20)] = ()
    delay: Delay | None = None
    abort: Abort | None = None
    bandwidth: Bandwidth | None = None
    until: Moment

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.delay or self.abort or self.bandwidth):
            raise ValueError("name delay, abort or bandwidth")
        return self


class Allowance(Part):
    """Who may do what: callers by their services' names or SPIFFE ids; nothing set is: any that is authenticated."""

    callers: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    match: Match = Match()

    @model_validator(mode="after")
    def _certain(self) -> Self:
        if self.match.share is not None:
            raise ValueError("match.share: nobody is allowed by chance")
        return self


class AuthorizationPolicy(Policy):
    """Who may call a service. A service with one refuses all that no rule of any allows; no rules is: nobody."""

    allow: Annotated[tuple[Allowance, ...], Field(max_length=100)] = ()


class TokenPolicy(Policy):
    """Which requests need a JSON Web Token of an issuer in `control.token_issuers`. The first that matches decides."""

    issuer: Name
    match: Match = Match()

    @model_validator(mode="after")
    def _certain(self) -> Self:
        if self.match.share is not None:
            raise ValueError("match.share: a token is needed or not")
        return self


class ConcurrencyPolicy(Policy):
    """How many requests each instance serves at once: as many as do not make it slower, by its own latency.

    Bounds that change hold from its next measurement on, which comes each minute.
    """

    least: Many = 3
    most: Many = 1000

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.least > self.most:
            raise ValueError("least is more than most")
        return self


class MtlsPolicy(Policy):
    """Whether a service serves callers that prove no identity. Of `*` it is for every service without one of its own."""

    service: Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9]([A-Za-z0-9._/-]{0,251}[A-Za-z0-9])?)$")]
    mode: Literal["strict", "permissive"]


class CollectionPolicy(Policy):
    """What share of a service's requests becomes spans."""

    share: Annotated[float, Field(ge=0, le=100)]


class Policies(Part):
    """One document: all services and policies of a fleet."""

    services: Annotated[tuple[ServiceEntry, ...], Field(max_length=MOST)] = ()
    routes: Annotated[tuple[RoutePolicy, ...], Field(max_length=MOST)] = ()
    retries: Annotated[tuple[RetryPolicy, ...], Field(max_length=MOST)] = ()
    timeouts: Annotated[tuple[TimeoutPolicy, ...], Field(max_length=MOST)] = ()
    breakers: Annotated[tuple[BreakerPolicy, ...], Field(max_length=MOST)] = ()
    mirrors: Annotated[tuple[MirrorPolicy, ...], Field(max_length=MOST)] = ()
    limits: Annotated[tuple[LimitPolicy, ...], Field(max_length=MOST)] = ()
    faults: Annotated[tuple[FaultPolicy, ...], Field(max_length=MOST)] = ()
    authorization: Annotated[tuple[AuthorizationPolicy, ...], Field(max_length=MOST)] = ()
    tokens: Annotated[tuple[TokenPolicy, ...], Field(max_length=MOST)] = ()
    concurrency: Annotated[tuple[ConcurrencyPolicy, ...], Field(max_length=MOST)] = ()
    mtls: Annotated[tuple[MtlsPolicy, ...], Field(max_length=MOST)] = ()
    collection: Annotated[tuple[CollectionPolicy, ...], Field(max_length=MOST)] = ()

    def sections(self) -> Iterator[tuple[str, tuple[Policy, ...]]]:
        """Every kind of policy by the name of its section."""
        for section in type(self).model_fields:
            if section != "services":
                yield section, getattr(self, section)


AnyPolicy = TypeVar("AnyPolicy", bound=Policy)


def of_service(policies: tuple[AnyPolicy, ...], service: str) -> tuple[AnyPolicy, ...]:
    """Those that are for a service."""
    return tuple(each for each in policies if each.service == service)
