"""From a playbook and a signal to an incident: the labels put into every text, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.playbooks.label_values import check_values
from alerting.playbooks.model.incident import ActionCall, Check, Incident, IncidentState, StepRun
from alerting.playbooks.model.plan import Inverse
from alerting.variables import RESULT, names_in, render, render_query
from telemetry.documents import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.playbooks.actions.action import Action
    from alerting.playbooks.kernel.messages import Signal
    from alerting.playbooks.kernel.safety import Touched
    from alerting.playbooks.model.plan import Playbook, Step, Verification


def open_incident(
    playbook: Playbook,
    actions: Mapping[str, Action],
    signal: Signal,
    target: Touched,
    environment: str,
    now: int,
    approve_by: int = 0,
) -> Incident:
    """The incident, with nothing done yet.

    `approve_by` is until when a human may approve it, 0 where none is asked.

    Raises:
        ConfigError: the signal lacks a label that the playbook asks for.
    """
    inverses: dict[str, ActionCall] = {}
    steps: list[StepRun] = []
    for step in playbook.steps:
        run = _step(step, actions, signal.labels, inverses)
        if run.inverse is not None:
            inverses[step.name] = run.inverse
        steps.append(run)
    return Incident(
        id=digest(playbook.name, signal.fingerprint, str(now))[:16],
        playbook=playbook.name,
        revision=playbook.revision,
        environment=environment,
        event=playbook.event,
        service=target.service,
        instance=target.instance,
        fingerprint=signal.fingerprint,
        source=signal.source,
        labels=signal.labels,
        trace_ids=signal.trace_ids,
        instances=target.footprint.instances or 1,
        traffic_share=target.footprint.share or 0.0,
        steps=steps,
        check=_check(playbook.verify, signal.labels),
        state=IncidentState.APPROVING,
        opened=now,
        approve_by=approve_by,
    )


def _step(step: Step, actions: Mapping[str, Action], labels: Mapping[str, str], inverses: Mapping[str, ActionCall]) -> StepRun:
    check = _check(step.verify, labels) if step.verify else None
    if step.undo:
        return StepRun(step.name, step.phase, inverses[step.undo], idempotent=True, inverse=None, undoes=step.undo, check=check)
    check_values(step.action, step.arguments, labels)
    call = ActionCall(step.action, render(step.arguments, labels), step.timeout or 0)
    inverse = None
    if isinstance(step.inverse, Inverse):
        # Rendered when it runs, for it may ask for what the step itself will have found; missing labels are found now.
        wanted = {name for name in names_in(step.inverse.arguments) if name.startswith(RESULT)}
        check_values(step.inverse.action, step.inverse.arguments, labels)
        render(step.inverse.arguments, {**labels, **dict.fromkeys(wanted, "")})
        inverse = ActionCall(step.inverse.action, step.inverse.arguments, step.inverse.timeout or call.timeout)
    idempotent = actions[step.action].idempotent if step.idempotent is None else step.idempotent
    return StepRun(step.name, step.phase, call, idempotent, inverse, check=check)


def _check(verification: Verification, labels: Mapping[str, str]) -> Check:
    return Check(render_query(verification.expr, labels), verification.hold, verification.within)
