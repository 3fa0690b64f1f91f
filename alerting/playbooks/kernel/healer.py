"""From alerts to incidents: which playbook answers, whether it may, and everything that must be remembered.

The healer is a pure state machine. Its caller keeps this order, on which all promises rest (`runner.PlaybookRunner`
does): save `snapshot()` durably; then write the documents and send the notices of the outbox; then start the runs.
What the outbox holds is part of the snapshot, so a crash between any two of these repeats the same documents under
the same ids and loses none.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from alerting.alertmanager.inhibition import CallPaths
from alerting.playbooks.kernel import machine
from alerting.playbooks.kernel.evidence import IncidentEvidence
from alerting.playbooks.kernel.explanations import Explanations, Sick
from alerting.playbooks.kernel.firing import FiringAlerts
from alerting.playbooks.kernel.journal import Journal
from alerting.playbooks.kernel.messages import Notice, Signal, notice_of, signal_of, with_service
from alerting.playbooks.kernel.opening import open_incident
from alerting.playbooks.kernel.refusals import LastingRefusals
from alerting.playbooks.kernel.safety import Safety, SafetyConfig, StartRejection, Touched, touched_by
from alerting.playbooks.kernel.targets import chosen_by_telemetry
from alerting.playbooks.kernel.traffic import LiveTraffic
from alerting.playbooks.kernel.trust import Trust, origin_of_rule
from alerting.playbooks.model.incident import IncidentState, Progress, incidents_from, saved_incidents
from alerting.variables import render, render_query
from telemetry.errors import InputError
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerting.playbooks.actions.action import Action
    from alerting.playbooks.kernel.machine import RuleQuery
    from alerting.playbooks.kernel.messages import AlertTransition, Result, Run
    from alerting.playbooks.model.incident import Incident
    from alerting.playbooks.model.plan import Playbook
    from telemetry.documents import Body, Document
    from telemetry.findings import Anomaly

VERSION = 1


class Healer:
    """The self-healing of one environment.

    Args:
        playbooks: the first that matches an alert or anomaly answers it.
        actions: by name.
        query: asks the telemetry.
        config: bounds across all playbooks.
        environment: names the audit chain.
        calls: the live call graph, kept by its owner. What a service suffers from one that it calls is no reason to repair it.
        trust: which sources may start repairs without a human; fed by its owner.
    """

    def __init__(
        self,
        playbooks: Sequence[Playbook],
        actions: Mapping[str, Action],
        query: RuleQuery,
        config: SafetyConfig | None = None,
        environment: str = "default",
        calls: CallPaths | None = None,
        trust: Trust | None = None,
    ) -> None:
        self.playbooks = tuple(playbooks)
        self.actions = actions
        self.query = query
        self.environment = environment
        self.traffic = LiveTraffic()
        self.evidence = IncidentEvidence()
        self.safety = Safety(config or SafetyConfig())
        self.trust = trust or Trust(self.safety.config.automatic_for, self.safety.config.untrusted_for)
        self.journal = Journal(environment)
        self.incidents: dict[str, Incident] = {}
        self.results_unexpected = 0
        self.firing = FiringAlerts()
        self._lasting = LastingRefusals()
        self._explanations = Explanations(calls or CallPaths(0))
        self._latest = 0

    # What happens

    def replace_playbooks(self, playbooks: Sequence[Playbook], now: int) -> None:
        """Take other playbooks, all at once. Open incidents end by the plan that they began with."""
        now = self._not_before(now)
        self.playbooks = tuple(playbooks)
        self.firing.clear_refusals()
        self.journal.record(now, "playbooks-replaced", playbooks={playbook.name: playbook.revision for playbook in playbooks})

    def on_alert(self, change: AlertTransition, now: int) -> None:
        """Remember an alert that fires, or forget one that resolved. Saying it twice changes nothing."""
        now = self._not_before(now)
        labels = with_service(change.labels)
        if change.state == "firing":
            seen = {"value": change.value, "group": change.group, "rule": change.expr}
            origin = origin_of_rule(change.file)
            changed = self.firing.begin(Signal("alert", change.fingerprint, labels, change.starts_at, seen=seen, origin=origin))
        else:
            changed = change.state == "resolved" and self.firing.end(change.fingerprint)
        if not changed:
            return
        if change.state == "resolved":
            for incident in self._of(change.fingerprint):
                machine.close_resolved(incident, now, self.journal.note(incident, now))
                self._settle(incident, now)
        self.journal.record(
            now, "alert", state=change.state, fingerprint=change.fingerprint, labels=labels,
            annotations=dict(change.annotations), starts_at=change.starts_at,
        )  # fmt: skip
        self.journal.publish(self.incidents, now)

    def awaits(self, anomaly: Anomaly) -> bool:
        """Whether a playbook answers such an anomaly, and has not been asked to answer this one."""
        signal = signal_of(anomaly)
        return self._playbook_for(signal) is not None and not self.firing.is_offered(signal.fingerprint)

    def on_anomaly(self, anomaly: Anomaly, now: int) -> None:
        """Offer an anomaly to the playbooks that anomalies trigger, once, however often it is read."""
        now = self._not_before(now)
        if self.awaits(anomaly):
            signal = signal_of(anomaly)
            self.firing.offer(signal.fingerprint)
            self._answer(signal, self._sick(), now)
            self.firing.clear_refusal(signal.fingerprint)
            self.journal.publish(self.incidents, now)

    def on_result(self, result: Result, now: int, *, go_on: bool = True) -> None:
        """Take the outcome of a run. One that nobody waits for is counted and left aside.

        Without `go_on` the next step is not asked for yet: written down and not started, it would be in doubt.
        """
        now = self._not_before(now)
        for incident in self.incidents.values():
            step = incident.in_flight
            if step is not None and incident.run_id == result.id:
                machine.finish_step(
                    incident, step, now, self.journal.note(incident, now),
                    ok=result.ok, unknown=result.unknown, detail=result.detail, result=result.data,
                )  # fmt: skip
                if go_on:
                    self._move(incident, now)
                self.journal.publish(self.incidents, now)
                return
        self.results_unexpected += 1

    def decide(self, incident_id: str, *, approved: bool, who: str, now: int) -> None:
        """A human's answer to a request for approval.

        Raises:
            InputError: there is no such incident, it asks nobody, it is too late, or the bounds have no room for it now.
        """
        now = self._not_before(now)
        incident = self._incident(incident_id)
        full = self._no_room(incident) if approved else None
        if full is not None:
            self.journal.note(incident, now)("approval-refused", who=who, **asdict(full))
            self.journal.publish(self.incidents, now)
            raise InputError(f"incident {incident_id} cannot start now: {full.text}; approve it again when there is room")
        machine.decide(incident, approved=approved, who=who, now=now, note=self.journal.note(incident, now))
        self._move(incident, now)
        self.journal.publish(self.incidents, now)

    def stop(self, who: str, now: int) -> None:
        """The global stop switch: no action starts any more, neither forward nor back. What runs is waited for."""
        self._switch(who, "stopped", now)

    def resume(self, who: str, now: int) -> None:
        """Take the stop back; open incidents go on where they are."""
        self._switch("", "resumed", now, by=who)

    def release(self, incident_id: str, who: str, now: int) -> None:
        """A human says that what an ended incident left isolated is in order: it no longer counts against the budget.

        Raises:
            InputError: there is no such incident, or it is still open.
        """
        now = self._not_before(now)
        incident = self._incident(incident_id)
        if not incident.state.ended:
            raise InputError(f"incident {incident_id} is still {incident.state}; only an ended one can be released")
        incident.released = True
        self.journal.note(incident, now)("released", who=who)
        self._notify("released", incident, now, f"by {who}")
        self.journal.publish(self.incidents, now)

    def advance(self, now: int) -> None:
        """Let time pass: verify, expire approvals, and answer the alerts that still fire."""
        now = self._not_before(now)
        for incident in list(self.incidents.values()):
            self._move(incident, now)
        sick = self._sick()
        for signal in self.firing.unanswered():
            if all(incident.state.ended for incident in self._of(signal.fingerprint)):
                self._answer(signal, sick, now)
        for notice in self._lasting.advance(self.firing.refusals, now):
            self.journal.record(now, f"start-{notice.kind}", playbook=notice.playbook, code=notice.code, text=notice.text)
            self.journal.report(notice)
        self.journal.publish(self.incidents, now)

    # What is to be done

    def runs(self) -> list[Run]:
        """Every action that is written down as started and has no outcome yet; none while repairs are stopped.

        Pure: the caller knows which it runs, and waits for those whatever comes.
        """
        if self.safety.stopped_by:
            return []
        return [run for incident in self.incidents.values() if (run := machine.run_of(incident))]

    def explained(self, service: str, since: int) -> tuple[str, ...]:
        """What a repair explains of how a service has been doing since a time; see `Explanations.by_repair`."""
        return self._explanations.by_repair(service, self._under_repair, since)

    def outbox(self) -> tuple[tuple[Document, ...], tuple[Notice, ...]]:
        """Documents to store and notices to send, oldest first."""
        return self.journal.waiting()

    def delivered(self, documents: int, notices: int) -> None:
        """So many from the head of the outbox are safe."""
        self.journal.delivered(documents, notices)

    # What survives a crash

    def snapshot(self) -> Body:
        """Everything, as plain data."""
        return {
            "version": VERSION,
            "time": self._latest,
            "environment": self.environment,
            "safety": self.safety.snapshot(),
            **saved_incidents(self.incidents.values()),
            "repaired": self._explanations.snapshot(),
            "refusals": self._lasting.snapshot(),
            **self.firing.snapshot(),
            **self.journal.snapshot(),
        }

    def restore(self, snapshot: Body, now: int) -> None:
        """Go on after a crash: steps that were running are repeated if that is safe, else their targets are asked.

        Raises:
            InputError: the snapshot is of another version.
        """
        if snapshot.get("version") != VERSION:
            raise InputError(f"healer: snapshot version {snapshot.get('version')!r}; this release reads {VERSION}")
        self._latest = snapshot["time"]
        now = self._not_before(now)
        self.environment = snapshot["environment"]
        self.safety.restore(snapshot["safety"])
        self.incidents = incidents_from(snapshot)
        self._explanations.restore(snapshot.get("repaired", {}))
        self._lasting.restore(snapshot.get("refusals", ()))
        self.firing.restore(snapshot)
        self.journal.restore(snapshot)
        for incident in self.incidents.values():
            machine.resume(incident, self.journal.note(incident, now))
        self.journal.publish(self.incidents, now)

    # How

    def _not_before(self, now: int) -> int:
        """The time, which never goes back: event time does after a crash, until the log is read up to where it was."""
        self._latest = max(self._latest, now)
        return self._latest

    def _answer(self, signal: Signal, sick: Sick, now: int) -> None:
        playbook = self._playbook_for(signal)
        if playbook is None:
            return
        refusal = self._try(playbook, signal, sick, now)
        if refusal is None:
            self.firing.clear_refusal(signal.fingerprint)
        elif self.firing.refuse(signal.fingerprint, playbook.name, refusal.code):
            self.journal.record(
                now, "refused", playbook=playbook.name, fingerprint=signal.fingerprint, labels=signal.labels, **asdict(refusal)
            )

    def _try(self, playbook: Playbook, signal: Signal, sick: Sick, now: int) -> StartRejection | None:
        if self.journal.is_full:
            return StartRejection("outbox", Wording.OUTBOX_FULL())
        try:
            service, instance = render([playbook.target.service, playbook.target.instance], signal.labels)
            target = Touched(service, instance, self.traffic.footprint(service, instance, now))
            touched = [touched_by(incident) for incident in self.incidents.values() if incident.holds_target]
            refusal = (
                self.safety.admit(playbook.name, target, touched, now)  # the cheap reasons first: thousands may wait
                or self._explanations.refusal(service, sick.for_one_since(signal.starts_at), self._under_repair, now)
                or self._unmet(playbook, signal, now)
            )
            if refusal is not None:
                return refusal
            doubt = self.trust.doubt(signal.origin) or chosen_by_telemetry(playbook, signal.labels, self.safety.config.targets)
            approve_by = playbook.approve_by(now, self.safety.config.approval_within if doubt else 0)
            incident = open_incident(playbook, self.actions, signal, target, self.environment, now, approve_by)
        except InputError as error:
            return StartRejection("input", str(error))
        incident.attempt = 2 if self.firing.is_proven(signal.fingerprint) else 1
        self.safety.started(playbook.name, target, playbook.cooldown, now)
        note = self.journal.note(incident, now)
        evidence = {
            "fingerprint": signal.fingerprint, "labels": signal.labels, **signal.seen, **self.evidence.quote(service, now)
        }  # fmt: skip
        evidence["trace_ids"] = incident.trace_ids = signal.trace_ids or evidence["trace_ids"]
        asked = {"doubt": doubt} if doubt else {}
        note("matched", playbook=playbook.name, revision=incident.revision, source=signal.source, evidence=evidence, **asked,
             target={"service": target.service, "instance": target.instance}, footprint=asdict(target.footprint))  # fmt: skip
        self.incidents[incident.id] = incident
        if self.safety.config.dry_run:
            incident.state, incident.ended, incident.why = IncidentState.CLOSED, now, Wording.DRY_RUN()
            steps = [{"step": step.name, **asdict(machine.call_of(incident, step))} for step in incident.steps]
            self.safety.over(playbook.name, service, instance, now)
            note("dry-run", steps=steps, verify=incident.check.expression)
            self.firing.give_up(signal.fingerprint)
        else:
            machine.begin(incident, now, note, doubt)
            if incident.state is IncidentState.APPROVING:
                text = f"{playbook.description or playbook.name}: approve?"
                self._notify(
                    "approval-requested", incident, now, f"{text} It does not start by itself: {doubt}" if doubt else text
                )
            self._move(incident, now)
        return None

    def _unmet(self, playbook: Playbook, signal: Signal, now: int) -> StartRejection | None:
        for condition in playbook.conditions:
            expression = render_query(condition.expr, signal.labels)
            if not self.query(expression, now):
                return StartRejection("condition", Wording.CONDITION_FALSE(expression=expression))
        return None

    def _sick(self) -> Sick:
        return Sick(
            (each.labels.get("service", ""), each.starts_at, self._playbook_for(each) is not None) for each in self.firing
        )

    @property
    def _under_repair(self) -> list[str]:
        return [incident.service for incident in self.incidents.values() if not incident.state.ended]

    def _playbook_for(self, signal: Signal) -> Playbook | None:
        """The first playbook whose trigger matches."""
        return next((playbook for playbook in self.playbooks if playbook.answers(signal.source, signal.labels)), None)

    def _move(self, incident: Incident, now: int) -> None:
        if not incident.state.ended and not self.safety.stopped_by:
            fires = incident.fingerprint in self.firing
            machine.advance(incident, now, self.query, self.journal.note(incident, now), fires=fires)
        self._settle(incident, now)

    def _settle(self, incident: Incident, now: int) -> None:
        """Once, when an incident has ended: notify, and remember how."""
        if not incident.state.ended or incident.told:
            return
        incident.told = True
        self.safety.over(incident.playbook, incident.service, incident.instance, now)
        proven = incident.state is IncidentState.CLOSED
        if incident.why == machine.VERIFIED:
            self.firing.prove(incident.fingerprint)
        else:
            self.firing.give_up(incident.fingerprint)  # a human has it, or decided
        self._notify(incident.state.value, incident, now, incident.why)
        ran = any(step.progress is not Progress.WAITING for step in incident.steps)
        if not ran:
            return
        self._explanations.repair_ended(incident.service, now)
        if self.safety.judged(incident.playbook, now, proven=proven):
            self._notify("breaker-opened", incident, now, f"playbook {incident.playbook} rests after repeated failures")

    def _no_room(self, incident: Incident) -> StartRejection | None:
        """Why one that waits for approval cannot begin now: it takes its part of the bounds only then."""
        others = [touched_by(other) for other in self.incidents.values() if other.holds_target and other is not incident]
        return self.safety.no_room(touched_by(incident), others) if incident.state is IncidentState.APPROVING else None

    def _of(self, fingerprint: str) -> list[Incident]:
        return [incident for incident in self.incidents.values() if incident.fingerprint == fingerprint]

    def _incident(self, incident_id: str) -> Incident:
        try:
            return self.incidents[incident_id]
        except KeyError:
            raise InputError(f"no incident {incident_id!r} is open; see the stored incidents for those that ended") from None

    def note(self, event: str, who: str, now: int, /, **data: object) -> None:
        """Put into the audit trail what somebody changed of what alerts: rules, silences."""
        now = self._not_before(now)
        self.journal.record(now, event, who=who, **data)
        self.journal.publish(self.incidents, now)

    def _switch(self, stopped_by: str, kind: str, now: int, by: str = "") -> None:
        now = self._not_before(now)
        self.safety.stopped_by = stopped_by
        self.journal.record(now, kind, who=(who := stopped_by or by))
        self.journal.report(Notice(f"{kind}/{now}", kind, now, "", f"Repairs {kind}", f"by {who}"))

    def _notify(self, kind: str, incident: Incident, now: int, text: str) -> None:
        self.journal.report(notice_of(incident, kind, now, text))
