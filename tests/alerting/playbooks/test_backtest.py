from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerting.playbooks.backtest import backtest
from alerting.playbooks.safety import SafetyConfig
from tests.alerting.playbooks.world import SECOND, START, Alert, Processes, playbooks, verbs

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.documents import Body

EDGES = [{"window": START, "callee": {"name": name}, "calls": 10} for name in ("cart", "shop", "mail")]


def told(service: str, state: str, seconds: int) -> Body:
    alert = Alert(service, state=state, starts_at=START + seconds * SECOND)
    return {
        "fingerprint": alert.fingerprint,
        "state": state,
        "labels": alert.labels,
        "annotations": {},
        "starts_at": alert.starts_at,
        "time": alert.starts_at,
    }


def play(tmp_path: Path, alerts: list[Body], incidents: list[Body], **bounds: Any) -> tuple[list[str], list[str]]:
    runs, refusals = backtest(playbooks(tmp_path), verbs(Processes()), alerts, EDGES, incidents, SafetyConfig(**bounds))
    return [run.ended for run in runs], [refusal.reason for refusal in refusals]


def test_an_alert_that_went_away_in_time_would_not_have_needed_the_repair(tmp_path: Path) -> None:
    ended, _ = play(tmp_path, [told("cart", "firing", 1), told("cart", "resolved", 9)], [])
    assert ended == ["not needed: the alert resolved by itself after 8 s"]


def test_a_repair_that_really_ran_says_how_it_ended(tmp_path: Path) -> None:
    alert = told("cart", "firing", 1)
    incident = {
        "fingerprint": alert["fingerprint"],
        "playbook": "repair",
        "opened": alert["time"] + SECOND,
        "ended": alert["time"] + 9 * SECOND,
        "state": "closed",
        "why": "recovery verified",
    }
    ended, _ = play(tmp_path, [alert, told("cart", "resolved", 20)], [incident])
    assert ended == ["it ran: closed, recovery verified"]


def test_where_nobody_can_know_nothing_is_claimed(tmp_path: Path) -> None:
    ended, _ = play(tmp_path, [told("cart", "firing", 1), told("cart", "resolved", 400)], [])
    assert ended == [""]


def test_cooldown_and_budget_refuse_as_they_would_have(tmp_path: Path) -> None:
    alerts = [told("cart", "firing", 1), told("cart", "resolved", 5), told("cart", "firing", 20)]
    _, refused = play(tmp_path, alerts, [])
    assert len(refused) == 1
    assert "rests" in refused[0]
    _, refused = play(tmp_path, alerts[:1], [], max_traffic_share=0.2)
    assert "33% of all calls" in refused[0]
