from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from alerting.playbooks.runner import PlaybookRunner
from telemetry.audit import verify
from telemetry.documents import Document, Kind
from telemetry.errors import SpanloomError, StoreError
from tests.alerting.playbooks.world import PLAYBOOK, SECOND, START, Alert, Processes, healer, playbooks, stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from alerting.playbooks.kernel.healer import Healer
    from alerting.playbooks.kernel.messages import Notice, Result
    from telemetry.documents import Body


class Rim:
    """What the runner is given: a place for the snapshot, a store, a pager and a clock."""

    def __init__(self) -> None:
        self.now = START
        self.saved: str = ""
        self.documents: dict[str, Document] = {}
        self.notices: list[Notice] = []
        self.store_down = False
        self.pager_down = False

    async def save(self, snapshot: Body, /) -> None:
        self.saved = json.dumps(snapshot)

    async def write(self, documents: Sequence[Document], /) -> None:
        if self.store_down:
            raise StoreError("down")
        for document in documents:
            self.documents.setdefault(document.id, document)

    async def notify(self, notice: Notice, /) -> None:
        if self.pager_down:
            raise SpanloomError("down")
        self.notices.append(notice)

    def trail(self) -> list[Body]:
        bodies = stored(list(self.documents.values()), Kind.AUDIT)
        return sorted(bodies, key=lambda body: int(body["sequence"]))

    def runner(self, made: Healer) -> PlaybookRunner:
        return PlaybookRunner(made, self.save, self.write, self.notify, lambda: self.now)


async def live(runner: PlaybookRunner, rim: Rim, seconds: int) -> None:
    for _ in range(seconds):
        rim.now += SECOND
        await runner.advance()
        await runner.idle()


async def test_a_repair_runs_to_its_proof_and_the_stored_trail_verifies(tmp_path: Path) -> None:
    world, rim = Processes(sick={"cart/a"}), Rim()
    runner = rim.runner(healer(playbooks(tmp_path), world))
    await runner.start(None)
    await runner.on_alert(Alert("cart"))
    await live(runner, rim, 8)
    await runner.stop()
    assert world.calls == [("isolate", "cart/a"), ("restart", "cart/a"), ("restore", "cart/a")]
    assert verify(rim.trail()) == []
    assert rim.trail()[-2]["event"] == "closed"
    assert [notice.kind for notice in rim.notices] == ["closed"]


async def test_no_action_starts_before_its_intent_is_saved(tmp_path: Path) -> None:
    world, rim = Processes(sick={"cart/a"}), Rim()
    runner = rim.runner(healer(playbooks(tmp_path), world))
    seen: list[tuple[str, str]] = []
    act = world.do

    def do(verb: str, name: str, key: str) -> None:
        incident = json.loads(rim.saved)["incidents"][0]
        step = next(step for step in incident["steps"] if step["name"] == key.split("/")[1])
        seen.append((verb, step["progress"]))
        act(verb, name, key)

    world.do = do  # type: ignore[method-assign]
    await runner.start(None)
    await runner.on_alert(Alert("cart"))
    await live(runner, rim, 8)
    assert seen == [("isolate", "intended"), ("restart", "intended"), ("restore", "intended")]


async def test_an_action_over_its_time_is_ended_and_rolled_back(tmp_path: Path) -> None:
    world, rim = Processes(sick={"cart/a"}, hanging={"restart"}), Rim()
    plans = playbooks(tmp_path, PLAYBOOK.replace("timeout: 10s", "timeout: 20ms"))
    runner = rim.runner(healer(plans, world))
    await runner.start(None)
    await runner.on_alert(Alert("cart"))
    await live(runner, rim, 1)
    assert world.calls[-1] == ("restore", "cart/a")
    assert "not done within 0.02 s" in rim.notices[-1].text


