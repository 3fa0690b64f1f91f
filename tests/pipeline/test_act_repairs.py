"""Repairs in stage 4: what starts them, and how they go on where the environment changes hands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from alerting.audit import verify
from telemetry.documents import Kind
from telemetry.errors import OverloadedError
from tests.pipeline.test_act import World, firing

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.documents import Body


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    await made.begin()
    return made


def trail(world: World) -> list[Body]:
    bodies = [document.body for (kind, _), document in world.store.documents.items() if kind is Kind.AUDIT]
    return sorted(bodies, key=lambda body: int(body["sequence"]))


async def sicken(world: World, service: str) -> None:
    """Let an alert of a service fire that takes a small share of the traffic."""
    traffic = world.alerting.runner.healer.traffic
    traffic.add(service, 10, world.time)
    traffic.add("web", 90, world.time)
    world.processes.sick.add(f"{service}/a")
    await world.alerting.runner.on_alert(firing(service, world.time))


async def test_an_action_that_ends_while_the_environment_is_let_go_is_saved_and_the_trail_goes_on(world: World) -> None:
    await world.seconds(2, 1.0)
    isolate, ends = world.alerting.runner.healer.actions["isolate"], asyncio.Event()
    run = isolate.run

    async def slowly(arguments: object, key: str) -> object:
        await ends.wait()
        return await run(arguments, key)

    isolate.run = slowly  # type: ignore[method-assign, assignment]
    await sicken(world, "db")
    await world.seconds(1, 1.0)
    letting_go = asyncio.create_task(world.stage.disown())
    for _ in range(5):
        await asyncio.sleep(0)
    ends.set()
    await letting_go
    before = len(trail(world))
    await world.begin()
    await world.seconds(20, 1.0)
    assert len(trail(world)) > before
    assert verify(trail(world)) == []
    assert world.processes.calls == [("isolate", "db/a"), ("restart", "db/a"), ("restore", "db/a")]


async def test_who_does_not_own_the_environment_publishes_nothing_of_it(world: World) -> None:
    await world.seconds(2, 1.0)
    await world.stage.disown()
    before = trail(world)
    with pytest.raises(OverloadedError):
        await world.alerting.runner.halt("ann")
    assert trail(world) == before
