"""Deliveries as a control plane runs them, by the calls that are read for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from governance.delivery.delivery import DeliveryAction, DeliveryState
from governance.steering import PolicySteering
from governance.waves.comparing import ObservedCall
from spanloom import clock
from telemetry.audit import verify
from telemetry.errors import ConfigError
from tests.governance.mesh import Mesh, until

if TYPE_CHECKING:
    from pathlib import Path

    from governance.delivery.step_watch import StepWatch

PLAN = """
services:
  - name: pay
    endpoints:
      - {address: 127.0.0.1, port: 9001, labels: {version: v1}}
      - {address: 127.0.0.1, port: 9002, labels: {version: v2}}
routes:
  - name: pay
    service: pay
    rules:
      - {match: {headers: [{name: x-beta}]}, to: [{labels: {version: v2}}]}
      - deliver: {old: {version: v1}, new: {version: v2}, steps: [5%, 50%], watch: 1ms, calls: 20}
"""


def state_of(mesh: Mesh) -> tuple[DeliveryState, int, float, str]:
    """Where the delivery of `pay` is; a share below 0 while there is none."""
    found = mesh.control.deliveries.states() or [{"state": "advancing", "steps": 0, "share": -1.0, "why": ""}]
    assert len(found) == 1
    return DeliveryState(found[0]["state"]), found[0]["steps"], found[0]["share"], found[0]["why"]


async def watching(mesh: Mesh, step: int) -> StepWatch:
    """What reads calls for a step."""
    await until(lambda: bool(mesh.control.deliveries.watches()) and state_of(mesh)[1] == step, "the step is watched")
    return mesh.control.deliveries.watches()[0]


def calls(count: int, *, bad: int = 0) -> list[ObservedCall]:
    """To both sides; `bad` of those to new instances fail."""
    now = clock.system()
    old = [ObservedCall(now, "front", "front", "pay|version=v1", False, 5.0)] * count
    return old + [ObservedCall(now, "front", "front", "pay|version=v2", number < bad, 5.0) for number in range(count)]


def feed(watch: StepWatch, found: list[ObservedCall]) -> None:
    watch.buffer.begin(watch.key, ())
    watch.buffer.add(found)


async def test_a_good_release_completes_over_a_restart_and_says_why(tmp_path: Path) -> None:
    async with Mesh(tmp_path) as mesh:
        await mesh.publish(PLAN)
        await until(lambda: state_of(mesh)[2] == 5.0, "the first step begins by itself")
        feed(await watching(mesh, 1), calls(30))
        await until(lambda: state_of(mesh)[2] == 50.0, "the second")
        assert "0 of 30 calls of what is new failed, 0 of 30 of the rest" in state_of(mesh)[3]
        await mesh.stop()
        await mesh.start()
        assert state_of(mesh)[1:3] == (2, 50.0)
        feed(await watching(mesh, 2), calls(25))
        await until(lambda: state_of(mesh)[0] is DeliveryState.COMPLETED, "it completes")
        assert "0 of 55 calls of what is new failed, 0 of 55 of the rest" in state_of(mesh)[3], "evidence of both steps"
        records = await mesh.store.audit(0, 100)
        steps = [each.data for each in records if each.event == "delivery"]
        assert [(each["state"], each["steps"], each["share"]) for each in steps] == [
            ("advancing", 0, 0.0),
            ("advancing", 1, 5.0),
            ("advancing", 2, 50.0),
            ("completed", 2, 50.0),
        ]
        assert verify([each.document().body for each in records]) == []
        assert mesh.registry.get_sample_value("spanloom_control_deliveries_total", {"outcome": "completed"}) == 1
        await mesh.publish(PLAN + "collection: [{name: all, service: pay, share: 100}]\n")
        assert state_of(mesh)[0] is DeliveryState.COMPLETED, "a revision with the same plan changes nothing of it"
        await mesh.publish(PLAN.replace("calls: 20", "calls: 20, release: '3'"))
        await until(lambda: state_of(mesh)[1:3] == (1, 5.0), "another release begins again")


async def test_a_bad_release_goes_back_and_begins_again_when_somebody_says_so(tmp_path: Path) -> None:
    async with Mesh(tmp_path) as mesh:
        await mesh.publish(PLAN)
        feed(await watching(mesh, 1), calls(30, bad=15))
        await until(lambda: state_of(mesh)[0] is DeliveryState.ROLLED_BACK, "it goes back")
        assert state_of(mesh)[1:] == (1, 0.0, "15 of 30 calls of what is new failed, and 0 of 30 of the rest")
        await mesh.control.deliver("pay", DeliveryAction.RESUME, "ann")
        feed(await watching(mesh, 1), calls(10))
        await until(lambda: "10 calls of what is new and 10 of the rest" in state_of(mesh)[3], "old evidence is gone")
        paused = await mesh.control.deliver("pay", DeliveryAction.PAUSE, "ann", "lunch")
        assert (paused.share, paused.why) == (5.0, "lunch")
        with pytest.raises(ConfigError, match="no delivery of 'cart'"):
            await mesh.control.deliver("cart", DeliveryAction.PAUSE, "ann")


async def test_a_playbook_that_sets_weights_ends_it_and_its_inverse_knows_the_weights_of_then(tmp_path: Path) -> None:
    async with Mesh(tmp_path) as mesh:
        await mesh.publish(PLAN)
        await until(lambda: state_of(mesh)[2] == 5.0, "the first step begins by itself")
        before = await PolicySteering(lambda: mesh.control).set_weights("pay", {"v1": 1, "v2": 0}, "1/do")
        assert before == {"v1": 950, "v2": 50}
        await until(lambda: mesh.control.deliveries.states() == [], "nothing is delivered any more")


async def test_alerts_of_the_service_take_it_back(tmp_path: Path) -> None:
    firing = ""
    async with Mesh(tmp_path, alarms=lambda services, _since, _now: firing and f"{firing} of {services}") as mesh:
        await mesh.publish(PLAN)
        await watching(mesh, 1)
        firing = "QueueDeep"
        await until(lambda: state_of(mesh)[0] is DeliveryState.ROLLED_BACK, "it goes back")
        assert state_of(mesh)[3] == "QueueDeep of ['pay'] began to fire in step 1"
