"""What rules go by where no telemetry comes: the clock, once all there is has been read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.acting.environment import BEHIND
from pipeline.exchange import codec
from pipeline.exchange.codec import BatchKind
from telemetry.metrics import Point, Series
from tests.pipeline.test_act import SECOND, START, World

if TYPE_CHECKING:
    from pathlib import Path

RULES = """
groups:
- name: watch
  interval: 5s
  rules:
  - {alert: Watchdog, expr: vector(1)}
  - {alert: NoQueue, expr: absent(queue_depth), for: 2m}
"""
DAY = 86_400 * SECOND


class Quiet(World):
    """A worker to which telemetry may come or not."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, RULES)
        self.is_read_to_end = True

    def stage_options(self) -> dict[str, Any]:
        return {"read_to_end": lambda: self.is_read_to_end}

    async def wait(self, seconds: int) -> None:
        """Without a record."""
        for _ in range(seconds):
            self.time += SECOND
            await self.stage.tick()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def alerts(self) -> dict[str, str]:
        return {alert.labels["alertname"]: alert.state.value for alert in self.engine.active()}

    def depth(self, at: int) -> None:
        self.feed(BatchKind.POINTS, codec.encode_points([Point(Series("queue_depth", ()), at, 1.0)]))


@pytest.fixture
async def quiet(tmp_path: Path) -> Quiet:
    made = Quiet(tmp_path)
    await made.begin()
    return made


async def test_a_watchdog_fires_where_no_telemetry_ever_came(quiet: Quiet) -> None:
    await quiet.wait(20)
    assert quiet.alerts() == {"Watchdog": "firing", "NoQueue": "pending"}
    await quiet.wait(125)
    assert quiet.alerts() == {"Watchdog": "firing", "NoQueue": "firing"}
    assert ("firing", ["Watchdog"]) in quiet.pager.got


async def test_rules_wait_for_what_a_broker_or_a_backlog_holds_back(quiet: Quiet) -> None:
    quiet.is_read_to_end = False
    await quiet.wait(60)
    assert quiet.alerts() == {}
    await quiet.seconds(5, 1.0)
    before = quiet.stage.environments["default"].rule_time
    await quiet.wait(600)
    assert quiet.stage.environments["default"].rule_time == before
    quiet.is_read_to_end = True
    await quiet.wait(1)
    assert quiet.stage.environments["default"].rule_time >= quiet.time - BEHIND


async def test_a_restart_in_a_silence_waits_a_minute_however_long_that_lasted(quiet: Quiet) -> None:
    await quiet.seconds(60, 1.0)
    assert quiet.alerts() == {"Watchdog": "firing"}
    await quiet.crash()
    quiet.time += DAY
    await quiet.begin()
    await quiet.wait(65)
    assert quiet.stage.environments["default"].rule_time == quiet.time - BEHIND
    assert quiet.alerts() == {"Watchdog": "firing", "NoQueue": "pending"}, (
        "nobody saw that the queue was silent while we were away"
    )
    await quiet.wait(130)
    assert quiet.alerts()["NoQueue"] == "firing"


async def test_telemetry_that_comes_after_a_silence_goes_on_where_the_clock_is(quiet: Quiet) -> None:
    await quiet.seconds(60, 1.0)
    await quiet.wait(600)
    assert quiet.alerts()["NoQueue"] == "firing"
    await quiet.seconds(60, 1.0)
    assert quiet.alerts() == {"Watchdog": "firing"}
    assert quiet.stage.environments["default"].rule_time == quiet.time


async def test_a_recording_is_judged_by_its_own_time_though_the_clock_has_begun(quiet: Quiet) -> None:
    await quiet.wait(60)
    recorded = START - 90 * DAY
    for second in range(30):
        quiet.depth(recorded + second * SECOND)
        await quiet.stage.tick()
    assert quiet.stage.environments["default"].rule_time == recorded + 29 * SECOND
    assert quiet.engine.health()[0].evaluated_at == recorded // (5 * SECOND) * 5 * SECOND + 25 * SECOND


async def test_a_recording_that_pauses_and_another_after_a_silence_are_judged_by_their_own_times(quiet: Quiet) -> None:
    recorded = START - 90 * DAY
    quiet.depth(recorded)
    await quiet.wait(50)
    assert quiet.stage.environments["default"].rule_time < recorded + DAY, "it may go on"
    await quiet.wait(60)
    assert quiet.stage.environments["default"].rule_time == quiet.time - BEHIND
    quiet.depth(recorded + 300 * SECOND)
    await quiet.stage.tick()
    assert quiet.stage.environments["default"].rule_time == recorded + 300 * SECOND
    assert quiet.engine.health()[0].evaluated_at == recorded + 300 * SECOND
