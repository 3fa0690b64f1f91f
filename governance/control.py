"""The control plane: it decides which revision each agent has, and takes a bad one back by itself."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from components.durations import SECOND
from governance.compile.tokens import check_issuers
from governance.delivery.deliveries import Deliveries, planned
from governance.files import read_policies
from governance.fleet import Agent, Fleet
from governance.limits.external import check_units
from governance.releases import Releases
from governance.revisions import LostConnectionError, Status, digest_of
from governance.snapshots.documents import Documents
from governance.snapshots.fleet_snapshots import FleetSnapshots
from governance.svid.identities import Identities
from governance.waves.judging import changed_services, risen_targets
from governance.waves.rollout import Member, Rollout, RolloutConfig, State, advance, back, begin
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from governance.compile.site import Options
    from governance.delivery.delivery import Delivery, DeliveryAction
    from governance.metrics import ControlMetrics
    from governance.model import Policies, Target
    from governance.revisions import Revision, RevisionStore
    from governance.svid.secrets import Issuer
    from governance.waves.rollout import Judge, WaveConfig
    from governance.xds.snapshot import Resource, Snapshot

log = structlog.get_logger(__name__)

TURN_SECONDS = 0.5
"""Between two looks at a rollout; what agents answer is looked at at once."""


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
        self._documents = Documents()
        self.releases = Releases(store, now)
        self._chosen: set[str] = set()
        self.deliveries = Deliveries(store, metrics, alarms)
        self.identities = Identities(issuer, now, settings.max_agents) if issuer is not None else None
        self.snapshots = FleetSnapshots(self.fleet, self.deliveries, self.identities, settings.options, now)
        self._leads = True  # whether this one decides how rollouts go on
        self._unsaved: set[Agent] = set()
        self._wake = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Go on where the store says that it stood."""
        self.fleet.restore(await self.store.agents())
        await self._reload()
        self.snapshots.find_instances()
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
            self._documents.read(revision)
        if await self.deliveries.restore():
            self.snapshots.again()
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
        return [self._documents[each] for each in {self.stable, rollout.revision if rollout is not None else self.stable}]

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
        secrets = self._settings.sample_secrets
        await self.snapshots.check(policies, secrets, with_envoy=self._settings.check_with_envoy)
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
        before, resolved = self._documents[self.stable], self.deliveries.resolved
        services, targets = changed_services(before, policies), risen_targets(resolved(before), resolved(policies))
        self._documents.add(revision, policies)
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
            found = await self.deliveries.act(self._documents[self.stable], service, action, author, why, self._now())
            self._compile_again()
            return found

    def delivered(self, service: str) -> Sequence[Target]:
        """Old and new instances of a delivery, with their weights now; empty without one."""
        plan = dict(planned(self._documents[self.stable])).get(service)
        return self.deliveries.targets(service, plan) if plan is not None else ()

    # What the fleet asks and says

    def revision_for(self, agent: Agent) -> str:
        """The revision that an agent is to have now."""
        if self.rollout is not None and agent.id in self._chosen:
            return self.rollout.revision
        return self.stable

    def snapshot(self, agent: Agent) -> Snapshot:
        """What an agent is to have: what all at such a place have, with secrets of its own."""
        return self.snapshots.of(agent, self._documents[agent.revision])

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
        self.releases.refused |= {self._documents.digest(revision)}
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
            if self.snapshots.update(self.live):
                self.fleet.refresh()
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
            stable, busy = self._documents[self.stable], self.releases.busy
            if self._leads and await self.deliveries.advance(stable, self.snapshots.instances, busy, self._now()):
                self._compile_again()

    def _compile_again(self) -> None:
        self.snapshots.again()
        self.fleet.refresh()

    def identities_reached(self) -> bool:
        """Whether all have the certificates and the trust that they are to have now."""
        return self.identities is not None and self.identities.reached(self.fleet)

    async def _become(self, rollout: Rollout, reason: str, author: str) -> None:
        """Note how a rollout goes on, and act on it."""
        refused = self._documents.digest(rollout.revision) in self.releases.refused
        if not await self.releases.become(rollout, author, refused=refused):
            return
        if rollout.state is State.ROLLED_BACK:
            self._metrics.rollbacks.labels(reason).inc()
        self._choose()
        self.fleet.refresh()
        self._forget()

    def _forget(self) -> None:
        rollout = self.rollout
        self._documents.keep_only({self.stable, *((rollout.revision, rollout.before) if rollout is not None else ())})

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
