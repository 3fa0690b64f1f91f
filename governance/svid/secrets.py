"""Certificates of agents as resources of SDS, each renewed at half of its life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from components.xds.contract import SECRET_CERTIFICATE, SECRET_TRUST
from governance.xds.snapshot import Kind, Resource, encode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from governance.fleet import Agent


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
        """The certificates that peers are checked against, as PEM."""
        ...

    def issue(self, service: str, now: int) -> Issued:
        """A new certificate for a service."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    service: str
    renew_at: int
    resources: Mapping[str, Resource]


class Secrets:
    """The secrets of each agent: its own key and certificate, and whom it trusts."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._kept: dict[str, _Kept] = {}
        self.renewed = 0

    def of(self, agent: Agent, now: int) -> Mapping[str, Resource]:
        """Its secrets; the same object until they are renewed."""
        kept = self._kept.get(agent.id)
        if kept is None or kept.service != agent.site.service or kept.renew_at <= now:
            self.renewed += kept is not None
            kept = self._kept[agent.id] = self._issue(agent.site.service, now)
        return kept.resources

    def sample(self, now: int) -> Mapping[str, Resource]:
        """Secrets that nobody gets, to check a configuration with."""
        return self._issue("preflight", now).resources

    def due(self, now: int) -> bool:
        """Whether some have lived half of their life."""
        return any(each.renew_at <= now for each in self._kept.values())

    def keep_only(self, ids: Collection[str]) -> None:
        """Drop those of agents that are no longer connected; they get new ones when they come back."""
        for gone in self._kept.keys() - set(ids):
            del self._kept[gone]

    def _issue(self, service: str, now: int) -> _Kept:
        found = self._issuer.issue(service, now)
        pair = {"certificate_chain": {"inline_string": found.certificate}, "private_key": {"inline_string": found.key}}
        trust = {"trusted_ca": {"inline_string": self._issuer.bundle}}
        written = [
            {"name": SECRET_CERTIFICATE, "tls_certificate": pair},
            {"name": SECRET_TRUST, "validation_context": trust},
        ]
        return _Kept(service, found.renew_at, encode(Kind.SECRET, written))
