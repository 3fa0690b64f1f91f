"""What self-healing tells humans, as alerts on the board."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from alerting.alert_state import AlertChange, AlertState, fingerprint
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.playbooks.api.approval import Approvals
from alerting.playbooks.kernel.messages import Notice
from alerting.playbooks.notices import LONGEST, RepairAlerts
from spanloom.components import NOTIFIERS
from tests.alerting.playbooks.world import SECOND, START, Alert

if TYPE_CHECKING:
    from alerting.alerts import StoredAlert

RESET = 1800 * SECOND
ROUTES = """
route: {receiver: on-call, group_by: [alertname, service], group_wait: 0s}
topology_inhibit_rules:
- culprit_matchers: ['alertname="Slow"']
  target_matchers: ['incident=""']
receivers:
- name: on-call
  webhook_configs: [{url: "http://127.0.0.1:1/"}]
"""


def notice(kind: str, text: str = "why", incident: str = "i1", until: int = 0) -> Notice:
    return Notice(f"{incident}/{kind}", kind, START, incident, f"fix on cart: {kind}", text, until, "cart", "fix", "f1")


@pytest.fixture
def board() -> tuple[Alertmanager, RepairAlerts]:
    manager = Alertmanager(parse_config(ROUTES, "receivers.yml", NOTIFIERS), "http://console")
    approvals = Approvals("http://console", lambda: START)
    approvals.sign_by(b"k" * 32)
    return manager, RepairAlerts(manager, approvals, RESET)


def firing(manager: Alertmanager, now: int = START) -> dict[str, StoredAlert]:
    return {alert.labels["alertname"]: alert for alert in manager.alert_store if not alert.resolved(now)}


def test_an_escalation_fires_until_the_alert_that_it_is_about_resolves(board: tuple[Alertmanager, RepairAlerts]) -> None:
    manager, repairs = board
    slow = change(Alert("cart"))
    manager.handle([slow], START)
    repairs.report(replace(notice("escalated", "not proven"), fingerprint=slow.fingerprint), START)
    alert = firing(manager)["RepairEscalated"]
    assert alert.labels == {
        "alertname": "RepairEscalated", "severity": "critical", "service": "cart", "playbook": "fix", "incident": "i1",
    }  # fmt: skip
    assert alert.annotations["description"] == "not proven"
    repairs.alert_resolved("another", START + 1)
    assert "RepairEscalated" in firing(manager, START + 2 * LONGEST)
    repairs.alert_resolved(slow.fingerprint, START + 2)
    assert "RepairEscalated" not in firing(manager, START + 2)


def test_an_escalation_with_steps_in_effect_fires_past_the_end_of_its_alert_until_a_human_releases_it(
    board: tuple[Alertmanager, RepairAlerts],
) -> None:
    manager, repairs = board
    slow = change(Alert("cart"))
    manager.handle([slow], START)
    repairs.report(replace(notice("escalated"), fingerprint=slow.fingerprint, holds=True), START)
    repairs.alert_resolved(slow.fingerprint, START + 2)
    alert = firing(manager, START + 24 * LONGEST)["RepairEscalated"]
    assert alert.annotations["release"].startswith("POST /api/v1/incidents/i1/release")
    repairs.report(notice("released"), START + 24 * LONGEST)
    assert "RepairEscalated" not in firing(manager, START + 24 * LONGEST)


def test_a_refusal_that_lasts_fires_until_a_repair_may_start_again(board: tuple[Alertmanager, RepairAlerts]) -> None:
    manager, repairs = board
    repairs.report(Notice("1", "refused", START, "", "t", "no room; waiting: cart", playbook="fix", code="room"), START)
    alert = firing(manager, START + 24 * LONGEST)["RepairRefused"]
    assert alert.labels == {"alertname": "RepairRefused", "severity": "warning", "playbook": "fix", "reason": "room"}
    assert alert.annotations["description"] == "no room; waiting: cart"
    repairs.report(Notice("2", "admitted", START + 1, "", "t", "", playbook="fix", code="rate"), START + 1)
    assert firing(manager, START + 1)
    repairs.report(Notice("3", "admitted", START + 1, "", "t", "", playbook="fix", code="room"), START + 1)
    assert not firing(manager, START + 1)


def test_an_escalation_whose_alert_has_gone_fires_for_an_hour(board: tuple[Alertmanager, RepairAlerts]) -> None:
    manager, repairs = board
    repairs.report(notice("escalated"), START)
    assert firing(manager, START + LONGEST - 1)
    assert not firing(manager, START + LONGEST)


def test_a_request_carries_the_link_and_ends_when_it_is_too_late_or_the_incident_ends(
    board: tuple[Alertmanager, RepairAlerts],
) -> None:
    manager, repairs = board
    until = START + 600 * SECOND
    repairs.report(notice("approval-requested", until=until), START)
    alert = firing(manager)["RepairApprovalRequested"]
    assert alert.annotations["approve"].startswith("http://console/api/v1/incidents/i1/approval?expires=")
    assert not firing(manager, until)
    repairs.report(notice("closed", incident="other"), START + SECOND)
    assert firing(manager, START + SECOND)
    repairs.report(notice("closed"), START + 2 * SECOND)
    assert not firing(manager, START + 2 * SECOND)


def test_a_breaker_fires_until_it_closes_and_a_stop_until_it_is_undone(board: tuple[Alertmanager, RepairAlerts]) -> None:
    manager, repairs = board
    repairs.report(notice("breaker-opened"), START)
    assert firing(manager, START + RESET - 1)
    assert not firing(manager, START + RESET)
    repairs.report(Notice("stopped/1", "stopped", START, "", "Repairs stopped", "by ann"), START)
    assert firing(manager, START + RESET).keys() == {"RepairsStopped"}
    repairs.report(Notice("resumed/2", "resumed", START + 1, "", "Repairs resumed", "by ann"), START + RESET)
    assert not firing(manager, START + RESET)


def test_the_same_notice_again_after_a_crash_is_no_news(board: tuple[Alertmanager, RepairAlerts]) -> None:
    manager, repairs = board
    repairs.report(notice("escalated"), START)
    (reported,) = manager.advance(START).notifications
    again = Alertmanager(manager.config)
    again.restore(manager.snapshot())
    RepairAlerts(again, repairs._approvals, RESET).report(notice("escalated"), START + SECOND)
    (repeated,) = again.advance(START + 301 * SECOND).notifications
    assert repeated.key == reported.key


def test_a_firing_culprit_further_down_does_not_mute_an_escalation(board: tuple[Alertmanager, RepairAlerts]) -> None:
    manager, repairs = board
    manager.see_calls([("cart", "db")], START)
    slow = Alert("db", instance="")
    manager.handle([change(slow), change(Alert("cart", rule="Noisy"))], START)
    repairs.report(notice("escalated"), START)
    sent = {alert.labels["alertname"] for item in manager.advance(START).notifications for alert in item.firing}
    assert sent == {"Slow", "RepairEscalated"}


def change(alert: Alert) -> AlertChange:
    return AlertChange(fingerprint(alert.labels), AlertState.FIRING, alert.labels, {}, 1.0, START, START, alert.starts_at, 0)
