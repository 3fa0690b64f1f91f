"""What the recipes of CONTRIBUTING.md add works; run by recipes.py, which has added it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import httpx2
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from alerting.playbooks.actions.build import build_actions
from collectors.metrics import CollectorMetrics
from pipeline.exchange import codec
from pipeline.exchange.codec import BatchKind
from spanloom import components
from spanloom.commands.components import components as command
from spanloom.config import load_config
from spanloom.reference.components import page as reference_page
from telemetry import otlp
from telemetry.metrics import Point, Series
from tests.alerting.notify.test_receivers import FIRING
from tests.collectors.conftest import FakeLog
from tests.contracts.test_notifiers import Place, made
from tests.contracts.test_receivers import receiving
from tests.pipeline.test_score import SECOND, START, World

if TYPE_CHECKING:
    from pathlib import Path

    from alerting.playbooks.actions.action import Action


def shown() -> None:
    """All of it is in the command, in the reference and in the configuration."""
    settings = load_config().model_dump()
    assert settings["lines_http"]["port"] == 4319
    assert settings["score"]["flatline"] == {"enabled": True, "min_score": 0.8, "values": 30}
    assert settings["alerting"]["actions"]["flag"] is None
    os.environ["SPANLOOM_LINES_HTTP"] = "0.0.0.0:5000"
    assert load_config().model_dump()["lines_http"]["port"] == 5000
    del os.environ["SPANLOOM_LINES_HTTP"]
    page = reference_page()
    for name in ("ntfy", "flatline", "lines_http", "flag"):
        done = CliRunner().invoke(command, ["show", name])
        assert done.exit_code == 0, done.output
        assert f"### {name}\n" in page


async def notifies() -> None:
    """A receivers file names it, and what fires arrives."""
    place = Place()
    async with place.open() as (http, _), made("ntfy", {"url": f"http://{http}/shop"}) as notifier:
        await notifier.send(FIRING)
    assert place.posted == [b"[FIRING:2] Slow (critical)"]


async def detects() -> None:
    """The stage feeds it, stores what it finds, and keeps what it learnt over a restart."""
    world = World(series={"enabled": False})
    for second in range(230):
        if second == 190:
            world.restart()
        world.time = START + second * SECOND
        points = [Point(Series("depth", (("service", "pay"),)), world.time, float(min(second, 170)))]
        await world.take(BatchKind.POINTS, codec.encode_points(points))
    (found,) = (document.body for document in world.stored.values())
    assert found["why"] == "30 equal values in a row, where there were others before"


async def receives() -> None:
    """Lines become log records on the log; what is no text is refused with the reason."""
    log, registry = FakeLog(), CollectorRegistry()
    async with receiving("lines_http", log, CollectorMetrics(registry)) as port, httpx2.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}/lines?service=pay"
        assert (await client.post(url, content=b"one\ntwo\n")).status_code == 204
        refused = await client.post(url, content=b"\xff")
        assert (refused.status_code, "lines are UTF-8" in refused.text) == (400, True)
        assert (await client.post(url, content=b"x" * 300_000)).status_code == 413
    ((topic, value),) = log.records
    records = otlp.decode_logs(value)
    assert (topic, [(one.body, one.resource.service) for one in records]) == ("otlp_logs", [("one", "pay"), ("two", "pay")])
    labels = {"signal": "logs", "transport": "lines_http"}
    assert registry.get_sample_value("spanloom_collector_accepted_items_total", labels) == 2


async def acts(folder: Path) -> None:
    """Without its section there is none; with it the flag is set, and the value before comes back."""
    (folder / "flags").mkdir()
    file = folder / "spanloom.json"
    file.write_text(json.dumps({"alerting": {"actions": {"flag": {"folder": str(folder / "flags")}}}}))

    def built(**named: Any) -> dict[str, Action]:
        return build_actions(components.ACTIONS, components.RUNNERS, load_config(**named).alerting.actions)

    assert "flag" not in built()
    flag = built(path=file)["flag"]
    for value, before in (("on", ""), ("off", "on")):
        assert await flag.run(flag.arguments.model_validate({"flag": "cart", "value": value}), "i1/step/do") == {
            "value": before
        }


async def check(folder: Path) -> None:
    """All of it."""
    shown()
    await notifies()
    await detects()
    await receives()
    await acts(folder)
