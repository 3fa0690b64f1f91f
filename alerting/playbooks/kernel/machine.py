"""The state machine of one incident: approve, isolate, repair, verify, then close, or roll back and escalate.

What it promises:
- A step is written down as intended before its action may run, and as done, failed or unknown after.
- After a crash, a step that was under way is run again only if it is idempotent. Otherwise its target is asked: if that
  says that it was done, the incident goes on; if nobody can know, it is marked unknown, and the incident rolls back.
- A repair is proven by its verification. The second for one alert is proven only when the alert resolves as well.
- Rolling back runs the inverses of all that may be in effect, the last first, and always ends with a human.

Nothing here does I/O or asks the clock. `note` receives what belongs into the audit trail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from alerting.playbooks.kernel.messages import Run
from alerting.playbooks.label_values import check_values
from alerting.playbooks.model.incident import ActionCall, IncidentState, Progress
from alerting.variables import RESULT, names_in, render
from telemetry.errors import ConfigError, InputError
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerting.playbooks.model.incident import Check, Incident, StepRun
    from telemetry.documents import Body


VERIFIED = Wording.RECOVERY_VERIFIED()
"""Why an incident is closed when the repair is proven."""


STILL_FIRING = Wording.STILL_FIRING()
"""Why an incident is escalated whose proof says little."""


class RuleQuery(Protocol):
    """Instant PromQL over the live series."""

    def __call__(self, expression: str, at: int, /) -> Sequence[tuple[Mapping[str, str], float]]:
        """The samples of the expression at a time; an expression that compares returns those for which it is true.

        Raises:
            InputError: the expression cannot be evaluated.
        """
        ...


class Note(Protocol):
    """Adds one entry to the audit trail."""

    def __call__(self, event: str, /, **data: object) -> None:
        """`data` is what JSON can hold."""
        ...


def advance(incident: Incident, now: int, query: RuleQuery, note: Note, *, fires: bool = False) -> None:
    """Take every transition that the time and the telemetry allow, up to the next action that must run.

    `fires` says whether the alert that the incident answers still does.
    """
    while not incident.state.ended and incident.in_flight is None:
        before = (incident.state, [step.progress for step in incident.steps])
        match incident.state:
            case IncidentState.APPROVING:
                if now >= incident.approve_by:
                    _escalate(incident, now, note, Wording.NOT_APPROVED())
            case IncidentState.ISOLATING | IncidentState.REPAIRING:
                _forward(incident, now, query, note)
            case IncidentState.VERIFYING:
                _verify_recovery(incident, now, query, note, fires=fires)
            case IncidentState.ROLLING_BACK:
                _backward(incident, now, note)
        if before == (incident.state, [step.progress for step in incident.steps]):
            return


def decide(incident: Incident, *, approved: bool, who: str, now: int, note: Note) -> None:
    """A human's answer. A denial ends the incident, for a human has it now.

    Raises:
        InputError: nobody is asked, or it is too late.
    """
    if incident.state is not IncidentState.APPROVING:
        raise InputError(f"incident {incident.id} is {incident.state} and asks nobody; see its audit trail for who decided")
    if now >= incident.approve_by:
        raise InputError(f"incident {incident.id}: the time to approve is over; it has been escalated")
    incident.approved_by = who
    if approved:
        note("approved", who=who)
        _begin(incident)
    else:
        note("denied", who=who)
        _end(incident, IncidentState.CLOSED, now, Wording.DENIED(who=who), note)


def begin(incident: Incident, now: int, note: Note, doubt: str = "") -> None:
    """Enter the first state. A doubt says why a human is asked though the playbook asks for none."""
    if incident.approve_by:
        incident.state = IncidentState.APPROVING
        note("approval-requested", until=incident.approve_by, **({"why": doubt} if doubt else {}))
    else:
        note("approved", who="automatic", at=now)
        _begin(incident)


def finish_step(
    incident: Incident, step: StepRun, now: int, note: Note, *, ok: bool, unknown: bool, detail: str, result: Mapping[str, str]
) -> None:
    """The outcome of the action, or of the inverse, that was in flight."""
    step.ended, step.detail = now, detail
    if unknown:
        step.progress = Progress.UNKNOWN
        note("step-unknown", step=step.name, detail=detail)
        return
    if step.progress is Progress.UNDOING:
        step.progress = Progress.UNDONE if ok else Progress.NOT_UNDONE
        note("rollback-done" if ok else "rollback-failed", step=step.name, detail=detail, result=dict(result))
        return
    step.progress = Progress.DONE if ok else Progress.FAILED
    step.result = dict(result)
    if ok and step.undoes:
        named(incident, step.undoes).progress = Progress.UNDONE
    note("step-done" if ok else "step-failed", step=step.name, detail=detail, result=dict(result))


def resume(incident: Incident, note: Note) -> None:
    """After a crash: what was running is repeated or asked after, as the promise above says."""
    step = incident.in_flight
    if step is None:
        return
    if step.progress is Progress.INTENDED and not step.idempotent:
        step.asks = True
        note("step-asked", step=step.name)
    else:
        note("step-repeated", step=step.name, progress=step.progress.value)


def close_resolved(incident: Incident, now: int, note: Note) -> None:
    """The alert went away while a human was asked."""
    if incident.state is IncidentState.APPROVING:
        _end(incident, IncidentState.CLOSED, now, Wording.RESOLVED_UNAPPROVED(), note)


def call_of(incident: Incident, step: StepRun) -> ActionCall:
    """The action of a step, or its inverse while it is undoing, with all that is known put in."""
    if step.progress is Progress.UNDOING:
        call, source = step.inverse, step
    elif step.undoes:
        call, source = step.call, named(incident, step.undoes)
    else:
        return step.call
    if call is None:  # pragma: no cover - `_backward` chooses steps with an inverse
        raise InputError(f"step {step.name!r} of incident {incident.id} has no inverse")
    known = incident.labels | {RESULT + name: value for name, value in source.result.items()}
    # What the step would have put aside is not known if it failed: an empty value is refused.
    known |= dict.fromkeys(names_in(call.arguments) - known.keys(), "")
    try:
        check_values(call.action, call.arguments, known)
    except ConfigError as error:
        return ActionCall(call.action, render(call.arguments, known), call.timeout, str(error))
    return ActionCall(call.action, render(call.arguments, known), call.timeout)


def run_of(incident: Incident) -> Run | None:
    """The action that is written down as started and has no outcome yet."""
    step = incident.in_flight
    if step is None:
        return None
    asks = step.asks and step.progress is Progress.INTENDED
    return Run(incident.run_id, call_of(incident, step), step.started if asks else 0)


def named(incident: Incident, name: str) -> StepRun:
    """The step of that name."""
    return next(step for step in incident.steps if step.name == name)


def _begin(incident: Incident) -> None:
    incident.state = IncidentState.ISOLATING if incident.steps[0].phase == "isolate" else IncidentState.REPAIRING


def _forward(incident: Incident, now: int, query: RuleQuery, note: Note) -> None:
    for step in incident.steps:
        if step.progress in {Progress.FAILED, Progress.UNKNOWN}:
            failed = Wording.STEP_FAILED if step.progress is Progress.FAILED else Wording.STEP_UNKNOWN
            _roll_back(incident, note, failed(step=step.name, detail=step.detail))
            return
        if step.progress is Progress.WAITING:
            incident.state = IncidentState.ISOLATING if step.phase == "isolate" else IncidentState.REPAIRING
            step.progress, step.started = Progress.INTENDED, now
            call = call_of(incident, step)
            about = {"idempotent": step.idempotent, **({"undoes": step.undoes} if step.undoes else {})}
            note("step-intended", step=step.name, action=call.action, arguments=call.arguments, **about)
            return
        if step.check is not None and not step.check.settled:
            verified = _ask(step.check, now, query, note, step.name)
            if verified is False:
                _roll_back(incident, note, Wording.STEP_NOT_HELD(step=step.name, expression=step.check.expression))
            if verified is not True:
                return
            step.check.settled = True
    incident.state = IncidentState.VERIFYING


def _verify_recovery(incident: Incident, now: int, query: RuleQuery, note: Note, *, fires: bool) -> None:
    check = incident.check
    verified = check.settled or _ask(check, now, query, note, "recovery")
    if verified is True and fires and incident.attempt > 1:
        if not check.settled:
            check.settled, check.deadline = True, now + check.within
            note("still-firing", attempt=incident.attempt, until=check.deadline)
        if now >= check.deadline:
            _roll_back(incident, note, STILL_FIRING)
    elif verified is True:
        _end(incident, IncidentState.CLOSED, now, VERIFIED, note)
    elif verified is False:
        _roll_back(incident, note, Wording.NOT_VERIFIED(expression=incident.check.expression))


def _ask(check: Check, now: int, query: RuleQuery, note: Note, subject: str) -> bool | None:
    """Whether it has held long enough; None while that is open."""
    if not check.deadline:
        check.deadline = now + check.within
        note("verification-started", subject=subject, expression=check.expression, until=check.deadline)
    try:
        samples = query(check.expression, now)
        reason = "" if samples else Wording.NO_SAMPLE()
    except InputError as error:
        samples, reason = (), str(error)
    evidence: Body = {
        "subject": subject,
        "expression": check.expression,
        "samples": [{"labels": dict(labels), "value": value} for labels, value in samples[:10]],
    }
    if samples:
        if not check.since:
            check.since = now
            note("verification-holds", **evidence)
        if now - check.since >= check.hold:
            note("verified", **evidence, held=now - check.since)
            return True
    elif check.since:
        check.since = 0
        note("verification-broken", **evidence, reason=reason)
    if now >= check.deadline:
        note("verification-failed", **evidence, reason=reason or Wording.NOT_LONG_ENOUGH())
        return False
    return None


def _roll_back(incident: Incident, note: Note, why: str) -> None:
    incident.state, incident.why = IncidentState.ROLLING_BACK, why
    note("rolling-back", why=why)


def _backward(incident: Incident, now: int, note: Note) -> None:
    for step in reversed(incident.steps):
        if step.progress in {Progress.DONE, Progress.FAILED, Progress.UNKNOWN} and step.inverse is not None:
            step.progress, step.started = Progress.UNDOING, now
            call = call_of(incident, step)
            note("rollback-intended", step=step.name, action=call.action, arguments=call.arguments)
            return
    left = [step.name for step in incident.steps if step.progress is Progress.NOT_UNDONE]
    why = Wording.STILL_IN_EFFECT(why=incident.why, steps=", ".join(left)) if left else incident.why
    _escalate(incident, now, note, why)


def _escalate(incident: Incident, now: int, note: Note, why: str) -> None:
    _end(incident, IncidentState.ESCALATED, now, why, note)


def _end(incident: Incident, state: IncidentState, now: int, why: str, note: Note) -> None:
    incident.state, incident.ended, incident.why = state, now, why
    note(state.value, why=why)
