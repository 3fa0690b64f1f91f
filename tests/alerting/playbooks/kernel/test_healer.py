from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from alerting.playbooks.kernel.messages import Result
from telemetry.audit import verify
from telemetry.documents import Kind
from telemetry.errors import InputError
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import Series
from tests.alerting.playbooks.world import (
    PLAYBOOK,
    SECOND,
    START,
    Alert,
    Processes,
    events,
    healer,
    newest,
    pass_time,
    playbooks,
    stored,
)

if TYPE_CHECKING:
    from pathlib import Path

HUMAN = PLAYBOOK.replace("approve: automatic", "approve: {human: 1m}")


def test_a_sick_service_is_isolated_restarted_restored_and_proven_well(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 8)
    assert world.calls == [("isolate", "cart/a"), ("restart", "cart/a"), ("restore", "cart/a")]
    incident = newest(made)
    assert (incident["state"], incident["why"]) == ("closed", "recovery verified")
    assert events(made) == [
        "alert",
        "matched",
        "approved",
        "step-intended",
        "step-done",
        "step-intended",
        "step-done",
        "step-intended",
        "step-done",
        "verification-started",
        "verification-holds",
        "verified",
        "closed",
        "refused",  # the alert still fires, and the playbook rests
    ]
    assert [notice.kind for notice in made.outbox()[1]] == ["closed"]
    assert not made.incidents


def test_without_proof_of_recovery_everything_is_undone_and_a_human_has_it(tmp_path: Path) -> None:
    world = Processes(curable=False, sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 200)
    incident = newest(made)
    assert incident["state"] == "escalated"
    assert "did not hold in time" in incident["why"]
    assert incident["ended"] - incident["opened"] == 30 * SECOND
    assert not world.isolated
    assert world.calls.count(("restart", "cart/a")) == 1, "a human has it: no second try while the alert goes on"


def test_a_failed_step_rolls_back_the_steps_before_it_the_last_first(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"}, failing={"restart"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 1)
    assert world.calls == [("isolate", "cart/a"), ("restart", "cart/a"), ("restore", "cart/a")]
    assert newest(made)["state"] == "escalated"
    assert "restart cart/a: refused" in newest(made)["why"]


@pytest.mark.parametrize(
    ("phase", "action"), [("phase: isolate", "isolate"), ("phase: repair", "isolate"), ("phase: repair", "drain")]
)
def test_what_could_not_be_undone_counts_against_the_budget_until_a_human_releases_it(
    tmp_path: Path, phase: str, action: str
) -> None:
    world = Processes(sick={"cart/a", "shop/a"}, failing={"restart", "restore"})
    text = PLAYBOOK.replace("phase: isolate", phase).replace("action: isolate", f"action: {action}")
    made = healer(playbooks(tmp_path, text), world, max_instances=1, max_traffic_share=1)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 2)
    assert "still in effect: out" in newest(made)["why"]
    made.on_alert(Alert("shop"), now)
    now = pass_time(made, world, now, 2)
    assert (action, "shop/a") not in world.calls
    made.release(newest(made)["id"], "ann", now)
    pass_time(made, world, now, 2)
    assert (action, "shop/a") in world.calls


def test_a_human_is_asked_in_time_or_the_incident_is_escalated(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path, HUMAN), world)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 59)
    assert not world.calls
    assert newest(made)["state"] == "approving"
    incident = newest(made)["id"]
    now = pass_time(made, world, now, 5)
    assert newest(made)["state"] == "escalated"
    with pytest.raises(InputError, match="no incident"):
        made.decide(incident, approved=True, who="ann", now=now)


def test_approval_starts_the_repair_and_denial_ends_it(tmp_path: Path) -> None:
    for approved in (True, False):
        world = Processes(sick={"cart/a"})
        made = healer(playbooks(tmp_path, HUMAN), world)
        made.on_alert(Alert("cart"), START)
        now = pass_time(made, world, START, 2)
        made.decide(newest(made)["id"], approved=approved, who="ann", now=now)
        pass_time(made, world, now, 10)
        assert bool(world.calls) == approved
        assert newest(made)["state"] == "closed"
        assert newest(made)["approved_by"] == "ann"
        answers = [each for each in stored(made.outbox()[0], Kind.AUDIT) if each["event"] in {"approved", "denied"}]
        assert [(each["event"], each["data"]["who"]) for each in answers] == [("approved" if approved else "denied", "ann")]


def test_an_alert_that_resolves_before_approval_needs_no_repair(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path, HUMAN), world)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 2)
    made.on_alert(Alert("cart", state="resolved"), now)
    assert newest(made)["state"] == "closed"
    assert not world.calls