async def test_a_repair_does_not_wait_for_the_store_or_the_pager_and_nothing_is_lost(tmp_path: Path) -> None:
    world, rim = Processes(sick={"cart/a"}), Rim()
    rim.store_down = rim.pager_down = True
    runner = rim.runner(healer(playbooks(tmp_path), world))
    await runner.start(None)
    await runner.on_alert(Alert("cart"))
    await live(runner, rim, 8)
    assert ("restore", "cart/a") in world.calls
    assert not rim.documents
    rim.store_down = rim.pager_down = False
    await runner.advance()
    assert verify(rim.trail()) == []
    assert "verified" in {body["event"] for body in rim.trail()}
    assert len(rim.notices) == 1


@pytest.mark.parametrize("same", [False, True])
async def test_stopping_in_the_middle_of_an_action_is_safe_and_starting_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, same: bool
) -> None:
    """By another process, or by the same one where it is given the environment again."""
    monkeypatch.setattr("alerting.playbooks.runner.STOP_GRACE", 0.01)
    world, rim = Processes(sick={"cart/a"}, hanging={"isolate"}), Rim()
    plans = playbooks(tmp_path)
    runner = rim.runner(healer(plans, world))
    await runner.stop()
    await runner.start(None)
    await runner.on_alert(Alert("cart"))
    await runner.advance()
    await asyncio.sleep(0)
    await runner.stop()
    await runner.stop()
    world.hanging.clear()
    if not same:
        runner = rim.runner(healer(plans, world))
    await runner.start(json.loads(rim.saved))
    await live(runner, rim, 8)
    assert [verb for verb, _ in world.calls] == ["isolate", "isolate", "restart", "restore"]
    assert world.keys[0] == world.keys[1]
    assert verify(rim.trail()) == []


async def test_an_error_of_ours_after_an_action_ends_the_process_and_repeats_nothing(tmp_path: Path) -> None:
    world, rim = Processes(sick={"cart/a"}), Rim()
    made = healer(playbooks(tmp_path), world)
    runner = rim.runner(made)
    take = made.on_result

    def fail(result: Result, now: int, *, go_on: bool = True) -> None:
        if result.id.endswith("/restart/do"):
            raise KeyError(result.id)
        take(result, now, go_on=go_on)

    made.on_result = fail  # type: ignore[method-assign]
    await runner.start(None)
    await runner.on_alert(Alert("cart"))
    await live(runner, rim, 1)
    for end in (runner.advance, runner.advance, runner.stop):
        with pytest.raises(KeyError):
            await end()
    assert [verb for verb, _ in world.calls] == ["isolate", "restart"]
    await runner.stop()


async def test_nothing_starts_while_repairs_are_stopped_not_even_after_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerting.playbooks.runner.STOP_GRACE", 0.01)
    world, rim = Processes(sick={"cart/a"}, hanging={"isolate"}), Rim()
    plans = playbooks(tmp_path)
    killed = rim.runner(healer(plans, world))
    await killed.start(None)
    await killed.on_alert(Alert("cart"))
    await killed.advance()
    await asyncio.sleep(0)
    await killed.halt("ann")
    saved, world.calls = rim.saved, []
    world.hanging.clear()
    runner = rim.runner(healer(plans, world))
    await runner.start(json.loads(saved))
    await live(runner, rim, 5)
    assert world.calls == []
    await runner.resume("ann")
    await live(runner, rim, 8)
    assert [verb for verb, _ in world.calls] == ["isolate", "restart", "restore"]
    await killed.stop()


async def test_wrong_arguments_and_vanished_actions_fail_the_step_with_words(tmp_path: Path) -> None:
    for change in (lambda actions: actions.pop("restart"), lambda actions: setattr(actions["restart"], "arguments", Strictest)):
        world, rim = Processes(sick={"cart/a"}), Rim()
        made = healer(playbooks(tmp_path), world)
        runner = rim.runner(made)
        await runner.start(None)
        await runner.on_alert(Alert("cart"))
        await runner.advance()
        actions: Any = made.actions
        change(actions)
        await live(runner, rim, 2)
        assert rim.notices[-1].kind == "escalated"
        assert "restart" in rim.notices[-1].text
        assert not world.isolated


class Strictest:
    """Arguments that nothing meets."""

    @staticmethod
    def model_validate(given: object) -> object:
        from pydantic import TypeAdapter  # noqa: PLC0415  only here

        return TypeAdapter(int).validate_python(given)
