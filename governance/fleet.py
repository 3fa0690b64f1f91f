"""The agents of a fleet: where each stands, which revision it is to have, and which it has."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict, deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Protocol

from components.durations import SECOND
from governance.compile.site import Instance, Site, can_be_called
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from governance.xds.snapshot import Snapshot
    from governance.xds.stream import Reply
    from telemetry.json_object import JsonObject

GRACE = 120 * SECOND
"""How long the instance of an agent that is gone is still called: its Envoy serves on while only its stream is broken, or we
were started anew; callers eject what does not answer."""
RETRY_SECONDS = 30.0
"""After which an agent that found no room may come again."""
MAX_SESSIONS = 8
"""Streams of one agent: one, two while another Envoy takes over, and what is dead and not yet known to be."""
HISTORY = 50
"""Revisions of an agent that are remembered; past it the oldest goes."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What became of a revision at an agent."""

    revision: str
    at: int
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class AgentElsewhere:
    """An agent as another control plane noted it; `plane` is the number of that one."""

    id: str
    data: JsonObject
    history: Sequence[Reached]
    plane: int


@dataclass(slots=True, eq=False)
class Session:
    """One stream of an agent. `wake` is set when its snapshot may have changed."""

    agent: Agent
    wake: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class Agent:
    """One agent, connected or not. `reached` is the revision that it has acknowledged as a whole; empty before the first.

    `elsewhere` says that it is connected to another control plane, `plane`, which shares the store.
    """

    id: str
    site: Site
    peer: str
    revision: str = ""
    snapshot: Snapshot | None = None
    has: Snapshot | None = None
    """What it has acknowledged as a whole: of a revision, with secrets and endpoints as they were."""
    reached: str = ""
    seen: int = 0
    plane: int = 0
    elsewhere: bool = False
    sessions: set[Session] = field(default_factory=set)
    history: deque[Reached] = field(default_factory=lambda: deque(maxlen=HISTORY))

    @property
    def connected(self) -> bool:
        """Whether it has a stream here."""
        return bool(self.sessions)

    @property
    def there(self) -> bool:
        """Whether it has a stream, here or at another control plane."""
        return self.connected or self.elsewhere

    def saved(self) -> tuple[str, JsonObject, tuple[Reached, ...]]:
        """What is kept of it: its id, plain data, and what became of revisions."""
        return (
            self.id,
            {
                "place": asdict(self.site),
                "peer": self.peer,
                "reached": self.reached,
                "seen": self.seen,
                "connected": self.connected,
            },
            tuple(self.history),
        )

    @property
    def labels(self) -> dict[str, str]:
        """Its labels; `service` is always one."""
        return {**dict(self.site.labels), "service": self.site.service}


class Centre(Protocol):
    """What decides for the fleet."""

    def revision_for(self, agent: Agent) -> str:
        """The revision that an agent is to have now."""
        ...

    def snapshot(self, agent: Agent) -> Snapshot:
        """What an agent is to have of the revision that it is to have; the same object while nothing changes."""
        ...

    def connected(self, agent: Agent) -> None:
        """An agent has come, gone, or stands elsewhere: others may have to know."""
        ...

    def applied(self, agent: Agent) -> None:
        """An agent has all of the revision that it is to have."""
        ...

    def refused(self, agent: Agent, revision: str, reason: str) -> None:
        """An agent refuses something of a revision."""
        ...