def test_the_stop_switch_holds_every_next_step_and_survives_a_restart(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    plans = playbooks(tmp_path)
    made = healer(plans, world)
    made.on_alert(Alert("cart"), START)
    made.advance(START)
    (run,) = made.runs()
    made.stop("ann", START)
    made.on_result(Result(run.id, ok=True), START)
    assert made.runs() == []
    again = healer(plans, world)
    again.restore(json.loads(json.dumps(made.snapshot())), START)
    now = pass_time(again, world, START, 5)
    assert not world.calls
    again.resume("ann", now)
    pass_time(again, world, now, 10)
    assert world.calls == [("restart", "cart/a"), ("restore", "cart/a")]
    assert newest(again)["state"] == "closed"


def test_what_was_under_way_in_a_crash_waits_for_the_end_of_the_stop(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    plans = playbooks(tmp_path)
    made = healer(plans, world)
    made.on_alert(Alert("cart"), START)
    made.advance(START)
    (run,) = made.runs()
    made.stop("ann", START)
    again = healer(plans, world)
    again.restore(json.loads(json.dumps(made.snapshot())), START)
    assert again.runs() == []
    again.resume("ann", START)
    assert again.runs() == [run]


def test_a_dry_run_records_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world, dry_run=True)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 100)
    assert not world.calls
    trail = stored(made.outbox()[0], Kind.AUDIT)
    would = [body["data"] for body in trail if body["event"] == "dry-run"]
    assert [step["action"] for step in would[0]["steps"]] == ["isolate", "restart", "restore"]
    assert len(would) == 1


def test_a_label_that_is_missing_is_named_in_the_refusal(tmp_path: Path) -> None:
    world = Processes()
    made = healer(playbooks(tmp_path, PLAYBOOK.replace("name: $service/$instance", "name: $pod", 1)), world)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 3)
    refused = [body["data"]["text"] for body in stored(made.outbox()[0], Kind.AUDIT) if body["event"] == "refused"]
    assert len(refused) == 1
    assert "needs the label pod" in refused[0]
    assert not world.calls


def test_the_audit_trail_of_a_whole_repair_verifies_and_survives_restarts(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    plans = playbooks(tmp_path)
    made = healer(plans, world)
    made.on_alert(Alert("cart"), START)
    now = START
    for _ in range(12):
        again = healer(plans, world)
        again.restore(json.loads(json.dumps(made.snapshot())), now)
        made = again
        now = pass_time(made, world, now, 1)
    trail = stored(made.outbox()[0], Kind.AUDIT)
    assert verify(trail) == []
    assert trail[-1]["sequence"] == len(trail)
    assert "verified" in events(made)


def test_time_that_goes_back_after_a_crash_does_not_move_what_is_measured_by_it(tmp_path: Path) -> None:
    world = Processes(curable=False, sick={"cart/a"})
    plans = playbooks(tmp_path)
    made = healer(plans, world)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 20)
    again = healer(plans, world)
    again.restore(json.loads(json.dumps(made.snapshot())), 0)
    pass_time(again, world, now - 15 * SECOND, 35)
    incident = newest(again)
    assert incident["state"] == "escalated"
    assert incident["ended"] - incident["opened"] == 30 * SECOND
    times = [body["time"] for body in stored(again.outbox()[0], Kind.AUDIT)]
    assert times == sorted(times)


def test_a_snapshot_of_another_version_is_refused_with_both_numbers(tmp_path: Path) -> None:
    made = healer(playbooks(tmp_path), Processes())
    saved = made.snapshot()
    with pytest.raises(InputError, match=f"healer: snapshot version 99; this release reads {saved['version']}"):
        made.restore({**saved, "version": 99}, START)
    assert saved["safety"].keys() == {"version", "stopped_by", "starts", "breakers"}


def test_saying_an_alert_twice_changes_nothing(tmp_path: Path) -> None:
    world = Processes()
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart", severity="info"), START)
    once = made.snapshot()
    made.on_alert(Alert("cart", severity="info"), START)
    made.on_alert(Alert("shop", state="resolved"), START)
    assert made.snapshot() == once


def test_other_playbooks_are_accepted_at_once_and_an_open_incident_ends_as_it_began(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 2)
    assert not world.isolated
    made.replace_playbooks((), now)
    made.on_alert(Alert("shop"), now)
    pass_time(made, world, now, 8)
    assert newest(made)["why"] == "recovery verified"
    assert {name for _, name in world.calls} == {"cart/a"}
    (replaced,) = [body for body in stored(made.outbox()[0], Kind.AUDIT) if body["event"] == "playbooks-replaced"]
    assert replaced["data"] == {"playbooks": {}}


def test_an_anomaly_sets_off_the_playbooks_that_anomalies_trigger_once(tmp_path: Path) -> None:
    text = PLAYBOOK.replace("alert: ['severity=\"critical\"']", "anomaly: ['kind=\"latency\"', 'service=\"cart\"']")
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path, text), world)
    anomaly = Anomaly(
        AnomalyKind.LATENCY, Series("latency"), "cart", START, START + SECOND, 0.99, 0.1, 0.5, "s", "slow",
        instance="a", trace_ids=(b"\x01" * 16,),
    )  # fmt: skip
    made.on_anomaly(replace(anomaly, kind=AnomalyKind.ERRORS), START)
    assert not events(made)
    made.on_anomaly(anomaly, START)
    pass_time(made, world, START, 8)
    assert newest(made)["trace_ids"] == ["01" * 16]
    assert newest(made)["why"] == "recovery verified"
    assert world.calls.count(("restart", "cart/a")) == 1
