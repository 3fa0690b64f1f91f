"""What the audit trail and the notices say, word for word, and what a snapshot has and brings back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from alerting.playbooks.kernel.journal import MAX_WAITING, Journal
from alerting.playbooks.kernel.messages import Notice, Result, with_service
from telemetry.documents import Kind
from telemetry.errors import InputError
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
    play,
    playbooks,
    stored,
)

if TYPE_CHECKING:
    from pathlib import Path

    from alerting.playbooks.kernel.healer import Healer

QUOTED = ("anomalies", "calls", "culprits")
HUMAN = PLAYBOOK.replace("approve: automatic", "approve: {human: 1m}")


def data_of(made: Healer, event: str) -> list[Any]:
    """What the records of an event say, without the parts of its sentences: those are in test_sentence_parts.py."""
    found = [body["data"] for body in stored(made.outbox()[0], Kind.AUDIT) if body["event"] == event]
    return [{name: value for name, value in data.items() if name != "parts"} for data in found]


def saved(made: Healer) -> Any:
    return json.loads(json.dumps(made.snapshot()))


def test_a_repair_is_recorded_with_everything_that_was_known_and_done(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    alert = Alert("cart", annotations={"summary": "slow"})
    made.on_alert(alert, START)
    pass_time(made, world, START, 6)
    labels = {**alert.labels, "service_name": "cart"}
    assert data_of(made, "alert") == [
        {
            "state": "firing",
            "fingerprint": "Slow/cart/a",
            "labels": labels,
            "annotations": {"summary": "slow"},
            "starts_at": START,
        }
    ]
    (matched,) = data_of(made, "matched")
    assert (matched["playbook"], matched["source"]) == ("repair", "alert")
    assert matched["revision"] == newest(made)["playbook_revision"]
    assert matched["target"] == {"service": "cart", "instance": "a"}
    assert matched["footprint"] == {"instances": 1, "share": 0.5}
    assert matched["evidence"] == {
        "fingerprint": "Slow/cart/a", "labels": labels, "value": 3.0, "group": "services", "rule": "latency > 1",
        "trace_ids": [], **{name: matched["evidence"].get(name) for name in QUOTED if name in matched["evidence"]},
    }  # fmt: skip
    assert "doubt" not in matched
    assert data_of(made, "approved") == [{"who": "automatic", "at": START + SECOND}]
    assert data_of(made, "step-intended") == [
        {"step": "out", "action": "isolate", "arguments": {"name": "cart/a"}, "idempotent": True},
        {"step": "restart", "action": "restart", "arguments": {"name": "cart/a"}, "idempotent": False},
        {"step": "in", "action": "restore", "arguments": {"name": "cart/a"}, "idempotent": True, "undoes": "out"},
    ]
    assert data_of(made, "step-done") == [{"step": step, "detail": "", "result": {}} for step in ("out", "restart", "in")]
    healthy, began = 'healthy{name="cart/a"} > 0', START + SECOND
    assert data_of(made, "verification-started") == [
        {"subject": "recovery", "expression": healthy, "until": data_of(made, "verification-started")[0]["until"]}
    ]
    held = {"subject": "recovery", "expression": healthy, "samples": [{"labels": {"name": "cart/a"}, "value": 1.0}]}
    assert data_of(made, "verification-holds") == [held]
    assert data_of(made, "verified") == [{**held, "held": 5 * SECOND}]
    assert data_of(made, "closed") == [{"why": "recovery verified"}]
    times = [body["time"] for body in stored(made.outbox()[0], Kind.AUDIT)]
    assert times[0] == START
    assert times[1] == began


def test_a_deadline_is_as_long_after_the_beginning_as_the_playbook_says(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"}, curable=False)
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 40)
    (started,) = [body for body in stored(made.outbox()[0], Kind.AUDIT) if body["event"] == "verification-started"]
    assert started["data"]["until"] == started["time"] + 30 * SECOND
    (failed,) = [body for body in stored(made.outbox()[0], Kind.AUDIT) if body["event"] == "verification-failed"]
    assert failed["time"] == started["time"] + 30 * SECOND
    assert failed["data"]["reason"] == "no sample: it is false, or there is no telemetry"
    assert failed["data"]["samples"] == []


def test_proof_that_breaks_off_begins_again(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 4)
    world.sick.add("cart/a")
    now = pass_time(made, world, now, 1)
    world.sick.clear()
    now = pass_time(made, world, now, 5)
    assert "verified" not in events(made)
    pass_time(made, world, now, 1)
    assert [event for event in events(made) if event.startswith("verif")] == [
        "verification-started", "verification-holds", "verification-broken", "verification-holds", "verified",
    ]  # fmt: skip
    (broken,) = data_of(made, "verification-broken")
    assert broken["reason"] == "no sample: it is false, or there is no telemetry"


def test_a_human_is_asked_with_the_time_there_is(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path, HUMAN), world)
    made.on_alert(Alert("cart"), START)
    made.advance(START)
    assert data_of(made, "approval-requested") == [{"until": START + 60 * SECOND}]
    (notice,) = made.outbox()[1]
    (incident,) = made.incidents.values()
    assert notice == Notice(
        f"{incident.id}/approval-requested", "approval-requested", START, incident.id,
        "repair on cart/a: approval-requested", "repair: approve?", START + 60 * SECOND, "cart", "repair", "Slow/cart/a",
    )  # fmt: skip
    made.decide(incident.id, approved=False, who="ann", now=START + SECOND)
    assert data_of(made, "denied") == [{"who": "ann"}]
    assert newest(made)["why"] == "denied by ann"
    assert newest(made)["approved_by"] == "ann"
    assert made.outbox()[1][1].id == f"{incident.id}/ended"


@pytest.mark.parametrize(("late", "said"), [(59, ""), (60, "the time to approve is over; it has been escalated")])
def test_the_time_to_approve_ends_when_it_is_over(tmp_path: Path, late: int, said: str) -> None:
    made = healer(playbooks(tmp_path, HUMAN), Processes(sick={"cart/a"}))
    made.on_alert(Alert("cart"), START)
    made.advance(START)
    (incident,) = made.incidents
    if said:
        with pytest.raises(InputError, match=f"^incident {incident}: {said}$"):
            made.decide(incident, approved=True, who="ann", now=START + late * SECOND)
    else:
        made.decide(incident, approved=True, who="ann", now=START + late * SECOND)
        assert data_of(made, "approved") == [{"who": "ann"}]
        with pytest.raises(InputError, match=rf"^incident {incident} is isolating and asks nobody; see its audit trail"):
            made.decide(incident, approved=True, who="ann", now=START + late * SECOND)
        with pytest.raises(InputError, match=rf"^incident {incident} is still isolating; only an ended one can be released$"):
            made.release(incident, "ann", START)


def test_the_stop_switch_says_who_stopped_and_who_resumed(tmp_path: Path) -> None:
    made = healer(playbooks(tmp_path), Processes(sick={"cart/a"}))
    made.stop("ann", START)
    made.resume("bob", START + SECOND)
    assert (data_of(made, "stopped"), data_of(made, "resumed")) == ([{"who": "ann"}], [{"who": "bob"}])
    assert made.outbox()[1] == (
        Notice(f"stopped/{START}", "stopped", START, "", "Repairs stopped", "by ann"),
        Notice(f"resumed/{START + SECOND}", "resumed", START + SECOND, "", "Repairs resumed", "by bob"),
    )


def test_who_changes_what_alerts_is_recorded() -> None:
    made = healer((), Processes())
    made.note("silence-added", "ann", START, matchers=["a"])
    (entry,) = stored(made.outbox()[0], Kind.AUDIT)
    assert (entry["event"], entry["time"], entry["incident"]) == ("silence-added", START, "")
    assert entry["data"] == {"who": "ann", "matchers": ["a"]}


def test_a_dry_run_records_each_call_and_what_would_prove_it(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world, dry_run=True)
    made.on_alert(Alert("cart"), START)
    made.advance(START)
    (dry,) = data_of(made, "dry-run")
    assert dry["verify"] == 'healthy{name="cart/a"} > 0'
    assert [(step["step"], step["action"], step["arguments"]) for step in dry["steps"]] == [
        ("out", "isolate", {"name": "cart/a"}),
        ("restart", "restart", {"name": "cart/a"}),
        ("in", "restore", {"name": "cart/a"}),
    ]
    assert (newest(made)["state"], newest(made)["why"], newest(made)["ended"]) == ("closed", "dry run", START)
    made.advance(START + 100 * SECOND)
    assert events(made).count("matched") == 1, "the alert has its answer"


def test_a_refusal_names_its_code_and_the_alert_and_is_recorded_once_for_each_reason(tmp_path: Path) -> None:
    made = healer(playbooks(tmp_path), Processes(sick={"cart/a"}), max_traffic_share=0.1)
    made.on_alert(Alert("cart"), START)
    for second in range(3):
        made.advance(START + second * SECOND)
    (refused,) = data_of(made, "refused")
    assert (refused["playbook"], refused["fingerprint"], refused["code"]) == ("repair", "Slow/cart/a", "budget")
    assert refused["labels"]["service"] == "cart"
    assert made.firing.refusal_of("Slow/cart/a") == "budget"
    assert made.firing.refusal_of("another") == ""


def test_a_result_that_nobody_waits_for_is_counted(tmp_path: Path) -> None:
    made = healer(playbooks(tmp_path), Processes(sick={"cart/a"}))
    made.on_alert(Alert("cart"), START)
    made.advance(START)
    (run,) = made.runs()
    made.on_result(Result("another", ok=True), START)
    assert (made.results_unexpected, made.runs()) == (1, [run])
    made.on_result(Result(run.id, ok=True), START, go_on=False)
    assert (made.results_unexpected, made.runs()) == (1, []), "the next step is not asked for yet"
    made.advance(START)
    assert [run.call.action for run in made.runs()] == ["restart"]


def restored(tmp_path: Path, snapshot: Any, now: int) -> Healer:
    made = healer(playbooks(tmp_path), Processes())
    made.restore(snapshot, now)
    return made


def test_what_is_restored_is_what_was_saved(tmp_path: Path) -> None:
    """Between incidents, so that nothing has to be noted of what was running."""
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    made.environment = "production"
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 20)
    made.stop("ann", now)
    for service in ("shop", "mail"):
        made.on_alert(Alert(service), now)
    made.firing.give_up("Slow/mail/a")
    made.firing.offer("an anomaly")
    made.advance(now)
    before = saved(made)
    assert not before["incidents"]
    for part in ("repaired", "refusals", "signals", "refused", "given_up", "proven", "offered", "documents", "notices"):
        assert before[part], part
    assert (before["environment"], before["time"]) == ("production", now)
    again = restored(tmp_path, before, now - 5 * SECOND)
    assert saved(again) == before
    assert again.environment == "production"
    assert again.safety.stopped_by == "ann"
    again.note("later", "ann", 0)
    assert stored(again.outbox()[0], Kind.AUDIT)[-1]["time"] == now, "time does not go back"


@pytest.mark.parametrize("missing", ["repaired", "refusals", "proven", "offered", "notice_marks"])
def test_what_an_earlier_release_did_not_save_is_nothing(tmp_path: Path, missing: str) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 80)
    older = saved(made)
    del older[missing]
    found = saved(restored(tmp_path, older, now))
    if missing == "notice_marks":
        assert found[missing] == [{"code": "", "holds": False}] * len(found["notices"])
    else:
        assert not found[missing]
    assert {name: part for name, part in found.items() if name != missing} == older


@pytest.mark.parametrize(("step", "event"), [("out", "step-repeated"), ("restart", "step-asked")])
def test_what_was_running_in_a_crash_is_noted_as_repeated_or_asked(tmp_path: Path, step: str, event: str) -> None:
    made = healer(playbooks(tmp_path), Processes(sick={"cart/a"}))
    made.on_alert(Alert("cart"), START)
    made.advance(START)
    if step == "restart":
        made.on_result(Result(made.runs()[0].id, ok=True), START)
    before = made.runs()
    again = restored(tmp_path, saved(made), START + 3 * SECOND)
    (found,) = data_of(again, event)
    assert found == ({"step": step, "progress": "intended"} if event == "step-repeated" else {"step": step})
    (run,) = again.runs()
    assert (run.id, run.call) == (before[0].id, before[0].call)
    assert run.asks_since == (START if event == "step-asked" else 0)
    entry = stored(again.outbox()[0], Kind.AUDIT)[-1]
    assert (entry["time"], entry["incident"]) == (START + 3 * SECOND, next(iter(again.incidents)))
    assert newest(again)["revision"] == entry["sequence"] - 1, "the first entry is the alert's"


def test_repairs_wait_while_the_store_is_too_far_behind(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    for _ in range(MAX_WAITING - 1):
        made.journal.record(START, "filler")
    assert made.journal.is_full
    made.advance(START)
    assert not made.incidents
    made.delivered(2, 0)  # the refusal is one more
    assert not made.journal.is_full
    made.advance(START)
    play(made, world, START)
    assert world.calls


def test_what_is_delivered_leaves_the_head_of_what_waits() -> None:
    journal = Journal("test")
    for number in range(3):
        journal.record(START, f"e{number}", "i", n=number)
        journal.report(Notice(str(number), "kind", START, "", "", ""))
    journal.delivered(2, 1)
    documents, notices = journal.waiting()
    assert [document.body["event"] for document in documents] == ["e2"]
    assert [notice.id for notice in notices] == ["1", "2"]
    assert documents[0].body["incident"] == "i"


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({"a": "b"}, {"a": "b"}),
        ({"service": "cart"}, {"service": "cart", "service_name": "cart"}),
        ({"service": "shop/cart"}, {"service": "shop/cart", "service_name": "cart", "service_namespace": "shop"}),
        ({"service": "cart", "service_namespace": "shop"},
         {"service": "shop/cart", "service_name": "cart", "service_namespace": "shop"}),
    ],
    ids=["none", "plain", "with a namespace", "by its parts"],
)  # fmt: skip
def test_the_labels_of_a_service_are_completed(labels: dict[str, str], found: dict[str, str]) -> None:
    assert with_service(labels) == found


def test_a_release_says_who_and_when_and_its_time_does_not_go_back(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"}, failing={"restart", "restore"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 2)
    incident = newest(made)["id"]
    made.release(incident, "ann", now - SECOND)
    assert data_of(made, "released") == [{"who": "ann"}]
    released = stored(made.outbox()[0], Kind.AUDIT)[-1]
    assert (released["event"], released["time"], released["incident"]) == ("released", now, incident)
    notice = made.outbox()[1][-1]
    assert (notice.kind, notice.time, notice.text) == ("released", now, "by ann")
    with pytest.raises(InputError, match=r"nowhere"):
        made.release("nowhere", "ann", now)
