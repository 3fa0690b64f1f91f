"""Notices of self-healing to humans, as alerts: routed, grouped, silenced and retried like any other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from alerting.alert_state import fingerprint
from alerting.alerts import APPROVE, StoredAlert
from components.durations import HOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.alertmanager.manager import Alertmanager
    from alerting.playbooks.api.approval import Approvals
    from alerting.playbooks.kernel.messages import Notice

APPROVAL, ESCALATED, BREAKER, STOPPED, REFUSED = (
    "RepairApprovalRequested",
    "RepairEscalated",
    "RepairBreakerOpened",
    "RepairsStopped",
    "RepairRefused",
)
_SEVERITY = {APPROVAL: "critical", ESCALATED: "critical", BREAKER: "warning", STOPPED: "warning", REFUSED: "warning"}
_NAMES = {
    "approval-requested": APPROVAL,
    "escalated": ESCALATED,
    "breaker-opened": BREAKER,
    "stopped": STOPPED,
    "refused": REFUSED,
}
LONGEST = HOUR
"""How long an escalation fires, ns, whose alert has gone already and so cannot end it."""

ANSWERED = "alert"
"""The annotation with the fingerprint of the alert that an incident answers."""


class RepairAlerts:
    """Adds notices to the alert store.

    A request fires until it is answered or too late, an escalation until the alert that it is about resolves, or, where steps
    stayed in effect, until a human releases it; an open breaker until it closes, the stop switch until it is released, and a
    refusal as long as repairs are refused for it.

    Args:
        manager: gets the alerts.
        approvals: makes the link of a request.
        breaker_reset: how long a breaker stays open, ns.
        environment: the labels that name it; none for the default one.
    """

    def __init__(
        self, manager: Alertmanager, approvals: Approvals, breaker_reset: int, environment: Mapping[str, str] | None = None
    ) -> None:
        self._environment = environment or {}
        self._manager = manager
        self._approvals = approvals
        self._breaker_reset = breaker_reset

    def report(self, notice: Notice, now: int) -> None:
        """Add a notice to the alert store; the same one again changes nothing.

        Raises:
            OverloadedError: the alert store is full.
        """
        self._end_by(notice, now)
        name = _NAMES.get(notice.kind)
        if name is None:
            return
        labels = {
            "alertname": name,
            "severity": _SEVERITY[name],
            "service": notice.service,
            "playbook": notice.playbook,
            "incident": notice.incident,
            "reason": notice.code,
        }
        labels = {label: value for label, value in labels.items() if value} | dict(self._environment)
        annotations = {"summary": notice.title, "description": notice.text}
        ends, url = 0, ""
        match name:
            case "RepairApprovalRequested":
                ends, url = notice.approve_by, self._approvals.link(notice.incident, notice.approve_by)
                annotations[APPROVE] = url
            case "RepairEscalated" if notice.holds:
                annotations["release"] = f"POST /api/v1/incidents/{notice.incident}/release when its target is in order"
            case "RepairEscalated":
                annotations[ANSWERED] = notice.fingerprint
                answered = self._manager.alert_store.of_rule(notice.fingerprint)
                if answered is None or answered.resolved(now):
                    ends = notice.time + LONGEST
            case "RepairBreakerOpened":
                ends = notice.time + self._breaker_reset
        self._manager.put_own(StoredAlert(labels, annotations, notice.time, ends, now, url, fingerprint(labels)), now)

    def _end_by(self, notice: Notice, now: int) -> None:
        match notice.kind:
            case "resumed":
                self._end(now, alertname=STOPPED)
            case "closed" | "escalated":
                self._end(now, alertname=APPROVAL, incident=notice.incident)
            case "released":
                self._end(now, alertname=ESCALATED, incident=notice.incident)
            case "admitted":
                self._end(now, alertname=REFUSED, playbook=notice.playbook, reason=notice.code)

    def alert_resolved(self, resolved: str, now: int) -> None:
        """The alert of this fingerprint is over, and with it what was escalated of it."""
        for alert in list(self._manager.alert_store):
            if alert.labels.get("alertname") == ESCALATED and alert.annotations.get(ANSWERED) == resolved:
                self._manager.put(replace(alert, ends_at=now, updated_at=now), now)

    def _end(self, now: int, **labels: str) -> None:
        for alert in list(self._manager.alert_store):
            if labels.items() <= alert.labels.items() and not alert.resolved(now):
                self._manager.put(replace(alert, ends_at=now, updated_at=now), now)
