"""What may start, across all playbooks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from telemetry.documents import Kind
from tests.alerting.playbooks.world import SECOND, START, Alert, Processes, events, feed, healer, pass_time, playbooks, stored

if TYPE_CHECKING:
    from pathlib import Path


def test_two_repairs_never_work_on_one_target_and_the_second_is_refused_once(tmp_path: Path) -> None:
    world = Processes(curable=False, sick={"cart/a"})
    made = healer(playbooks(tmp_path), world, max_instances=5, max_traffic_share=1)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 3)
    made.on_alert(Alert("cart", rule="Failing"), START + 3 * SECOND)
    pass_time(made, world, START + 3 * SECOND, 10)
    refusals = [body["data"] for body in stored(made.outbox()[0], Kind.AUDIT) if body["event"] == "refused"]
    assert [refusal["code"] for refusal in refusals] == ["busy"]


def test_the_share_of_traffic_is_bounded_and_unknown_is_too_much(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world, services=(), max_traffic_share=0.3)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 1)
    feed(made, ["cart", "shop"], now)
    now = pass_time(made, world, now, 1)
    assert not world.calls
    feed(made, ["shop", "mail", "bank"], now)
    pass_time(made, world, now, 1)
    assert world.calls
    reasons = [body["data"]["text"] for body in stored(made.outbox()[0], Kind.AUDIT) if body["event"] == "refused"]
    assert "unknown" in reasons[0]


def test_a_playbook_that_fails_again_and_again_rests(tmp_path: Path) -> None:
    world = Processes(sick={f"{name}/a" for name in "abcde"}, failing={"restart"})
    made = healer(playbooks(tmp_path), world, services="abcde", breaker_failures=2)
    now = START
    for name in "abcde":
        made.on_alert(Alert(name), now)
        now = pass_time(made, world, now, 2)
    assert [name for verb, name in world.calls if verb == "isolate"] == ["a/a", "b/a"]
    assert [notice.kind for notice in made.outbox()[1]].count("breaker-opened") == 1


def test_after_its_rest_a_playbook_is_tried_once_at_a_time(tmp_path: Path) -> None:
    world = Processes(sick={f"{name}/a" for name in "abcd"}, failing={"restart"})
    plans = playbooks(tmp_path)
    bounds = {"breaker_failures": 1, "max_traffic_share": 1.0}
    made = healer(plans, world, "abcd", **bounds)
    made.on_alert(Alert("a"), START)
    now = pass_time(made, world, START, 2) + 1800 * SECOND
    world.failing, world.curable = set(), False
    again = healer(plans, world, "abcd", **bounds)
    again.restore(json.loads(json.dumps(made.snapshot())), now)
    feed(again, "abcd", now)
    for name in "bcd":
        again.on_alert(Alert(name), now)
    now = pass_time(again, world, now, 5)
    assert [name for verb, name in world.calls if verb == "restart"] == ["a/a", "b/a"]
    world.sick.clear()
    pass_time(again, world, now, 10)
    assert [name for verb, name in world.calls if verb == "restart"] == ["a/a", "b/a", "c/a", "d/a"], "it is proven again"


def test_the_cooldown_is_a_rest_after_the_repair_however_long_that_took(tmp_path: Path) -> None:
    world = Processes(curable=False, sick={"cart/a"})
    plans = playbooks(tmp_path)
    made = healer(plans, world)
    made.on_alert(Alert("cart"), START)
    now = pass_time(made, world, START, 25)
    world.sick.clear()
    now = pass_time(made, world, now, 6)
    assert "closed" in events(made), "after half of the cooldown"
    again = healer(plans, world)
    again.restore(json.loads(json.dumps(made.snapshot())), now)
    for seconds, restarts in ((58, 1), (5, 2)):
        now = pass_time(again, world, now, seconds)
        feed(again, ("cart", "shop"), now)
        assert world.calls.count(("restart", "cart/a")) == restarts
