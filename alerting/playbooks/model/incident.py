"""One run of one playbook as plain data: what was planned, how far it is, what is known of each step.

An incident holds the steps with the labels already put in, so it ends as it began even when the playbook file changes
meanwhile. All times are nanoseconds since the epoch; 0 means not yet.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from telemetry.sentences import parts_of, with_parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.documents import Body


class IncidentState(StrEnum):
    """Where an incident is. The last two are its ends."""

    APPROVING = "approving"
    ISOLATING = "isolating"
    REPAIRING = "repairing"
    VERIFYING = "verifying"
    ROLLING_BACK = "rolling-back"
    CLOSED = "closed"
    ESCALATED = "escalated"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in {IncidentState.CLOSED, IncidentState.ESCALATED}


class Progress(StrEnum):
    """How far a step is. `intended` and `undoing` are written before the action starts."""

    WAITING = "waiting"
    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"  # it was running when the process died, and must not be repeated
    UNDOING = "undoing"
    UNDONE = "undone"
    NOT_UNDONE = "not-undone"

    @property
    def in_flight(self) -> bool:
        """Whether its action, or the inverse, may be running."""
        return self in {Progress.INTENDED, Progress.UNDOING}

    @property
    def in_effect(self) -> bool:
        """Whether the world may still feel it."""
        return self not in {Progress.WAITING, Progress.UNDONE}


@dataclass(frozen=True, slots=True)
class ActionCall:
    """An action with its arguments. Those of an inverse are texts over labels and `$result_...` until it runs."""

    action: str
    arguments: Body
    timeout: int
    refused: str = ""  # why it must not run: a value that could be something else where it stands


@dataclass(slots=True)
class Check:
    """A verification and how it stands. `since` is the start of the unbroken time for which it has held."""

    expression: str
    hold: int
    within: int
    deadline: int = 0
    since: int = 0
    settled: bool = False  # it has held, and is not asked again


@dataclass(slots=True)
class StepRun:
    """A step and how it stands. `undoes` names the step whose inverse this one is."""

    name: str
    phase: str
    call: ActionCall
    idempotent: bool
    inverse: ActionCall | None
    undoes: str = ""
    check: Check | None = None
    progress: Progress = Progress.WAITING
    started: int = 0
    ended: int = 0
    detail: str = ""
    result: dict[str, str] = field(default_factory=dict)
    asks: bool = False  # a crash left it in doubt: its target is asked, and it does not run again

    @property
    def left_behind(self) -> bool:
        """Whether, at the end, the target is still isolated by it, or in a state that should have been undone."""
        if self.undoes:
            return False
        if self.phase == "isolate" or self.call.action == "isolate":
            return self.progress.in_effect
        return self.inverse is not None and self.progress in {Progress.FAILED, Progress.UNKNOWN, Progress.NOT_UNDONE}


@dataclass(slots=True)
class Incident:
    """One run of one playbook on one target."""

    id: str
    playbook: str
    revision: str  # digest of the playbook as it was
    environment: str
    event: str
    service: str
    instance: str
    fingerprint: str  # of the alert or anomaly
    source: str  # "alert" or "anomaly"
    labels: dict[str, str]
    trace_ids: list[str]
    instances: int  # the footprint when it was admitted: an isolated target takes no calls, yet counts
    traffic_share: float
    steps: list[StepRun]
    check: Check
    state: IncidentState
    opened: int
    approve_by: int = 0  # 0: no human is asked
    approved_by: str = ""
    ended: int = 0
    why: str = ""
    changes: int = 0  # entries in the audit trail
    told: bool = False  # that it ended
    released: bool = False
    attempt: int = 1  # 2: the alert went on firing after a proven repair, so this one must end the alert too

    @property
    def in_flight(self) -> StepRun | None:
        """The step whose action, or inverse, may be running. There is one at most."""
        return next((step for step in self.steps if step.progress.in_flight), None)

    @property
    def holds_target(self) -> bool:
        """Whether it counts against the blast radius: open, or ended with its target not as it should be."""
        return not self.state.ended or (not self.released and any(step.left_behind for step in self.steps))

    def plain(self) -> Body:
        """The incident as JSON holds it."""
        return asdict(self)

    def parts(self) -> Body:
        """The parts of its sentences, as they stand beside `plain`: of `why`, and by name of the details of steps."""
        steps = {step.name: found for step in self.steps if (found := parts_of(step.detail))}
        return {"why_parts": parts_of(self.why), "step_parts": steps}

    @property
    def run_id(self) -> str:
        """Names the action in flight: the incident, the step, and whether it goes forward or back. Empty without one."""
        step = self.in_flight
        return f"{self.id}/{step.name}/{'undo' if step.progress is Progress.UNDOING else 'do'}" if step else ""


def incident_from(data: Body) -> Incident:
    """The incident that `plain` gave."""
    return Incident(
        **{
            **data,
            "steps": [
                StepRun(
                    **{
                        **step,
                        "call": ActionCall(**step["call"]),
                        "inverse": step["inverse"] and ActionCall(**step["inverse"]),
                        "check": step["check"] and Check(**step["check"]),
                        "progress": Progress(step["progress"]),
                    }
                )
                for step in data["steps"]
            ],
            "check": Check(**data["check"]),
            "state": IncidentState(data["state"]),
        }
    )


def saved_incidents(incidents: Iterable[Incident]) -> Body:
    """Incidents as part of a snapshot. 0.2.0 refuses one that says more than it knows: attempts and parts stand beside them."""
    found = list(incidents)
    plain = [{name: value for name, value in incident.plain().items() if name != "attempt"} for incident in found]
    return {
        "incidents": plain,
        "attempts": {incident.id: incident.attempt for incident in found if incident.attempt != 1},
        "parts": {incident.id: parts for incident in found if any((parts := incident.parts()).values())},
    }


def incidents_from(snapshot: Body) -> dict[str, Incident]:
    """The incidents that `saved_incidents` gave, by id."""
    attempts, parts = snapshot.get("attempts", {}), snapshot.get("parts", {})
    found = {data["id"]: incident_from(data | {"attempt": attempts.get(data["id"], 1)}) for data in snapshot["incidents"]}
    for name, own in parts.items():
        incident = found[name]
        incident.why = with_parts(incident.why, own["why_parts"])
        for step in incident.steps:
            step.detail = with_parts(step.detail, own["step_parts"].get(step.name))
    return found
