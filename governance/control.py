"""The control plane: it decides which revision each agent has, and takes a bad one back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from components.durations import SECOND
from governance.compile.site import Options, Site
from governance.compile.snapshot import compile_snapshot, next_end
from governance.files import read_policies
from governance.fleet import Agent, Fleet
from governance.model import Policies
from governance.revisions import EMPTY, Status
from governance.svid.secrets import Secrets
from governance.waves.judging import changed_services
from governance.waves.rollout import Member, Rollout, RolloutConfig, State, advance, back, begin
from governance.xds.preflight import preflight
from governance.xds.snapshot import Kind
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from governance.compile.site import Instance
    from governance.metrics import ControlMetrics
    from governance.revisions import Revision, RevisionStore
    from governance.svid.secrets import Issuer
    from governance.waves.rollout import Judge, WaveConfig
    from governance.xds.snapshot import Resource, Snapshot

log = structlog.get_logger(__name__)

AUTOMATIC = "automatic"
"""What the audit trail calls the control plane itself."""
TURN_SECONDS = 0.5
"""Between two looks at a rollout; what agents answer is looked at at once."""
UPDATE_SECONDS = 0.2
"""Between two changes of where instances are: a fleet that starts is not compiled for each agent that comes."""
MAX_SNAPSHOTS = 2000
"""Compiled snapshots that are kept; past it the one used longest ago goes."""
MAX_PLACES = 5
"""Different places for which a revision is checked by Envoy before its release."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Of a control plane."""

    rollout: RolloutConfig
    options: Options
    max_agents: int = 10_000
    check_with_envoy: bool = True


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
    ) -> None:
        self._settings, self.store, self._judge, self._metrics, self._now = settings, store, judge, metrics, now
        self.fleet = Fleet(self, now, settings.max_agents)
        self._policies: dict[str, Policies] = {EMPTY: Policies()}
        self._digests: dict[str, str] = {}
        self._refused: frozenset[str] = frozenset()
        self._stable = EMPTY
        self.rollout: Rollout | None = None
        self._kept: Rollout | None = None  # what the store has of it
        self._chosen: set[str] = set()
        self._snapshots: OrderedDict[tuple[str, Site, int], Snapshot] = OrderedDict()
        self._secrets = Secrets(issuer) if issuer is not None else None
        self._own: dict[str, tuple[Snapshot, Mapping[str, Resource], Snapshot]] = {}
        self._generation = 0
        self._next_end: int | None = None
        self._instances: Mapping[str, tuple[Instance, ...]] = {}
        self._updated = 0
        self._unsaved: set[Agent] = set()
        self._wake = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Go on where the store says that it stood."""
        self._refused = await self.store.refused_digests()
        if (stable := await self.store.stable()) is not None:
            self._load(stable)
            self._stable = stable.number
        self.fleet.restore(await self.store.agents())
        rollout = await self.store.rollout()
        if rollout is not None and not rollout.ended and (revision := await self.store.get(rollout.revision)) is not None:
            self._load(revision)
            self.rollout = self._kept = rollout
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

    def _load(self, revision: Revision) -> None:
        empty = not revision.text.strip()  # is refused today, and was kept once
        self._policies[revision.number] = Policies() if empty else read_policies(revision.text, f"revision {revision.number}")
        self._digests[revision.number] = revision.digest

    @property
    def stable(self) -> str:
        """The revision that agents have where no rollout has reached them."""
        return self._stable

    # What people ask for

    async def check(self, text: str, name: str) -> Policies:
        """Read a document, compile it for the places of the fleet, and have Envoy read that.

        Raises:
            ConfigError: what is wrong with it.
        """
        policies = await asyncio.to_thread(read_policies, text, name)  # seconds for megabytes
        if _digest(text) in self._refused:
            raise ConfigError(f"{name}: an agent refused this very document before; see `spanloom policy history`")
        for place in self._places(policies):
            options, now = self._settings.options, self._now()
            snapshot = await asyncio.to_thread(compile_snapshot, "check", policies, place, self._instances, options, now)
            if self._secrets is not None:
                snapshot = snapshot.with_resources(Kind.SECRET, self._secrets.sample(self._now()))
            if self._settings.check_with_envoy:
                await preflight(snapshot)
        return policies

    def _places(self, policies: Policies) -> Sequence[Site]:
        """Where it is tried: those of the fleet that differ most, and one that has both listeners for each governed service."""
        found = {replace(each.site, labels=()) for each in self.fleet.agents}
        governed = sorted({each.service for _, section in policies.sections() for each in section} - {"*"}) or ["any"]
        found |= {
            Site(service, inbound=10_000, application=10_001, outbound=10_002, telemetry=True)
            for service in governed[:MAX_PLACES]
        }
        return sorted(found, key=lambda each: (each.service not in governed, each.service))[:MAX_PLACES]

    async def publish(
        self, text: str, name: str, author: str, comment: str = "", waves: Sequence[WaveConfig] | None = None
    ) -> Revision:
        """Check a document, keep it, and release its first wave.

        Raises:
            ConfigError: what is wrong with it, or another revision is on its way.
        """
        async with self._publishing:
            policies = await self.check(text, name)
            if self.rollout is not None and not self.rollout.ended:
                raise ConfigError(f"revision {self.rollout.revision} is on its way; wait for it, or roll it back first")
            revision = await self.store.add(text, author, comment, self._now())
            self._policies[revision.number], self._digests[revision.number] = policies, revision.digest
            await self.store.mark(revision.number, Status.RELEASED, "", author, self._now())
            services = changed_services(self._policies[self._stable], policies)
            self.rollout = begin(revision.number, self._stable, waves or self._settings.rollout.waves, self._now(), services)
            self._kept = self.rollout
            await self.store.keep_rollout(self.rollout, self._now())
            self._choose()
            self.fleet.refresh()
            self._wake.set()
            return revision

    async def roll_back(self, author: str, why: str) -> str:
        """Take the revision back that is on its way; which one agents have now.

        Raises:
            ConfigError: none is.
        """
        async with self._publishing:
            if self.rollout is None or self.rollout.ended:
                raise ConfigError("no revision is on its way; push the document of an earlier one to go back to it")
            await self._become(back(self.rollout, why), "asked", author)
            return self._stable

    # What the fleet asks and says

    def revision_for(self, agent: Agent) -> str:
        """The revision that an agent is to have now."""
        if self.rollout is not None and agent.id in self._chosen:
            return self.rollout.revision
        return self._stable

    def snapshot(self, agent: Agent) -> Snapshot:
        """What an agent is to have: what all at such a place have, with secrets of its own."""
        shared = self._compiled(agent.revision, agent.site)
        if self._secrets is None:
            return shared
        own = self._secrets.of(agent, self._now())
        kept = self._own.get(agent.id)
        if kept is None or kept[0] is not shared or kept[1] is not own:
            kept = self._own[agent.id] = (shared, own, shared.with_resources(Kind.SECRET, own))
        return kept[2]

    def _compiled(self, revision: str, site: Site) -> Snapshot:
        key = (revision, replace(site, labels=()), self._generation)
        found = self._snapshots.get(key)
        if found is None:
            policies, options = self._policies[revision], self._settings.options
            found = compile_snapshot(revision, policies, key[1], self._instances, options, self._now())
            while len(self._snapshots) >= MAX_SNAPSHOTS:
                self._snapshots.popitem(last=False)
            self._snapshots[key] = found
        self._snapshots.move_to_end(key)
        return found

    def connected(self, agent: Agent) -> None:
        """An agent has come, gone, or stands elsewhere."""
        self._unsaved.add(agent)
        if self.rollout is not None and not self.rollout.ended:
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
        rollout = self.rollout
        if rollout is None or rollout.ended or rollout.revision != revision:
            return
        self._refused |= {self._digests[revision]}
        self.rollout = back(rollout, f"{agent.id} refuses it: {reason}")
        self._choose()
        self.fleet.refresh()  # at once; what is kept of it follows
        self._wake.set()

    # What goes on by itself

    def _members(self) -> Collection[Member]:
        return [Member(each.id, each.labels, each.connected, each.reached) for each in self.fleet.agents]

    def _choose(self) -> None:
        self._chosen = self.rollout.chosen(self._members()) if self.rollout is not None and not self.rollout.ended else set()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TURN_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            self._update_instances()
            self._renew()
            async with self._publishing:
                rollout = self.rollout
                if rollout is not None and rollout is not self._kept and rollout.state is State.ROLLED_BACK:
                    await self._become(rollout, "refused", "")
                elif rollout is not None and not rollout.ended:
                    following = advance(rollout, self._members(), self._judge, self._settings.rollout, self._now())
                    if following is not rollout:
                        await self._become(following, "judged" if rollout.settled else "late", "")
            await self._save()

    def _found(self) -> Mapping[str, tuple[Instance, ...]]:
        found = self.fleet.instances()
        if self._secrets is None:
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
                self._generation += 1
                self.fleet.refresh()
        live = {self._stable} | ({self.rollout.revision} if self.rollout is not None else set())
        self._next_end = min((end for each in live if (end := next_end(self._policies[each], now)) is not None), default=None)

    def _renew(self) -> None:
        """Give agents new certificates before theirs end, and keep none of agents that are gone."""
        if self._secrets is not None:
            connected = {each.id for each in self.fleet.agents if each.connected}
            self._secrets.keep_only(connected)
            for gone in self._own.keys() - connected:
                del self._own[gone]
            if self._secrets.due(self._now()):
                self.fleet.refresh()

    async def _become(self, rollout: Rollout, reason: str, author: str) -> None:
        """Note how a rollout goes on, and act on it."""
        self.rollout = self._kept = rollout
        by = author or AUTOMATIC
        log.info("rollout", revision=rollout.revision, state=rollout.state.value, wave=rollout.wave + 1, why=rollout.why)
        if rollout.state is State.DONE:
            self._stable = rollout.revision
            await self.store.mark(rollout.revision, Status.STABLE, rollout.why, by, self._now())
        elif rollout.state is State.ROLLED_BACK:
            self._metrics.rollbacks.labels(reason).inc()
            refused = self._digests[rollout.revision] in self._refused
            status = Status.REFUSED if refused else Status.ROLLED_BACK
            await self.store.mark(rollout.revision, status, rollout.why, by, self._now())
        await self.store.keep_rollout(rollout, self._now())
        self._choose()
        self.fleet.refresh()
        for number in list(self._policies):
            if number not in {EMPTY, self._stable, rollout.revision, rollout.before}:
                del self._policies[number]

    async def _save(self) -> None:
        unsaved, self._unsaved = self._unsaved, set()
        if dropped := set(self.fleet.dropped):
            self.fleet.dropped.clear()
            await self.store.remove_agents(dropped)
        if unsaved:
            await self.store.keep_agents([each.saved() for each in unsaved if self.fleet.find(each.id) is each])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
