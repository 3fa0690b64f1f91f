"""The safety kernel: what may start, across all playbooks. Pure, and its memory survives a restart by snapshot.

It refuses when repairs are stopped, a target is already being worked on, a cooldown runs, too many repairs were
started, a playbook's breaker is open, or the blast radius would grow past its budget.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from alerting.playbooks.kernel.traffic import Footprint
from alerting.playbooks.model import plan
from alerting.playbooks.model.incident import IncidentState
from components.durations import HOUR, MINUTE, SECOND, format_duration
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.playbooks.model.incident import Incident
    from telemetry.documents import Body


Source = Annotated[str, Field(pattern=r"^(anonymous|open-kafka|api-rules(:[A-Za-z0-9][A-Za-z0-9._-]{0,99})?)$")]
Duration = Annotated[plan.Duration, PlainSerializer(format_duration)]  # written out as it is read


class SafetyConfig(BaseModel):
    """Bounds across all playbooks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dry_run: bool = Field(default=False, description="Decide and record, but run no action.")
    max_open: int = Field(default=3, ge=1, description="Incidents being repaired at the same time.")
    max_starts: int = Field(default=10, ge=1, description="Repairs started within `starts_within`, over all playbooks.")
    max_starts_per_target: int = Field(
        default=4, ge=1, description="Of them, those of one playbook on one target: one that flaps leaves the others theirs."
    )
    starts_within: Duration = Field(default=HOUR, description="The time over which starts are counted.")
    max_instances: int = Field(default=2, ge=1, description="Instances that repairs may touch at the same time.")
    max_traffic_share: float = Field(
        default=0.5, gt=0, le=1, description="Share of all calls whose receivers repairs may touch at the same time."
    )
    breaker_failures: int = Field(default=3, ge=1, description="Repairs of a playbook in a row without proof of recovery.")
    breaker_reset: Duration = Field(default=30 * MINUTE, description="How long it then rests, before one more try at a time.")
    automatic_for: tuple[Source, ...] = Field(
        default=(),
        description=(
            "Sources on whose word repairs may start without a human, beside this machine, senders that show a token or a "
            "certificate, and rules of files: anonymous, open-kafka, api-rules, or api-rules:NAMESPACE."
        ),
    )
    untrusted_for: Duration = Field(
        default=24 * HOUR,
        ge=HOUR,
        description="How long after its last telemetry a source that is not among them still counts.",
    )
    approval_within: Duration = Field(
        default=15 * MINUTE,
        gt=0,
        description="How long a human has to approve a repair that such a source keeps from starting.",
    )
    targets: tuple[str, ...] = Field(
        default=(),
        description=(
            "Units, containers and workloads that a label may name to systemctl, docker, podman, kubectl or oc without a human "
            "seeing it, beside those that the trigger of the playbook names."
        ),
    )


@dataclass(frozen=True, slots=True)
class Touched:
    """A target that counts against the budget."""

    service: str
    instance: str
    footprint: Footprint
    waits: bool = False  # for approval: it has the target, and no part of the bounds yet

    def overlaps(self, other: Touched) -> bool:
        """Whether both touch the same thing: the same instance, or one of them the whole service."""
        return self.service == other.service and (self.instance == other.instance or not (self.instance and other.instance))


def touched_by(incident: Incident) -> Touched:
    """What an incident has, as it was when it was admitted."""
    footprint = Footprint(incident.instances, incident.traffic_share)
    return Touched(incident.service, incident.instance, footprint, waits=incident.state is IncidentState.APPROVING)


