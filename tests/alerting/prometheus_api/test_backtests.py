"""A backtest over HTTP says what `spanloom rules backtest` says, within its bounds, and ends with whoever asked."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest
import uvicorn
from click.testing import CliRunner
from starlette.applications import Starlette

from alerting.prometheus_api import backtests
from alerting.prometheus_api.backtests import BacktestCounts, Backtests
from alerting.prometheus_api.routes import PrometheusApi
from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from components.durations import HOUR
from spanloom import clock
from spanloom.commands.rules import rules
from spanloom.offline.history import LATENESS
from stores.samples.levels import DAY
from tests.alerting.stored_samples.test_history import START, World, points
from tests.services import free_port

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
    annotations: {summary: "{{ $labels.to }} is slow"}
  - alert: Reset
    expr: resets(sent_total[3h]) > 0
"""
HOURS = 8
SINCE, UNTIL = START + 4 * HOUR, START + HOURS * HOUR


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "samples.duckdb")
    await made.feed(sorted((point for number in range(2) for point in points(number, HOURS)), key=lambda point: point.time))
    yield made
    await made.store.close()


@asynccontextmanager
async def served(world: World, file: str, counts: BacktestCounts) -> AsyncIterator[str]:
    """The backtests and what the command reads, over HTTP: the address."""
    engine = AlertEngine(parse_rules(RULES, file), world.samples, stored_for=DAY)
    asked = (lambda: {"default": engine}), (lambda: {"default": world.history}), (lambda: world.samples.newest)
    engines, histories, now = asked
    made = Backtests(engines, histories, now, LATENESS, counts)
    routes = [*made.routes(), *PrometheusApi(engines, now, "test", histories).routes()]
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=port, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not serving.done()
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


def question(**changed: str | int) -> dict[str, str | int]:
    asked: dict[str, str | int] = {"environment": "default", "group": "sent", "file": "r.yml", "rule": "Slow"}
    asked |= {"since": SINCE, "until": UNTIL}
    return asked | changed


@pytest.mark.parametrize("alert", ["Slow", "Reset"])
async def test_it_says_what_the_command_says(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alert: str) -> None:
    file = tmp_path / "r.yml"
    file.write_text(RULES)
    monkeypatch.setattr(clock, "system", lambda: UNTIL)
    async with served(world, str(file), BacktestCounts()) as url:
        command = ["backtest", str(file), "--since", "4h", "--url", url, "--json"]
        said = await asyncio.to_thread(CliRunner().invoke, rules, command)
        assert said.exit_code == 0, said.output
        expected = [each for each in json.loads(said.stdout)["firings"] if each["alert"] == alert]
        assert expected
        async with httpx2.AsyncClient(base_url=url, timeout=120) as client:
            answer = await client.post(backtests.PATH, json=question(file=str(file), rule=alert))
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        assert data["firings"] == expected
        assert data["fired"] == len(expected)


@pytest.mark.parametrize(
    ("changed", "bound", "status", "reason"),
    [
        ({"rule": "Fast"}, None, 400, "no alerting rule 'Fast' in group 'sent'"),
        ({"rule": "sent:rate"}, None, 400, "no alerting rule"),
        ({"environment": "mars"}, None, 400, "environment 'mars' is not here"),
        ({"until": SINCE}, None, 400, "until is not after since"),
        ({"since": UNTIL - 32 * DAY}, None, 400, "the range is longer than"),
        ({"more": 1}, None, 400, "more: Extra inputs are not permitted"),
        ({}, ("MAX_EVALUATIONS", 10), 400, "480 evaluations, more than 10: choose less time"),
        ({}, ("MAX_POINTS", 10), 400, "more than 10 samples"),
        ({}, ("TIMEOUT", 0.0), 503, "the backtest took longer than 0 s"),
    ],
    ids=["rule", "recording", "environment", "no range", "long", "field", "evaluations", "samples", "time"],
)
async def test_what_is_asked_wrongly_or_too_large_is_refused(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str | int],
    bound: tuple[str, float] | None,
    status: int,
    reason: str,
) -> None:
    if bound:
        monkeypatch.setattr(backtests, *bound)
    counts = BacktestCounts()
    async with served(world, "r.yml", counts) as url, httpx2.AsyncClient(base_url=url, timeout=120) as client:
        answer = await client.post(backtests.PATH, json=question(**changed))
    assert answer.status_code == status
    assert reason in answer.json()["error"]
    assert (counts.asked, counts.refused, counts.ended_early) == ((1, 1, 0) if status == 400 else (1, 0, 1))


async def test_a_form_of_another_site_cannot_ask(world: World) -> None:
    async with served(world, "r.yml", BacktestCounts()) as url, httpx2.AsyncClient(base_url=url, timeout=120) as client:
        answer = await client.post(backtests.PATH, content=json.dumps(question()), headers={"content-type": "text/plain"})
    assert answer.status_code == 400
    assert "send JSON" in answer.json()["error"]


async def test_it_ends_when_whoever_asked_has_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def forever(*_: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(backtests, "_in_slices", forever)
    counts = BacktestCounts()
    async with served(world, "r.yml", counts) as url, httpx2.AsyncClient(base_url=url, timeout=120) as client:
        asking = asyncio.create_task(client.post(backtests.PATH, json=question()))
        await asyncio.wait_for(begun.wait(), 60)
        asking.cancel()
        await asyncio.wait_for(ended.wait(), 60)
    assert (counts.asked, counts.ended_early) == (1, 1)
