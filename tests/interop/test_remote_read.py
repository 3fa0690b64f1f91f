"""A real Prometheus without data of its own reads ours, and answers as we do over the samples themselves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import cramjam
import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette

from alerting.prometheus_api.routes import PrometheusApi
from alerting.rules.engine import AlertEngine
from components.durations import SECOND
from tests.alerting.stored_samples.test_history import START, World, points
from tests.interop.test_prometheus import PROMETHEUS, PROMTOOL, running
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOURS = 6


@asynccontextmanager
async def served(world: World, *, everything: bool = False) -> AsyncIterator[str]:
    """The API over a store and memory, or over all samples in memory."""
    engine = AlertEngine(samples=world.all if everything else world.samples)
    histories = {} if everything else {"default": world.history}
    api = PrometheusApi(lambda: {"default": engine}, lambda: world.samples.newest, "test", lambda: histories)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=api.routes()), port=port, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not serving.done()
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}/prometheus"
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "samples.duckdb")
    await made.feed(sorted((point for number in range(3) for point in points(number, HOURS)), key=lambda point: point.time))
    yield made
    await made.store.close()


async def ask(url: str, **query: Any) -> dict[str, list[tuple[float, object]]]:
    async with httpx2.AsyncClient(timeout=60) as client:
        answer = (await client.get(f"{url}/api/v1/query_range", params=query)).json()
    assert answer["status"] == "success", answer
    return {
        one["metric"]["to"]: [(at, pytest.approx(float(value), rel=1e-9)) for at, value in one["values"]]
        for one in answer["data"]["result"]
    }


@pytest.mark.system
@pytest.mark.skipif(not (PROMETHEUS and PROMTOOL), reason="no prometheus and promtool on the PATH (Debian: prometheus)")
async def test_a_prometheus_answers_over_our_samples(tmp_path: Path, world: World) -> None:
    (home := tmp_path / "prometheus").mkdir()
    first, last = START // SECOND + 600 + 7.35, START // SECOND + HOURS * 3600 - 30
    async with served(world) as ours, served(world, everything=True) as exact:
        config = f"remote_read: [{{url: '{ours}/api/v1/read', read_recent: true}}]\n"
        ready = running(home, config)
        theirs = await asyncio.to_thread(ready.__enter__)
        try:
            for query in ("sent_total", "rate(sent_total[5m])", 'sum by (to) (sent_total{to=~"t[12]"})'):
                over = {"query": query, "start": first, "end": last, "step": 97}
                found = await ask(theirs, **over)
                assert found == await ask(exact, **over), query
                assert len(found) >= 2
        finally:
            await asyncio.to_thread(ready.__exit__, None, None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing of the kind",
        bytes(cramjam.snappy.compress_raw(b"\xff\xff")),
        b"\xff\xff\xff\xff\x0f" + b"x" * 100,
        bytes(cramjam.snappy.compress_raw(b"\x0a\x00" * 17)),
        bytes(cramjam.snappy.compress_raw(b"\x0a\x08\x10\x01\x1a\x04\x08\x09\x12\x00")),
        bytes(cramjam.snappy.compress_raw(b"\x0a\x11\x10\x01\x1a\x0d\x08" + b"\xff" * 9 + b"\x01\x12\x00")),  # the type -1
    ],
)
async def test_what_is_no_such_request_is_refused(world: World, body: bytes) -> None:
    async with served(world) as ours, httpx2.AsyncClient(timeout=60) as client:
        answer = await client.post(f"{ours}/api/v1/read", content=body)
    assert answer.status_code == 400, answer.text


async def test_what_is_too_much_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerting.prometheus_api.remote_read.MAX_SAMPLES", 10)
    query = b"\x10" + _varint(2**52) + b"\x1a\x16\x12\x08__name__\x1a\x0asent_total"
    body = bytes(cramjam.snappy.compress_raw(b"\x0a" + _varint(len(query)) + query))
    async with served(world) as ours, httpx2.AsyncClient(timeout=60) as client:
        answer = await client.post(f"{ours}/api/v1/read", content=body)
    assert answer.status_code == 422, answer.text
    assert "more than" in answer.text


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes((*made, number))