@dataclass(frozen=True, slots=True)
class StartRejection:
    """Why a playbook may not start. `code` is one word; the text says when or how that ends."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Start:
    """A repair that was started; `ended` is 0 while it is open."""

    time: int
    playbook: str
    service: str
    instance: str
    cooldown: int
    ended: int = 0


@dataclass(slots=True)
class Breaker:
    """Repairs of one playbook in a row that were not proven, and until when it rests."""

    failures: int = 0
    open_until: int = 0


class Safety:
    """Remembers starts and failures, and says what may start."""

    def __init__(self, config: SafetyConfig) -> None:
        self.config = config
        self.stopped_by = ""
        self._starts: list[Start] = []
        self._breakers: dict[str, Breaker] = {}

    def admit(self, playbook: str, target: Touched, touched: Iterable[Touched], now: int) -> StartRejection | None:
        """Why the playbook may not touch the target now, beside what is touched already; None when it may."""
        held = list(touched)
        return (
            self._stopped()
            or self._busy(target, held)
            or self._cooling(playbook, target, now)
            or self._rate(playbook, target, now)
            or self._broken(playbook, now)
            or self.no_room(target, held)
        )

    def no_room(self, target: Touched, touched: Iterable[Touched]) -> StartRejection | None:
        """Why the bounds have no room for the target beside what is touched already; what waits for approval takes none."""
        held = [each for each in touched if not each.waits]
        if len(held) >= self.config.max_open:
            return StartRejection("room", Wording.NO_ROOM(repairs=len(held), bound=self.config.max_open))
        return self._radius(target, held)

    def started(self, playbook: str, target: Touched, cooldown: int, now: int) -> None:
        """Remember a start for cooldown and rate."""
        within = self.config.starts_within
        self._starts = [s for s in self._starts if not s.ended or now < max(s.time + within, s.ended + s.cooldown)]
        self._starts.append(Start(now, playbook, target.service, target.instance, cooldown))

    def over(self, playbook: str, service: str, instance: str, now: int) -> None:
        """A repair is over, whichever way: its cooldown begins."""
        over = (playbook, service, instance, 0)
        self._starts = [
            replace(s, ended=now) if (s.playbook, s.service, s.instance, s.ended) == over else s for s in self._starts
        ]

    def judged(self, playbook: str, now: int, *, proven: bool) -> bool:
        """Remember whether a repair that did something was proven; whether the breaker opened by it."""
        breaker = self._breakers.setdefault(playbook, Breaker())
        breaker.failures = 0 if proven else breaker.failures + 1
        if breaker.failures < self.config.breaker_failures:
            breaker.open_until = 0
            return False
        breaker.open_until = now + self.config.breaker_reset
        return True

    def _stopped(self) -> StartRejection | None:
        return StartRejection("stopped", Wording.STOPPED_BY(who=self.stopped_by)) if self.stopped_by else None

    def _busy(self, target: Touched, held: list[Touched]) -> StartRejection | None:
        if any(target.overlaps(other) for other in held):
            return StartRejection("busy", Wording.TARGET_BUSY())
        return None

    def _cooling(self, playbook: str, target: Touched, now: int) -> StartRejection | None:
        same = (playbook, target.service, target.instance)
        until = max(
            ((s.ended or s.time) + s.cooldown for s in self._starts if (s.playbook, s.service, s.instance) == same),
            default=0,
        )
        return StartRejection("cooldown", Wording.RESTS(time=_seconds(until - now))) if now < until else None

    def _rate(self, playbook: str, target: Touched, now: int) -> StartRejection | None:
        recent = [start for start in self._starts if now < start.time + self.config.starts_within]
        same = (playbook, target.service, target.instance)
        own = sum((start.playbook, start.service, start.instance) == same for start in recent)
        if own >= self.config.max_starts_per_target:
            bound = self.config.max_starts_per_target
            return StartRejection("rate", Wording.STARTED_OFTEN(playbook=playbook, times=own, bound=bound))
        if len(recent) >= self.config.max_starts:
            return StartRejection("rate", Wording.MANY_STARTED(repairs=len(recent), bound=self.config.max_starts))
        return None

    def _broken(self, playbook: str, now: int) -> StartRejection | None:
        breaker = self._breakers.get(playbook)
        if breaker is None or not breaker.open_until:
            return None
        if now < breaker.open_until:
            then = Wording.RESTS(time=_seconds(breaker.open_until - now))
        elif any(start.playbook == playbook and not start.ended for start in self._starts):
            then = Wording.ONE_MORE_TRY()
        else:
            return None
        return StartRejection("breaker", Wording.BREAKER_OPEN(repairs=breaker.failures, then=then))

    def _radius(self, target: Touched, held: list[Touched]) -> StartRejection | None:
        everything = [*held, target]
        counts = [each.footprint.instances for each in everything]
        if None in counts:
            return StartRejection("budget", Wording.INSTANCES_UNKNOWN())
        instances = sum(count or 0 for count in counts)
        if instances > self.config.max_instances:
            text = Wording.MANY_INSTANCES(instances=instances, budget=self.config.max_instances)
            return StartRejection("budget", text)
        shares = [each.footprint.share for each in everything]
        known = [share for share in shares if share is not None]
        if len(known) < len(shares):
            return StartRejection("budget", Wording.TRAFFIC_UNKNOWN())
        if sum(known) > self.config.max_traffic_share:
            text = Wording.MUCH_TRAFFIC(share=f"{sum(known):.0%}", budget=f"{self.config.max_traffic_share:.0%}")
            return StartRejection("budget", text)
        return None

    def snapshot(self) -> Body:
        """What must survive a restart."""
        return {
            "version": 1,
            "stopped_by": self.stopped_by,
            "starts": [asdict(start) for start in self._starts],
            "breakers": {name: asdict(breaker) for name, breaker in self._breakers.items()},
        }

    def restore(self, snapshot: Body) -> None:
        """Go on where a snapshot ended. The caller has checked its version."""
        self.stopped_by = snapshot["stopped_by"]
        self._starts = [Start(**{"ended": start["time"], **start}) for start in snapshot["starts"]]
        self._breakers = {name: Breaker(**breaker) for name, breaker in snapshot["breakers"].items()}


def _seconds(duration: int) -> str:
    """A duration in whole seconds, for humans; the last one begun counts."""
    return format_duration(-(-duration // SECOND) * SECOND)
