"""For whom is compiled, and what is known of the fleet beside its policies."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from components.durations import SECOND
from components.xds.contract import Workload
from governance.values import SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from governance.compile.tokens import TokenIssuer

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - what a workload says of itself
MAX_LABELS = 50
MAX_TEXT = 300


@dataclass(frozen=True, slots=True, order=True)
class Instance:
    """One instance of a service, as its callers reach it."""

    address: str
    port: int
    labels: tuple[tuple[str, str], ...] = ()
    identity: bool = False
    """Whether it proves its identity: callers then use mTLS."""

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether it has all of these labels."""
        return labels.items() <= dict(self.labels).items()


@dataclass(frozen=True, slots=True)
class Site:
    """Where an agent stands: equal places get equal resources, secrets aside."""

    service: str
    address: str = ANY_ADDRESS
    inbound: int = 0
    application: int = 0
    outbound: int = 0
    transparent: bool = False
    telemetry: bool = False
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LimitTls:
    """How Envoys speak TLS to the service that counts limits; all PEM.

    Attributes:
        name: in the service's certificate: a host name, an address, or a SPIFFE id.
        ca: whom the certificate is of; empty is: those whom services are checked against.
        certificate: that Envoys show, and its key; empty is: none, or with `identity` that of the workload.
        key: of the certificate.
        identity: whether Envoys show the certificate of their workload.
    """

    name: str
    ca: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)
    identity: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for all places of a fleet.

    Attributes:
        trust_domain: of the authority; empty is: there is none, and no mTLS.
        limit_deadline: nanoseconds that an answer about a limit of the fleet is waited for.
        limit_service: HOST:PORT of who counts limits of the fleet; empty is: the control plane.
        limit_tls: how they speak TLS to it; None is: they do not.
        max_connection: nanoseconds that a kept connection lasts, whose certificate is that of its start.
        token_issuers: whose JSON Web Tokens policies may ask for.
    """

    trust_domain: str = ""
    max_connection: int = 600 * SECOND
    limit_deadline: int = SECOND // 10
    limit_service: str = ""
    limit_tls: LimitTls | None = None
    token_issuers: tuple[TokenIssuer, ...] = ()


def place_of(service: str, metadata: Mapping[str, object]) -> Site:
    """The place that a node's metadata describe; invalid values are ignored, for they come over the network."""
    labels = metadata.get("labels")
    known = Workload.__annotations__.keys()
    found = {key: value for key, value in metadata.items() if key in known}
    application, transparent = _port(found.get("application")), found.get("transparent") is True
    return Site(
        service[:MAX_TEXT],
        _address(found.get("address")),
        _port(found.get("inbound")) if application or transparent else 0,  # else its requests would lead nowhere
        application,
        _port(found.get("outbound")),
        transparent=transparent,
        telemetry=found.get("telemetry") is True,
        labels=_labels(labels),
    )


def can_be_called(service: str, address: str) -> bool:
    """Whether others can have an instance: policies can name its service, and Envoy reads its address."""
    return bool(re.fullmatch(SERVICE, service)) and "%" not in address  # a zone of IPv6 means something on one machine only


def _address(value: object) -> str:
    try:
        found = str(ipaddress.ip_address(str(value)))
    except ValueError:
        return ANY_ADDRESS
    return found if "%" not in found else ANY_ADDRESS


def _port(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value <= 65535 else 0


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        return ()
    pairs = sorted((str(key)[:MAX_TEXT], each if isinstance(each, str) else json.dumps(each)) for key, each in value.items())
    return tuple((key, each[:MAX_TEXT]) for key, each in pairs[:MAX_LABELS])
