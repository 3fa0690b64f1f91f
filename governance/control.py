"""The control plane: it decides which revision each agent has, and takes a bad one back by itself."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from components.durations import SECOND
from governance.compile.cache import SnapshotCache
from governance.compile.places import tried_at
from governance.compile.snapshot import chosen_by, compile_snapshot, next_end
from governance.compile.tokens import check_issuers
from governance.delivery.deliveries import Deliveries, planned
from governance.files import read_policies
from governance.fleet import Agent, Fleet
from governance.limits.external import check_units
from governance.model import Policies
from governance.releases import Releases
from governance.revisions import EMPTY, LostConnectionError, Status, digest_of
from governance.svid.identities import Identities
from governance.waves.judging import changed_services, risen_targets
from governance.waves.rollout import Member, Rollout, RolloutConfig, State, advance, back, begin
from governance.xds.preflight import preflight
from governance.xds.snapshot import Kind
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from governance.compile.site import Instance, Options, Site
    from governance.delivery.delivery import Delivery, DeliveryAction
    from governance.metrics import ControlMetrics
    from governance.model import Target
    from governance.revisions import Revision, RevisionStore
    from governance.svid.secrets import Issuer
    from governance.waves.rollout import Judge, WaveConfig
    from governance.xds.snapshot import Resource, Snapshot

log = structlog.get_logger(__name__)

TURN_SECONDS = 0.5
"""Between two looks at a rollout; what agents answer is looked at at once."""
UPDATE_SECONDS = 0.2
"""Between two changes of where instances are: a fleet that starts is not compiled for each agent that comes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Of a control plane."""

    rollout: RolloutConfig
    options: Options
    max_agents: int = 10_000
    check_with_envoy: bool = True
    sample_secrets: Mapping[str, Resource] = field(default_factory=dict)
    """What Envoy checks a configuration with where somebody else issues certificates."""


class ControlPlane:
    """From entering to leaving. Implements `governance.fleet.Centre`."""

    def __init__(
        self,
        settings: Settings,
        store: RevisionStore,
        judge: Judge,
        metrics: ControlMetrics,
        now: Callable[[], int],
        issuer: Issuer | None = None,
        alarms: Callable[[Collection[str], int, int], str] | None = None,
    ) -> None:
        self._settings, self.store, self._judge, self._metrics, self._now = settings, store, judge, metrics, now
        self.fleet = Fleet(self, now, settings.max_agents)
        self._policies: dict[str, Policies] = {EMPTY: Policies()}
        self._digests: dict[str, str] = {}
        self.releases = Releases(store, now)
        self._chosen: set[str] = set()
        self._snapshots = SnapshotCache()
        self.deliveries = Deliveries(store, metrics, alarms)
        self.identities = Identities(issuer, now, settings.max_agents) if issuer is not None else None
        self._generation = 0
        self._leads = True  # whether this one decides how rollouts go on
        self._next_end: int | None = None
        self._instances: Mapping[str, tuple[Instance, ...]] = {}
        self._updated = 0
        self._unsaved: set[Agent] = set()
        self._wake = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Go on where the store says that it stood."""
        self.fleet.restore(await self.store.agents())
        await self._reload()
        self._instances = self._found()
        self._choose()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop deciding; agents keep what they have."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            await self._save()

    async def wait(self) -> None:
        """Return, or raise, only when it no longer decides."""
        if self._task is not None:
            await self._task

    async def _reload(self) -> None:
        for revision in await self.releases.load():
            if revision.number not in self._policies:
                self._load(revision)
        if await self.deliveries.restore():
            self._generation += 1
        self._forget()

    async def _look(self) -> None:
        """Learn what other control planes did that share the store."""
        found = await self.store.look()
        self._leads = found.leads
        self.releases.stale |= found.changed
        if self.fleet.learn(found.agents, found.alive):
            self._choose()

    async def _catch_up(self) -> None:
        """Decide on nothing older than what the store has now."""
        await self._look()
        if self.releases.stale or self.deliveries.stale:
            await self._reload()
            self._choose()
            self.fleet.refresh()

    def _load(self, revision: Revision) -> None:
        empty = not revision.text.strip()  # is refused today, and was kept once
        self._policies[revision.number] = Policies() if empty else read_policies(revision.text, f"revision {revision.number}")
        self._digests[revision.number] = revision.digest

    @property
    def stable(self) -> str:
        """The revision that agents have where no rollout has reached them."""
        return self.releases.stable

    @property
    def rollout(self) -> Rollout | None:
        """The last one, ended or not."""
        return self.releases.rollout

    @property
    def live(self) -> list[Policies]:
        """Those that agents have, and those that are on their way."""
        rollout = self.releases.on_its_way
        return [self._policies[each] for each in {self.stable, rollout.revision if rollout is not None else self.stable}]

    # What people ask for

    async def check(self, text: str, name: str) -> Policies:
        """Read a document, compile it for the places of the fleet, and have Envoy read that.

        Raises:
            ConfigError: what is wrong with it.
        """
        policies = await asyncio.to_thread(read_policies, text, name)  # seconds for megabytes
        if digest_of(text) in self.releases.refused:
            raise ConfigError(f"{name}: an agent refused this very document before; see `spanloom policy history`")
        check_issuers(policies, self._settings.options.token_issuers, name)
        if self._settings.options.limit_service:
            check_units(policies, name)
        compiled = self.deliveries.resolved(policies)
        for place in tried_at(policies, (each.site for each in self.fleet.agents)):
            options, now = self._settings.options, self._now()
            snapshot = await asyncio.to_thread(compile_snapshot, "check", compiled, place, self._instances, options, now)
            if self.identities is not None:
                snapshot = snapshot.with_resources(Kind.SECRET, self.identities.secrets.sample(self._now()))
            elif self._settings.sample_secrets:
                snapshot = snapshot.with_resources(Kind.SECRET, self._settings.sample_secrets)
            if self._settings.check_with_envoy:
                await preflight(snapshot)
        return policies

    async def publish(
        self, text: str, name: str, author: str, comment: str = "", waves: Sequence[WaveConfig] | None = None
    ) -> Revision:
        """Check a document, keep it, and release its first wave.

        Raises:
            ConfigError: what is wrong with it, or another revision is on its way.
        """
        async with self._publishing:
            policies = await self.check(text, name)
            await self._catch_up()
            self.releases.refuse_while_one_is_on_its_way()
            revision = await self.store.add(text, author, comment, self._now())
            await self._begin(revision, policies, author, waves or self._settings.rollout.waves)
            return replace(revision, status=Status.RELEASED)

    async def release(self, draft: Revision, author: str, against: str) -> None:
        """Release the first wave of a revision that waited, while `against` is stable.

        Raises:
            ConfigError: the fleet of today cannot have it, another revision is or was on its way, or it waits no longer.
        """
        async with self._publishing:
            await self._catch_up()
            if against != self.stable:
                raise ConfigError(f"revision {self.stable} is stable by now: look at the difference to it")
            policies = await self.check(draft.text, f"revision {draft.number}")
            self.releases.refuse_while_one_is_on_its_way()
            await self._begin(draft, policies, author, self._settings.rollout.waves)

    async def _begin(self, revision: Revision, policies: Policies, author: str, waves: Sequence[WaveConfig]) -> None:
        before, resolved = self._policies[self.stable], self.deliveries.resolved
        services, targets = changed_services(before, policies), risen_targets(resolved(before), resolved(policies))
        self._policies[revision.number], self._digests[revision.number] = policies, revision.digest
        await self.releases.begin(begin(revision.number, self.stable, waves, self._now(), services, targets), author)
        self._choose()
        self.fleet.refresh()
        self._wake.set()

    async def roll_back(self, author: str, why: str) -> str:
        """Take the revision back that is on its way; which one agents have now.

        Raises:
            ConfigError: none is.
        """
        async with self._publishing:
            await self._catch_up()
            if (rollout := self.releases.on_its_way) is None:
                raise ConfigError("no revision is on its way; push the document of an earlier one to go back to it")
            await self._become(back(rollout, why), "asked", author)
            return self.stable

    async def deliver(self, service: str, action: DeliveryAction, author: str, why: str = "") -> Delivery:
        """Do something with the delivery of a service that goes on by itself else.

        Raises:
            ConfigError: there is none, or that cannot be done with it now.
        """
        async with self._publishing:
            await self._catch_up()
            found = await self.deliveries.act(self._policies[self.stable], service, action, author, why, self._now())
            self._compile_again()
            return found

    def delivered(self, service: str) -> Sequence[Target]:
        """Old and new instances of a delivery, with their weights now; empty without one."""
        plan = dict(planned(self._policies[self.stable])).get(service)
        return self.deliveries.targets(service, plan) if plan is not None else ()

    # What the fleet asks and says

    def revision_for(self, agent: Agent) -> str:
        """The revision that an agent is to have now."""
        if self.rollout is not None and agent.id in self._chosen:
            return self.rollout.revision
        return self.stable

    def snapshot(self, agent: Agent) -> Snapshot:
        """What an agent is to have: what all at such a place have, with secrets of its own."""
        revision = agent.revision

        def make(site: Site) -> Snapshot:
            policies, options = self.deliveries.resolved(self._policies[revision]), self._settings.options
            return compile_snapshot(revision, policies, site, self._instances, options, self._now())

        site = replace(agent.site, labels=chosen_by(self._policies[revision], agent.site))
        shared = self._snapshots.get(revision, site, self._generation, make)
        return shared if self.identities is None else self.identities.snapshot(shared, agent.id, agent.site.service)

    def connected(self, agent: Agent) -> None:
        """An agent has come, gone, or stands elsewhere."""
        self._unsaved.add(agent)
        if self.releases.on_its_way is not None:
            self._choose()
        self._wake.set()

    def applied(self, agent: Agent) -> None:
        """An agent has all of its revision."""
        self._unsaved.add(agent)
        rollout = self.rollout
        if rollout is not None and agent.reached == rollout.revision and not rollout.settled:
            self._metrics.reach_seconds.observe(max(0, self._now() - rollout.since) / SECOND)
        self._wake.set()

    def refused(self, agent: Agent, revision: str, reason: str) -> None:
        """An agent refuses a revision: nobody gets it from now on."""
        self._unsaved.add(agent)
        rollout = self.releases.on_its_way
        if rollout is None or rollout.revision != revision:
            return
        self.releases.refused |= {self._digests[revision]}
        self.releases.rollout = back(rollout, f"{agent.id} refuses it: {reason}")
        self._choose()
        self.fleet.refresh()  # at once; what is kept of it follows
        self._wake.set()

    # What goes on by itself

    def _members(self) -> Collection[Member]:
        return [Member(each.id, each.labels, each.there, each.reached) for each in self.fleet.agents]

    def _choose(self) -> None:
        rollout = self.releases.on_its_way
        self._chosen = rollout.chosen(self._members()) if rollout is not None else set()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TURN_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            self._update_instances()
            if self.identities is not None:
                self.identities.renew(self.fleet)
            try:
                await self._decide()
                await self._save()
            except LostConnectionError as error:  # what agents have, they keep; it is decided on when the store is back
                self._metrics.store_failures.inc()
                log.warning("control_store_away", reason=str(error))

    async def _decide(self) -> None:
        async with self._publishing:
            await self._catch_up()
            if (undone := self.releases.unkept) is not None:
                await self._become(undone, "refused", "")
            elif (rollout := self.releases.on_its_way) is not None and self._leads:
                following = advance(rollout, self._members(), self._judge, self._settings.rollout, self._now())
                if following is not rollout:
                    await self._become(following, "judged" if rollout.settled else "late", "")
            stable, busy = self._policies[self.stable], self.releases.busy
            if self._leads and await self.deliveries.advance(stable, self._instances, busy, self._now()):
                self._compile_again()

    def _compile_again(self) -> None:
        self._generation += 1
        self.fleet.refresh()

    def _found(self) -> Mapping[str, tuple[Instance, ...]]:
        found = self.fleet.instances()
        if not self._settings.options.trust_domain:
            return found
        return {service: tuple(replace(each, identity=True) for each in here) for service, here in found.items()}

    def _update_instances(self) -> None:
        """Callers learn where instances are, and faults end."""
        now = self._now()
        ended = self._next_end is not None and now >= self._next_end
        if ended or now - self._updated >= UPDATE_SECONDS * SECOND:
            self._updated = now
            instances = self._found()
            if instances != self._instances or ended:
                self._instances = instances
                self._compile_again()
        self._next_end = min((end for each in self.live if (end := next_end(each, now)) is not None), default=None)

    def identities_reached(self) -> bool:
        """Whether all have the certificates and the trust that they are to have now."""
        return self.identities is not None and self.identities.reached(self.fleet)

    async def _become(self, rollout: Rollout, reason: str, author: str) -> None:
        """Note how a rollout goes on, and act on it."""
        refused = self._digests[rollout.revision] in self.releases.refused
        if not await self.releases.become(rollout, author, refused=refused):
            return
        if rollout.state is State.ROLLED_BACK:
            self._metrics.rollbacks.labels(reason).inc()
        self._choose()
        self.fleet.refresh()
        self._forget()

    def _forget(self) -> None:
        rollout = self.rollout
        kept = {EMPTY, self.stable, *((rollout.revision, rollout.before) if rollout is not None else ())}
        for number in self._policies.keys() - kept:
            del self._policies[number]

    async def _save(self) -> None:
        if dropped := set(self.fleet.dropped):
            await self.store.remove_agents(dropped)
            self.fleet.dropped -= dropped
        unsaved, self._unsaved = self._unsaved, set()
        try:
            if unsaved:
                await self.store.keep_agents([each.saved() for each in unsaved if self.fleet.find(each.id) is each])
        except LostConnectionError:
            self._unsaved |= unsaved
            raise
