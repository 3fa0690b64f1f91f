"""Snapshots for a fleet: compiled once for all agents at equal places, and again when what they depend on changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from components.durations import SECOND
from governance.compile.cache import SnapshotCache
from governance.compile.places import tried_at
from governance.compile.snapshot import chosen_by, compile_snapshot, next_end
from governance.xds.preflight import preflight
from governance.xds.snapshot import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from governance.compile.site import Instance, Options, Site
    from governance.delivery.deliveries import Deliveries
    from governance.fleet import Agent, Fleet
    from governance.model import Policies
    from governance.svid.identities import Identities
    from governance.xds.snapshot import Resource, Snapshot

UPDATE_SECONDS = 0.2
"""Between two changes of where instances are: a fleet that starts is not compiled for each agent that comes."""


class FleetSnapshots:
    """What is compiled of policies, and for whom.

    Args:
        fleet: whose agents stand beside instances.
        deliveries: which share of calls new instances get.
        identities: whose certificates snapshots carry; None without.
        options: what holds for all places.
        now: nanoseconds since the epoch.

    Attributes:
        instances: those that agents stand beside, by service.
    """

    def __init__(
        self, fleet: Fleet, deliveries: Deliveries, identities: Identities | None, options: Options, now: Callable[[], int]
    ) -> None:
        self._fleet, self._deliveries, self._identities = fleet, deliveries, identities
        self._options, self._now = options, now
        self.instances: Mapping[str, tuple[Instance, ...]] = {}
        self._cache = SnapshotCache()
        self._generation = 0
        self._next_end: int | None = None
        self._updated = 0

    def of(self, agent: Agent, policies: Policies) -> Snapshot:
        """What an agent is to have of its revision, whose policies these are: that of its place, with secrets of its own."""
        revision = agent.revision

        def make(site: Site) -> Snapshot:
            resolved = self._deliveries.resolved(policies)
            return compile_snapshot(revision, resolved, site, self.instances, self._options, self._now())

        site = replace(agent.site, labels=chosen_by(policies, agent.site))
        shared = self._cache.get(revision, site, self._generation, make)
        return shared if self._identities is None else self._identities.snapshot(shared, agent.id, agent.site.service)

    def again(self) -> None:
        """Compile anew whatever is asked for from now on."""
        self._generation += 1

    def find_instances(self) -> None:
        """Learn where instances are."""
        found = self._fleet.instances()
        if self._options.trust_domain:
            found = {service: tuple(replace(each, identity=True) for each in here) for service, here in found.items()}
        self.instances = found

    def update(self, live: Iterable[Policies]) -> bool:
        """Learn where instances are, and which faults have ended; whether snapshots are others now.

        Args:
            live: policies that agents have, or are about to get.
        """
        now, changed = self._now(), False
        ended = self._next_end is not None and now >= self._next_end
        if ended or now - self._updated >= UPDATE_SECONDS * SECOND:
            self._updated, before = now, self.instances
            self.find_instances()
            changed = ended or self.instances != before
            if changed:
                self.again()
        self._next_end = min((end for each in live if (end := next_end(each, now)) is not None), default=None)
        return changed

    async def check(self, policies: Policies, sample_secrets: Mapping[str, Resource], *, with_envoy: bool) -> None:
        """Compile policies for the places of the fleet, and have Envoy read that.

        Args:
            policies: that may be released.
            sample_secrets: what Envoy reads in place of certificates that somebody else issues.
            with_envoy: whether it is to read them.

        Raises:
            ConfigError: what is wrong with them.
        """
        compiled = self._deliveries.resolved(policies)
        for place in tried_at(policies, (each.site for each in self._fleet.agents)):
            options, now = self._options, self._now()
            snapshot = await asyncio.to_thread(compile_snapshot, "check", compiled, place, self.instances, options, now)
            if self._identities is not None:
                snapshot = snapshot.with_resources(Kind.SECRET, self._identities.secrets.sample(self._now()))
            elif sample_secrets:
                snapshot = snapshot.with_resources(Kind.SECRET, sample_secrets)
            if with_envoy:
                await preflight(snapshot)
