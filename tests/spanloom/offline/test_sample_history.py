"""A backtest over the store of samples says what one over all samples says, further back than memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from alerting.rules.backtest import backtest
from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from alerting.rules.samples import Limits
from components.durations import HOUR, SECOND
from spanloom.api_client import ApiClient, ApiError
from spanloom.offline import sample_history
from spanloom.offline.sample_history import sample_points
from stores.samples.levels import DAY, Level
from stores.samples.store import SampleLimits
from telemetry.errors import InputError
from tests.alerting.stored_samples.test_history import START, UNLIMITED, World, points
from tests.interop.test_remote_read import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RULES = """
groups:
- name: sent
  interval: 1m
  rules:
  - record: sent:rate
    expr: sum by (to) (rate(sent_total[5m]))
  - alert: Slow
    expr: sent:rate < 0.07
    for: 2m
  - alert: Reset
    expr: resets(sent_total[3h]) > 1
"""
HOURS = 12


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "samples.duckdb")
    await made.feed(sorted((point for number in range(2) for point in points(number, HOURS)), key=lambda point: point.time))
    yield made
    await made.store.close()


async def test_over_raw_samples_it_says_what_the_rules_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = parse_rules(RULES, "r.yml")
    AlertEngine(stored_for=DAY).check(groups)
    since, until = START + 4 * HOUR, START + HOURS * HOUR
    exact = [point for number in range(2) for point in points(number, HOURS)]
    everything = [replace(point, time=point.time // 10**6 * 10**6) for point in exact]  # remote read has milliseconds
    expected = backtest(groups, everything, UNLIMITED, since=since)
    assert len(expected.firings) > 3
    monkeypatch.setattr("alerting.prometheus_api.remote_read.MAX_SAMPLES", 2000)  # it asks for less at once
    async with served(world) as url, ApiClient(url.removesuffix("/prometheus")) as pipeline:
        found, notes = await sample_points(pipeline, groups, since, until)
        assert notes == []
        assert sorted((p.series.label("to"), p.time // 10**6) for p in found) == sorted(
            (p.series.label("to"), p.time // 10**6) for p in everything if p.time >= since - 3 * HOUR - 300 * SECOND
        )
        result = backtest(groups, found, Limits(retention=4 * HOUR), since=since)
        assert [(each.alert, each.labels, each.fired_at, each.resolved_at) for each in result.firings] == [
            (each.alert, each.labels, each.fired_at, each.resolved_at) for each in expected.firings
        ]
        monkeypatch.setattr(sample_history, "MAX_POINTS", 10)
        with pytest.raises(InputError, match="more than 10 samples"):
            await sample_points(pipeline, groups, since, until)
        monkeypatch.setattr("alerting.prometheus_api.remote_read.MAX_SAMPLES", 1)
        with pytest.raises(ApiError, match="422"):
            await sample_points(pipeline, groups, since, until)


async def test_where_rollups_answer_it_says_so(tmp_path: Path) -> None:
    kept = {Level.RAW: 3 * HOUR, Level.SECONDS: 3 * HOUR, Level.MINUTE: 15 * DAY, Level.HOUR: 400 * DAY}
    world = World(tmp_path / "samples.duckdb", SampleLimits(kept=kept))
    await world.feed(points(0, HOURS))
    async with served(world) as url, ApiClient(url.removesuffix("/prometheus")) as pipeline:
        found, notes = await sample_points(pipeline, parse_rules(RULES, "r.yml"), START + 4 * HOUR, START + 6 * HOUR)
    assert len(found) > 100
    assert len(notes) == 1
    assert "rollups of 1m" in notes[0]
    await world.store.close()
