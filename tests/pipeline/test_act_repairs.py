"""Repairs in stage 4: what starts them, and how they go on where the environment changes hands."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.acting import environment
from pipeline.agents import act_on_signals
from pipeline.exchange.codec import BatchKind
from telemetry import otlp
from telemetry.audit import verify
from telemetry.documents import Kind
from telemetry.errors import OverloadedError
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind
from tests.alerting.playbooks.world import PLAYBOOK
from tests.pipeline.test_act import SECOND, World, firing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
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


def send_spans(world: World, service: str, *instances: str) -> None:
    spans = [
        Span(bytes([number] * 16), bytes([number] * 8), b"", "get", SpanKind.SERVER, world.time - SECOND, world.time, resource)
        for number, instance in enumerate(instances, 1)
        for resource in [Resource({"service.name": service, "service.instance.id": instance})]
    ]
    world.feed(BatchKind.SPANS, otlp.encode_spans(spans))


def sicken(world: World, service: str) -> None:
    """A service that takes a small share of the traffic needs a repair."""
    send_spans(world, service, "a")
    traffic = world.alerting.runner.healer.traffic
    traffic.add(service, 10, world.time)
    traffic.add("web", 90, world.time)
    world.processes.sick.add(f"{service}/a")


async def test_an_action_that_ends_while_the_environment_is_let_go_is_saved_and_the_trail_goes_on(world: World) -> None:
    await world.seconds(2, 1.0)
    isolate, ends = world.alerting.runner.healer.actions["isolate"], asyncio.Event()
    run = isolate.run

    async def slowly(arguments: object, key: str) -> object:
        await ends.wait()
        return await run(arguments, key)

    isolate.run = slowly  # type: ignore[method-assign, assignment]
    sicken(world, "db")
    await world.alerting.runner.on_alert(firing("db", world.time))
    await world.seconds(1, 1.0)
    letting_go = asyncio.create_task(world.stage.release())
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
    alerting = world.alerting
    await world.stage.release()
    before = trail(world)
    with pytest.raises(OverloadedError):
        await alerting.runner.halt("ann")
    assert trail(world) == before


ON_ANOMALIES = PLAYBOOK.replace("alert: ['severity=\"critical\"']", "anomaly: ['kind=\"errors\"', 'service=\"db\"']").replace(
    "/$instance", "/a"
)


async def test_an_anomaly_sets_off_the_playbook_that_it_triggers_and_not_again_when_a_crash_has_it_read_again(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, plan=ON_ANOMALIES)
    await world.begin()
    await world.seconds(2, 1.0)
    sicken(world, "db")
    world.anomaly("web", world.time)
    world.anomaly("db", world.time)
    await world.seconds(90, 1.0)
    assert [verb for verb, _ in world.processes.calls] == ["isolate", "restart", "restore"]
    await world.crash()
    assert not world.log[3].acked, "it is read again, and the cooldown is over"
    await world.begin()
    sicken(world, "db")
    await world.seconds(10, 1.0)
    assert len(world.processes.calls) == 3
    world.anomaly("db", world.time)
    await world.seconds(10, 1.0)
    assert len(world.processes.calls) == 6


async def test_a_repair_of_a_whole_service_touches_as_many_instances_as_send_spans(tmp_path: Path) -> None:
    world = World(tmp_path, plan=ON_ANOMALIES)
    await world.begin()
    await world.seconds(2, 1.0)
    sicken(world, "db")
    send_spans(world, "db", "a", "b", "c")
    world.anomaly("db", world.time)
    await world.seconds(10, 1.0)
    (refused,) = [body["data"]["text"] for body in trail(world) if body["event"] == "refused"]
    assert "it would touch 3 instances" in refused
    assert not world.processes.calls


async def test_anomalies_that_playbooks_answer_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "MAX_ANOMALIES", 1)
    world = World(tmp_path, plan=ON_ANOMALIES)
    await world.begin()
    await world.seconds(2, 1.0)
    for second in range(3):
        world.anomaly("db", world.time + second * SECOND)
    assert world.stage.dropped["repair_anomalies"] == 2


async def test_a_cancellation_of_something_else_ends_the_stage_loudly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks: list[Callable[[], Awaitable[None]]] = []
    app: Any = SimpleNamespace(
        agent=lambda *_, **__: lambda function: function,
        on_rebalance_complete=SimpleNamespace(connect=lambda function: function),
        task=tasks.append,
    )
    topic: Any = None
    dead: Any = None
    act_on_signals(app, topic, world.stage, world.offsets, dead)
    cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    cancelled.cancel()
    monkeypatch.setattr(world.stage, "tick", lambda: cancelled)
    with pytest.raises(AssertionError, match="cancelled by somebody else"):
        await tasks[0]()
    passing = asyncio.ensure_future(tasks[0]())
    await asyncio.sleep(0)
    passing.cancel()
    await passing  # its own end is none of an error
