"""A caller is not repaired for what a service that it calls does to it."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from alerting.alertmanager.inhibition import CallPaths
from alerting.playbooks.kernel.explanations import REMEMBERED
from alerting.playbooks.kernel.healer import Healer
from alerting.playbooks.model.plan import Playbook
from tests.alerting.playbooks.world import (
    SECOND,
    START,
    Alert,
    Processes,
    events,
    feed,
    newest,
    pass_time,
    play,
    playbooks,
    verbs,
)
from tests.alerting.playbooks.world import healer as make_healer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SERVICES = ("web", "cart", "pay", "mail")


@pytest.fixture
def world() -> Processes:
    return Processes()


@pytest.fixture
def healer(tmp_path: Path, world: Processes) -> Healer:
    calls = CallPaths(3600 * SECOND)
    calls.add([("web", "cart"), ("cart", "pay"), ("web", "mail")], START)
    made = Healer(playbooks(tmp_path), verbs(world), world.query, calls=calls)
    feed(made, SERVICES)
    return made


def repaired(world: Processes) -> list[str]:
    return [name.partition("/")[0] for verb, name in world.calls if verb == "restart"]


def test_of_two_that_fire_only_the_one_that_is_called_is_repaired(healer: Healer, world: Processes) -> None:
    for service in ("web", "pay"):
        healer.on_alert(Alert(service), START)
    now = pass_time(healer, world, START, 20)
    assert repaired(world) == ["pay"]
    healer.on_alert(Alert("pay", state="resolved"), now)
    now = pass_time(healer, world, now, 5)
    assert repaired(world) == ["pay"], "the caller's alert is younger than the proof"
    healer.on_alert(Alert("web", state="resolved"), now)
    pass_time(healer, world, now, REMEMBERED // SECOND)
    assert repaired(world) == ["pay"]


def test_a_caller_that_is_still_sick_long_after_is_repaired_itself(healer: Healer, world: Processes) -> None:
    healer.on_alert(Alert("pay"), START)
    now = pass_time(healer, world, START, 20)
    healer.on_alert(Alert("pay", state="resolved"), now)
    healer.on_alert(Alert("web"), now)
    now = pass_time(healer, world, now, 30)
    assert repaired(world) == ["pay"]
    pass_time(healer, world, now, REMEMBERED // SECOND)
    assert repaired(world) == ["pay", "web"]


def test_a_service_that_does_not_call_it_is_not_held_back(healer: Healer, world: Processes) -> None:
    for service in ("mail", "pay"):
        healer.on_alert(Alert(service), START)
    pass_time(healer, world, START, 3)
    assert sorted(repaired(world)) == ["mail", "pay"]


def test_any_young_alert_further_down_holds_back_a_repair_and_an_old_one_does_not(healer: Healer, world: Processes) -> None:
    healer.on_alert(Alert("mail", severity="warning"), START)
    now = pass_time(healer, world, START, 400)
    feed(healer, SERVICES, now)
    healer.on_alert(Alert("pay", severity="warning", starts_at=now), now)
    healer.on_alert(Alert("cart", starts_at=now), now)
    now = pass_time(healer, world, now, 5)
    assert repaired(world) == []
    healer.on_alert(Alert("pay", severity="warning", starts_at=now, state="resolved"), now)
    now = pass_time(healer, world, now, 20)
    assert repaired(world) == ["cart"]
    healer.on_alert(Alert("cart", state="resolved"), now)
    now = pass_time(healer, world, now, REMEMBERED // SECOND)
    healer.on_alert(Alert("web", starts_at=now), now)
    pass_time(healer, world, now, 3)
    assert repaired(world) == ["cart", "web"]


def test_services_that_call_each_other_do_not_explain_each_other(tmp_path: Path, world: Processes) -> None:
    calls = CallPaths(3600 * SECOND)
    calls.add([("web", "cart"), ("cart", "web")], START)
    made = Healer(playbooks(tmp_path), verbs(world), world.query, calls=calls)
    feed(made, SERVICES)
    for service in ("web", "cart"):
        made.on_alert(Alert(service), START)
    pass_time(made, world, START, 3)
    assert sorted(repaired(world)) == ["cart", "web"]


def test_the_refusal_tells_the_way_of_calls_once(healer: Healer, world: Processes) -> None:
    for service in ("web", "pay"):
        healer.on_alert(Alert(service), START)
    pass_time(healer, world, START, 5)
    assert events(healer).count("refused") == 1
    trail = [json.dumps(document.body) for document in healer.outbox()[0]]
    assert any("web -> cart -> pay" in line for line in trail)


def test_what_a_repair_explains_ends_with_it_and_survives_a_crash(healer: Healer, world: Processes, tmp_path: Path) -> None:
    healer.on_alert(Alert("pay"), START)
    healer.advance(START)
    assert healer.explained("cart", START) == ("cart", "pay")
    assert healer.explained("pay", START) == ()
    assert healer.explained("mail", START) == ()
    play(healer, world, START)
    now = pass_time(healer, world, START, 20)
    ended = newest(healer)["ended"]
    calls = CallPaths(3600 * SECOND)
    calls.add([("cart", "pay")], START)
    again = Healer(playbooks(tmp_path), verbs(world), world.query, calls=calls)
    again.restore(json.loads(json.dumps(healer.snapshot())), now)
    for made in (healer, again):
        assert made.explained("cart", ended - 1) == ("cart", "pay")
        assert made.explained("pay", ended - 1) == ("pay",)
        assert made.explained("cart", ended) == ()


def test_a_look_at_many_alerts_matches_each_a_few_times_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"s{number}" for number in range(300)]
    made = make_healer(playbooks(tmp_path), Processes(), names, max_starts=1)
    for number, name in enumerate(names):
        made.on_alert(Alert(name, starts_at=START - number * SECOND), START)
    made.advance(START)
    matched: list[str] = []
    answers = Playbook.answers

    def counting(self: Playbook, source: str, labels: Mapping[str, str]) -> bool:
        matched.append(labels["service"])
        return answers(self, source, labels)

    monkeypatch.setattr(Playbook, "answers", counting)
    made.advance(START + SECOND)
    assert max(Counter(matched).values()) <= 3
