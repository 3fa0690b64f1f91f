"""Certificates of agents as resources of SDS, each renewed at half of its life."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from components.xds.contract import SECRET_CERTIFICATE, SECRET_TRUST
from governance.xds.snapshot import Kind, Resource, encode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Issued(Protocol):
    """A certificate with its key."""

    @property
    def certificate(self) -> str:
        """PEM."""
        ...

    @property
    def key(self) -> str:
        """PEM."""
        ...

    @property
    def renew_at(self) -> int:
        """Nanoseconds since the epoch."""
        ...


class Issuer(Protocol):
    """The identity of a workload."""

    @property
    def bundle(self) -> str:
        """The certificates that peers are checked against, as PEM: first that of the root which issues."""
        ...

    def issue(self, service: str, now: int) -> Issued:
        """A new certificate for a service."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    service: str
    bundle: str
    renew_at: int
    certificate: Resource
    resources: Mapping[str, Resource]


class Secrets:
    """The secrets of each workload: its own key and certificate, and whom it trusts.

    A certificate is new at half of the life of the one before, and when another root issues. When other roots are trusted,
    that alone changes: connections go on with the certificates that they have.
    """

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._kept: dict[str, _Kept] = {}
        self.renewed = 0

    def of(self, holder: str, service: str, now: int) -> Mapping[str, Resource]:
        """Those of a holder; the same object until they are renewed."""
        kept, bundle = self._kept.get(holder), self._issuer.bundle
        if kept is None or kept.service != service or kept.renew_at <= now or _first(kept.bundle) != _first(bundle):
            self.renewed += kept is not None
            kept = self._kept[holder] = self._issue(service, bundle, now)
        elif kept.bundle != bundle:
            resources = {SECRET_CERTIFICATE: kept.certificate, **_trust(bundle)}
            kept = self._kept[holder] = replace(kept, bundle=bundle, resources=resources)
        return kept.resources

    def sample(self, now: int) -> Mapping[str, Resource]:
        """Secrets that nobody gets, to check a configuration with."""
        return self._issue("preflight", self._issuer.bundle, now).resources

    def due(self, now: int) -> bool:
        """Whether some have lived half of their life, or roots have changed."""
        bundle = self._issuer.bundle
        return any(each.renew_at <= now or each.bundle != bundle for each in self._kept.values())

    def keep_only(self, holders: Collection[str]) -> None:
        """Drop those of others; they get new ones when they come back."""
        for gone in self._kept.keys() - set(holders):
            del self._kept[gone]

    def _issue(self, service: str, bundle: str, now: int) -> _Kept:
        found = self._issuer.issue(service, now)
        pair = {"certificate_chain": {"inline_string": found.certificate}, "private_key": {"inline_string": found.key}}
        own = encode(Kind.SECRET, [{"name": SECRET_CERTIFICATE, "tls_certificate": pair}])
        return _Kept(service, bundle, found.renew_at, own[SECRET_CERTIFICATE], {**own, **_trust(bundle)})


def _trust(bundle: str) -> Mapping[str, Resource]:
    context = {"trusted_ca": {"inline_string": bundle}}
    return encode(Kind.SECRET, [{"name": SECRET_TRUST, "validation_context": context}])


def _first(bundle: str) -> str:
    return bundle.partition("-----END")[0]
