"""Certificates of a whole fleet: those in agents' snapshots, and those of streams of secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governance.svid.secrets import Secrets
from governance.svid.streams import SecretStreams
from governance.xds.snapshot import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from governance.fleet import Fleet
    from governance.svid.secrets import Issuer
    from governance.xds.snapshot import Resource, Snapshot


class Identities:
    """Who has which certificate.

    Args:
        issuer: issues them.
        now: returns the time.
        most: streams of secrets at a time.

    Attributes:
        secrets: those of agents.
        streams: of those who are no agents.
    """

    def __init__(self, issuer: Issuer, now: Callable[[], int], most: int) -> None:
        self._now = now
        self.secrets = Secrets(issuer)
        self.streams = SecretStreams(Secrets(issuer), now, most)
        self._snapshots: dict[str, tuple[Snapshot, Mapping[str, Resource], Snapshot]] = {}

    def snapshot(self, shared: Snapshot, holder: str, service: str) -> Snapshot:
        """A snapshot with the secrets of an agent; the same object while neither changes."""
        own = self.secrets.of(holder, service, self._now())
        kept = self._snapshots.get(holder)
        if kept is None or kept[0] is not shared or kept[1] is not own:
            kept = self._snapshots[holder] = (shared, own, shared.with_resources(Kind.SECRET, own))
        return kept[2]

    def renew(self, fleet: Fleet) -> None:
        """New certificates before the old ones end, and when roots change; none is kept of agents that are gone."""
        connected = {each.id for each in fleet.agents if each.connected}
        self.secrets.keep_only(connected)
        for gone in self._snapshots.keys() - connected:
            del self._snapshots[gone]
        if self.secrets.due(self._now()):
            fleet.refresh()
        self.streams.renew()

    def reached(self, fleet: Fleet) -> bool:
        """Whether all have the certificates and the trust that they are to have now."""
        return not self.secrets.due(self._now()) and fleet.settled_all and self.streams.acknowledged
