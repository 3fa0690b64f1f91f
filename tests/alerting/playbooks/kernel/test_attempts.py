"""A repair that is proven while its alert goes on firing, the limits of one target, and what waits for approval."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.playbooks.kernel.machine import STILL_FIRING
from telemetry.documents import Kind
from telemetry.errors import InputError
from tests.alerting.playbooks.kernel.test_crash_safety import plans
from tests.alerting.playbooks.world import (
    PLAYBOOK,
    SECOND,
    START,
    Alert,
    Processes,
    events,
    feed,
    healer,
    newest,
    pass_time,
    playbooks,
    stored,
)

if TYPE_CHECKING:
    from pathlib import Path

    from alerting.playbooks.kernel.healer import Healer

HUMAN = PLAYBOOK.replace("approve: automatic", "approve: {human: 10m}")
SERVICES = ("cart", "shop", "mail", "bank", "news")


def fed(made: Healer, world: Processes, now: int, seconds: int) -> int:
    """Time passes, and telemetry comes."""
    for _ in range(0, seconds, 30):
        feed(made, SERVICES, now)
        now = pass_time(made, world, now, 30)
    return now


def test_an_alert_that_fires_through_two_proven_repairs_is_escalated_and_repaired_no_more(tmp_path: Path) -> None:
    world = Processes()
    made = healer(playbooks(tmp_path), world, SERVICES)
    made.on_alert(Alert("cart"), START)
    fed(made, world, START, 1800)
    assert world.calls.count(("restart", "cart/a")) == 2
    assert (newest(made)["state"], newest(made)["why"], newest(made)["attempt"]) == ("escalated", STILL_FIRING, 2)
    assert [notice.kind for notice in made.outbox()[1]] == ["closed", "escalated"]
    assert events(made).count("still-firing") == 1


def test_a_second_repair_whose_alert_resolves_in_time_is_proven(tmp_path: Path) -> None:
    world = Processes()
    made = healer(playbooks(tmp_path), world, SERVICES)
    made.on_alert(Alert("cart"), START)
    now = START
    while "still-firing" not in events(made):
        now = pass_time(made, world, now, 1)
    again = healer(playbooks(tmp_path), world, SERVICES)
    again.restore(json.loads(json.dumps(made.snapshot())), now)
    again.on_alert(Alert("cart", state="resolved"), now)
    pass_time(again, world, now, 1)
    assert (newest(again)["state"], newest(again)["why"]) == ("closed", "recovery verified")


def test_a_proven_repair_that_the_alert_does_not_follow_counts_for_the_breaker(tmp_path: Path) -> None:
    world = Processes()
    made = healer(playbooks(tmp_path), world, SERVICES, breaker_failures=1)
    made.on_alert(Alert("cart"), START)
    fed(made, world, START, 300)
    assert [notice.kind for notice in made.outbox()[1]] == ["closed", "escalated", "breaker-opened"]


def test_an_alert_that_flaps_uses_up_the_starts_of_its_own_target_and_leaves_the_others_theirs(tmp_path: Path) -> None:
    world = Processes()
    made = healer(playbooks(tmp_path), world, SERVICES)
    now = START
    for _ in range(9):
        made.on_alert(Alert("cart", starts_at=now), now)
        now = fed(made, world, now, 90)
        made.on_alert(Alert("cart", state="resolved"), now)
    assert world.calls.count(("restart", "cart/a")) == 4
    made.on_alert(Alert("shop", starts_at=now), now)
    fed(made, world, now, 30)
    assert world.calls.count(("restart", "shop/a")) == 1


def test_a_limit_that_keeps_a_repair_from_starting_is_reported_to_humans_once(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a", "shop/a"})
    made = healer(playbooks(tmp_path), world, SERVICES, max_starts=1)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 10)
    made.on_alert(Alert("cart", state="resolved"), now)
    made.on_alert(Alert("shop", starts_at=now), now)
    fed(made, world, now, 300)
    (refused,) = [notice for notice in made.outbox()[1] if notice.kind == "refused"]
    assert (refused.playbook, refused.code, refused.text[-4:]) == ("repair", "rate", "shop")
    (entry,) = [body for body in stored(made.outbox()[0], Kind.AUDIT) if body["event"] == "start-refused"]
    assert entry["data"]["code"] == "rate"


def test_what_waits_for_approval_takes_no_slot_and_an_approval_without_room_is_refused_and_recorded(tmp_path: Path) -> None:
    human = HUMAN.replace("['severity=\"critical\"']", "['severity=\"critical\"', 'service=\"cart\"']")
    automatic = PLAYBOOK.replace("playbooks:\n", "").replace("name: repair", "name: automatic")
    world = Processes(curable=False, sick={"cart/a", "shop/a"})
    made = healer(playbooks(tmp_path, human + automatic), world, SERVICES, max_open=1)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 1)
    (waiting,) = made.incidents
    made.on_alert(Alert("shop"), now)
    now = pass_time(made, world, now, 2)
    assert ("restart", "shop/a") in world.calls
    with pytest.raises(InputError, match="cannot start now: 1 repairs are open"):
        made.decide(waiting, approved=True, who="ann", now=now)
    assert events(made)[-1] == "approval-refused"
    world.sick.clear()
    now = pass_time(made, world, now, 10)
    made.decide(waiting, approved=True, who="ann", now=now)
    pass_time(made, world, now, 5)
    assert ("restart", "cart/a") in world.calls


def test_an_escalation_with_steps_in_effect_says_so_and_its_release_is_a_notice(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"}, failing={"restart", "restore"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 2)
    (incident,) = made.incidents
    made.release(incident, "ann", now)
    assert [(notice.kind, notice.holds) for notice in made.outbox()[1]] == [("escalated", True), ("released", False)]


def test_the_state_of_the_release_before_is_read(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    made.advance(START)
    old = json.loads(json.dumps(made.snapshot()))
    for later in ("refusals", "proven", "attempts", "notice_marks"):
        del old[later]
    again = healer(playbooks(tmp_path), world)
    again.restore(old, START)
    (incident,) = again.incidents.values()
    assert incident.attempt == 1


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(SERVICES[:3]), st.booleans(), st.integers(1, 90)), min_size=1, max_size=25))
def test_however_alerts_come_and_go_no_firing_is_repaired_more_than_twice_nor_a_target_more_often_than_its_limit(
    history: list[tuple[str, bool, int]],
) -> None:
    world = Processes()
    made = healer(PLANS, world, SERVICES, max_starts=100, breaker_failures=100)
    now, since = START, dict.fromkeys(SERVICES, 0)
    for service, fires, seconds in history:
        feed(made, SERVICES, now)
        if fires:
            before = service in {each.labels["service"] for each in made.firing}
            made.on_alert(Alert(service), now)
            since[service] = since[service] if before else world.calls.count(("restart", f"{service}/a"))
        else:
            made.on_alert(Alert(service, state="resolved"), now)
        now = pass_time(made, world, now, seconds)
        for each in made.firing:
            name = each.labels["service"]
            assert world.calls.count(("restart", f"{name}/a")) - since[name] <= 2
    assert now - START < 3600 * SECOND
    assert all(world.calls.count(("restart", f"{name}/a")) <= 4 for name in SERVICES)


PLANS = plans()
