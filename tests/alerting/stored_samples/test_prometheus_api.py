"""Prometheus' HTTP API answers over the store: as over the samples themselves, and says so where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette

from alerting.prometheus_api.routes import PrometheusApi
from alerting.rules.engine import AlertEngine
from alerting.rules.samples import Limits, Samples
from components.durations import HOUR, MINUTE, SECOND
from stores.samples.levels import DAY, Level
from stores.samples.store import SampleLimits
from telemetry.metrics import Point, Series
from tests.alerting.stored_samples.test_history import START, World, points

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEPT = {Level.RAW: 3 * HOUR, Level.SECONDS: 3 * HOUR, Level.MINUTE: 15 * DAY, Level.HOUR: 400 * DAY}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "samples.duckdb", SampleLimits(kept=KEPT))
    await made.feed(sorted((point for number in range(2) for point in points(number, 8)), key=lambda point: point.time))
    await made.store.retain(made.samples.newest)
    yield made
    await made.store.close()


async def ask(world: World, path: str, *, everything: bool = False, **parameters: Any) -> Any:
    """What the API says; `everything`: over all samples in memory, without a store."""
    engine = AlertEngine(samples=world.all if everything else world.samples)
    histories = {} if everything else {"default": world.history}
    api = PrometheusApi(lambda: {"default": engine}, lambda: world.samples.newest, "1", lambda: histories)
    transport = httpx2.ASGITransport(app=Starlette(routes=api.routes()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        return (await client.get(f"/prometheus/api/v1/{path}", params=parameters)).json()


async def test_a_range_of_recent_hours_is_answered_from_the_samples(world: World) -> None:
    end = world.samples.newest // SECOND
    over: dict[str, Any] = {"query": "sum by (to) (rate(sent_total[5m]))", "start": end - 2 * 3600, "end": end, "step": 60}
    found = await ask(world, "query_range", **over)
    assert found == await ask(world, "query_range", everything=True, **over)
    assert len(found["data"]["result"]) == 2


@pytest.mark.parametrize("query", ["unheard_of", "sum(rate(unheard_of[5m]))", "sent_total offset -5h"])
async def test_series_without_a_stored_sample_in_the_range_are_no_error(world: World, query: str) -> None:
    end = world.samples.newest // SECOND
    over: dict[str, Any] = {"query": query, "start": end - 2 * 3600, "end": end, "step": 60}
    found = await ask(world, "query_range", **over)
    assert (found["status"], found["data"]["result"]) == ("success", [])


async def test_a_range_of_all_that_is_kept_is_answered_from_rollups_with_a_warning(world: World) -> None:
    first, last = START // SECOND + 3600, START // SECOND + 7 * 3600
    over: dict[str, Any] = {"query": "increase(sent_total[10m])", "start": first, "end": last, "step": 600}
    found, exact = await ask(world, "query_range", **over), await ask(world, "query_range", everything=True, **over)
    assert "rollups of 1m" in found["warnings"][0]
    for ours, theirs in zip(found["data"]["result"], exact["data"]["result"], strict=True):
        assert ours["metric"] == theirs["metric"]
        assert [time for time, _ in ours["values"]] == [time for time, _ in theirs["values"]]
        assert [float(value) for _, value in ours["values"]] == pytest.approx([float(value) for _, value in theirs["values"]])


async def test_series_that_are_long_gone_are_listed(world: World) -> None:
    world.samples.evict(2**62)
    matching: dict[str, Any] = {"match[]": "sent_total", "start": START // SECOND}
    found = await ask(world, "series", **matching)
    assert [each["to"] for each in found["data"]] == ["t0", "t1"]
    assert (await ask(world, "label/to/values", start=START // SECOND))["data"] == ["t0", "t1"]


async def test_before_what_is_kept_there_is_nothing_and_a_store_that_is_away_is_an_error(world: World) -> None:
    old = (world.samples.newest - 401 * DAY) // SECOND
    assert (await ask(world, "query", query="sent_total", time=old))["data"]["result"] == []
    over: dict[str, Any] = {"query": "sent_total", "start": old, "end": world.samples.newest // SECOND, "step": 400_000}
    assert (await ask(world, "query_range", **over))["data"]["result"] == []
    await world.store.close()
    found = await ask(world, "query", query="sent_total", time=(world.samples.newest - 30 * MINUTE) // SECOND)
    assert found["errorType"] == "unavailable"


async def test_answers_say_whose_series_they_lack(world: World) -> None:
    world.samples.limits = Limits(series_per_sender=1)
    flood = [Point(Series("hits", (("job", "flood"), ("user", f"u{i}"))), world.samples.newest, 1.0) for i in range(3)]
    world.samples.add(flood)
    found = await ask(world, "query", query="count(hits)")
    assert found["data"]["result"][0]["value"][1] == "1"
    assert ['"flood"' in text for text in found["warnings"]] == [True]
    assert (await ask(world, "labels"))["warnings"] == found["warnings"]


async def test_metadata_says_what_kind_of_metric_each_is() -> None:
    named = [
        ("hits_total", (), True), ("rooms", (), False), ("took_bucket", (("le", "+Inf"),), True), ("took_count", (), True),
        ("took_sum", (), True), ("age", (("quantile", "0.5"),), False), ("age_sum", (), True), ("age_count", (), True),
        ("edge_bucket", (("le", "1"),), False), ("edge_sum", (), False),
    ]  # fmt: skip
    samples = Samples()
    samples.add([Point(Series(name, labels, total), START, 1.0) for name, labels, total in named])
    samples.append((("__name__", "recorded"),), START, 1.0)
    api = PrometheusApi(lambda: {"default": AlertEngine(samples=samples)}, lambda: START, "1")
    transport = httpx2.ASGITransport(app=Starlette(routes=api.routes()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        found = (await client.get("/prometheus/api/v1/metadata")).json()["data"]
    assert {name: each["type"] for name, (each,) in found.items()} == {
        "hits_total": "counter", "rooms": "gauge", "took": "histogram", "age": "summary", "edge": "gaugehistogram",
        "recorded": "unknown",
    }  # fmt: skip
