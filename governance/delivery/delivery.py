"""A delivery on its way: which step it is at, and what follows. A state machine without clock or I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from components.durations import SECOND
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from governance.plans.delivery import DeliveryPlan
    from telemetry.json_object import JsonObject

ALL = 100.0


class DeliveryState(StrEnum):
    """Where a delivery is. Only the first goes on by itself."""

    ADVANCING = "advancing"
    PAUSED = "paused"  # by a person; weights stay
    COMPLETED = "completed"
    ROLLED_BACK = "rolled-back"


class DeliveryAction(StrEnum):
    """What a person can do with a delivery."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"


class Seen(NamedTuple):
    """What telemetry says of a step: why new instances are worse, if they are, and the calls of both sides in it."""

    worse: str = ""
    old: int = 0
    new: int = 0
    said: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Times are nanoseconds since the epoch.

    Attributes:
        service: whose calls move.
        plan: the digest of its plan.
        steps: how many steps were begun; 0 is: new instances get no calls yet.
        since: when the last one was.
        share: percent of calls that new instances get.
        why: the last decision, or what it waits for.
        evidence: of the comparison when the step began.
    """

    service: str
    plan: str
    since: int
    steps: int = 0
    share: float = 0.0
    state: DeliveryState = DeliveryState.ADVANCING
    why: str = "not begun"
    evidence: JsonObject | None = None

    @property
    def running(self) -> bool:
        """Whether it goes on by itself, and has begun."""
        return self.state is DeliveryState.ADVANCING and self.steps > 0

    def snapshot(self) -> JsonObject:
        """The delivery as plain data."""
        return {"version": 1, **asdict(self), "state": self.state.value}

    def described(self) -> JsonObject:
        """Where it is, for people."""
        return {key: value for key, value in self.snapshot().items() if key not in {"version", "plan", "evidence"}}


def restore_delivery(data: JsonObject) -> Delivery:
    """The delivery out of its plain data."""
    fields = {key: value for key, value in data.items() if key != "version"}
    return Delivery(**{**fields, "state": DeliveryState(fields["state"])})


def following(delivery: Delivery, plan: DeliveryPlan, seen: Seen, waits: str, now: int) -> Delivery:
    """What follows now.

    Args:
        delivery: where it is.
        plan: its plan.
        seen: what telemetry says of the step.
        waits: why no step may begin now; empty if one may.
        now: the time.
    """
    if delivery.state is not DeliveryState.ADVANCING:
        return delivery
    if delivery.steps and seen.worse:
        return rolled_back(delivery, seen.worse, now)
    if reason := waits or _unfinished(delivery, plan, seen, now):
        return replace(delivery, why=f"waits: {reason}")
    if delivery.steps == len(plan.steps):
        return replace(delivery, state=DeliveryState.COMPLETED, since=now, why=f"all steps have passed; {_findings(seen)}")
    number = delivery.steps + 1
    why = f"step {number} of {len(plan.steps)}" + (f": {_findings(seen)}" if delivery.steps else "")
    return replace(delivery, steps=number, share=plan.steps[number - 1], since=now, why=why)


def _findings(seen: Seen) -> str:
    return seen.said or "nothing speaks against it"


def _unfinished(delivery: Delivery, plan: DeliveryPlan, seen: Seen, now: int) -> str:
    """Why the step is not over."""
    if not delivery.steps:
        return ""
    few = min(seen.old, seen.new) < plan.calls
    if few and delivery.share < ALL:
        return f"{seen.new} calls of what is new and {seen.old} of the rest; {plan.calls} of each are needed"
    if now - delivery.since < plan.watch:
        return f"the step is watched for {plan.watch / SECOND:g} s"
    return ""


def rolled_back(delivery: Delivery, why: str, now: int) -> Delivery:
    """New instances get no calls any more."""
    return replace(delivery, state=DeliveryState.ROLLED_BACK, share=0.0, since=now, why=why)


def done_by(delivery: Delivery, plan: DeliveryPlan, action: DeliveryAction, why: str, now: int) -> Delivery:
    """The delivery after a person's action.

    Raises:
        ConfigError: that cannot be done with it now.
    """
    state = delivery.state
    if action is DeliveryAction.PAUSE and state is DeliveryState.ADVANCING:
        return replace(delivery, state=DeliveryState.PAUSED, why=why)
    if action is DeliveryAction.RESUME and state is DeliveryState.PAUSED:
        return replace(delivery, state=DeliveryState.ADVANCING, since=now, why=why)
    if action is DeliveryAction.RESUME and state is DeliveryState.ROLLED_BACK:
        return Delivery(delivery.service, delivery.plan, now, why=why)
    if action is DeliveryAction.PROMOTE and state is not DeliveryState.COMPLETED:
        steps = len(plan.steps)
        return replace(delivery, state=DeliveryState.COMPLETED, steps=steps, share=plan.steps[-1], since=now, why=why)
    if action is DeliveryAction.ABORT and state is not DeliveryState.ROLLED_BACK:
        return rolled_back(delivery, why, now)
    raise ConfigError(f"{action.value}: the delivery of {delivery.service} is {state.value}")