class Fleet:
    """The register of agents.

    Args:
        centre: decides.
        now: returns the time.
        most: agents that are known at a time; the one gone longest is dropped for a new one, else the new one is refused.

    Attributes:
        dropped: ids of those that are no longer known, until whoever keeps agents has read and cleared them.
    """

    def __init__(self, centre: Centre, now: Callable[[], int], most: int) -> None:
        self._centre, self._now, self._most = centre, now, most
        self._agents: OrderedDict[str, Agent] = OrderedDict()
        self.dropped: set[str] = set()

    @property
    def agents(self) -> Collection[Agent]:
        """All that are known."""
        return self._agents.values()

    def find(self, agent_id: str) -> Agent | None:
        """The agent of an id."""
        return self._agents.get(agent_id)

    def restore(self, saved: Iterable[tuple[str, JsonObject, Sequence[Reached]]]) -> None:
        """Know agents again that were known before; they are not connected."""
        for agent_id, data, history in saved:
            agent = Agent(agent_id, _site(data), data["peer"], reached=data["reached"], seen=self._now())
            agent.history.extend(history)
            self._agents[agent_id] = agent

    def learn(self, agents: Iterable[AgentElsewhere], alive: Collection[int]) -> bool:
        """Know what other control planes say of agents that are not connected here; whether one came or went there."""
        came: set[str] = set()
        for each in agents:
            agent = self._agents.get(each.id)
            if agent is None and len(self._agents) < self._most:
                agent = self._agents[each.id] = Agent(each.id, _site(each.data), each.data["peer"])
            if agent is None or agent.connected:
                continue
            agent.site, agent.peer, agent.reached = _site(each.data), each.data["peer"], each.data["reached"]
            agent.plane = each.plane if each.data.get("connected") else 0
            agent.history.clear()
            agent.history.extend(each.history)
            came.add(each.id)
        for agent in self._agents.values():
            there = not agent.connected and agent.plane in alive
            if there or agent.elsewhere:
                agent.seen = self._now()
            if there != agent.elsewhere:
                agent.elsewhere = there
                came.add(agent.id)
        return bool(came)

    def connect(self, agent_id: str, site: Site, peer: str) -> Session:
        """A stream of an agent begins.

        Raises:
            OverloadedError: as many agents as may be are connected, or it has as many streams.
        """
        agent = self._agents.get(agent_id)
        if agent is not None and len(agent.sessions) >= MAX_SESSIONS:
            raise OverloadedError(f"{agent_id} has {MAX_SESSIONS} streams: each agent needs an id of its own", RETRY_SECONDS)
        if agent is None:
            self._make_room()
            agent = self._agents[agent_id] = Agent(agent_id, site, peer)
            self.dropped.discard(agent_id)
        moved = (agent.site, agent.peer) != (site, peer) or not agent.connected
        agent.site, agent.peer, agent.seen, agent.plane, agent.elsewhere = site, peer, self._now(), 0, False
        session = Session(agent)
        agent.sessions.add(session)
        if moved:
            self._centre.connected(agent)
        self.refresh([agent])
        return session

    def _make_room(self) -> None:
        if len(self._agents) < self._most:
            return
        gone = min((each for each in self._agents.values() if not each.there), key=lambda each: each.seen, default=None)
        if gone is None:
            raise OverloadedError(f"{self._most} agents are connected; allow more by control.max_agents", RETRY_SECONDS)
        del self._agents[gone.id]
        self.dropped.add(gone.id)

    def disconnect(self, session: Session) -> None:
        """A stream of an agent has ended."""
        agent = session.agent
        agent.sessions.discard(session)
        agent.seen = self._now()
        if not agent.connected:
            self._centre.connected(agent)

    def refresh(self, agents: Collection[Agent] | None = None) -> None:
        """Give agents what they are to have now; all for None."""
        for agent in list(self._agents.values() if agents is None else agents):
            if not agent.connected:
                continue
            agent.revision = self._centre.revision_for(agent)
            snapshot = self._centre.snapshot(agent)
            if snapshot is not agent.snapshot:
                agent.snapshot = snapshot
                for session in agent.sessions:
                    session.wake.set()

    def replied(self, session: Session, reply: Reply) -> None:
        """An agent has acknowledged or refused something."""
        if reply.refusal:
            session.agent.reached = ""
            session.agent.history.append(Reached(reply.revision, self._now(), reply.refusal))
            self._centre.refused(session.agent, reply.revision, reply.refusal)

    def settled(self, session: Session, snapshot: Snapshot) -> None:
        """An agent has acknowledged all of a snapshot that it asked for."""
        agent, revision = session.agent, snapshot.revision
        agent.has = snapshot
        if agent.reached != revision:
            agent.reached = revision
            agent.history.append(Reached(revision, self._now()))
            self._centre.applied(agent)

    @property
    def settled_all(self) -> bool:
        """Whether each has all that it is to have; one that has been away for long does not count."""
        now = self._now()
        here = (each for each in self._agents.values() if not each.elsewhere)  # others judge theirs
        there = (each for each in here if each.connected or now - each.seen < GRACE)
        return all(each.connected and each.has is each.snapshot for each in there)

    def instances(self) -> Mapping[str, tuple[Instance, ...]]:
        """The instances that agents stand beside, by service."""
        found: dict[str, set[Instance]] = {}
        now = self._now()
        for agent in self._agents.values():
            place = agent.site
            there = agent.there or now - agent.seen < GRACE
            address = place.address if not ipaddress.ip_address(place.address).is_unspecified else agent.peer
            if there and place.inbound and address and can_be_called(place.service, address):
                found.setdefault(place.service, set()).add(Instance(address, place.inbound, place.labels))
        return {service: tuple(sorted(each)) for service, each in sorted(found.items())}


def _site(data: JsonObject) -> Site:
    labels = tuple((key, value) for key, value in data["place"]["labels"])
    return Site(**{**data["place"], "labels": labels})
