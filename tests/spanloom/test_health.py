from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from components.http.health import Health
from spanloom import health as module
from spanloom.health import Watched, add_pipeline, watch_log, watch_store
from spanloom.probes import build_probes
from telemetry.errors import StoreError
from tests.pipeline.parts import MemoryStore

if TYPE_CHECKING:
    from stores.store import Query


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.001)


class Flaky(MemoryStore):
    """A store that answers or not."""

    away = False

    async def count(self, query: Query) -> int:
        if self.away:
            raise StoreError("connection refused by 10.1.2.3")
        return await super().count(query)


async def until(watched: Watched, *, answers: bool) -> None:
    async with asyncio.timeout(30):
        while watched.answers is not answers:  # noqa: ASYNC110 - it looks now and then and tells nobody
            await asyncio.sleep(0.001)


async def test_a_store_that_goes_and_comes_back_makes_the_process_not_ready_and_ready_and_strangers_learn_no_address() -> None:
    health, store = Health(), Flaky()
    watched = watch_store(health, store)
    looking = asyncio.create_task(watched.run())
    transport = httpx2.ASGITransport(build_probes(dict, CollectorRegistry(), (), health))
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        assert (await client.get("/readyz")).json() == {"status": "ok", "reasons": []}
        store.away = True
        await until(watched, answers=False)
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"status": "failed", "reasons": ["the store does not answer"]})
        assert (await client.get("/healthz")).status_code == (await client.get("/-/healthy")).status_code == 200
        assert (await client.get("/-/ready")).status_code == 503
        store.away = False
        await until(watched, answers=True)
        assert (await client.get("/readyz")).status_code == 200
    looking.cancel()


async def test_a_log_that_hangs_is_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.01)

    async def hang() -> None:
        await asyncio.Event().wait()

    health = Health()
    log: Any = SimpleNamespace(check_access=hang, app=SimpleNamespace(crashed=None))
    looking = asyncio.create_task((watched := watch_log(health, log)).run())
    await until(watched, answers=False)
    assert health.readyz().body["reasons"] == ["the log does not answer"]
    log.app.crashed = RuntimeError()
    assert health.healthz() == (503, {"status": "failed", "reasons": ["a stage has crashed"]})
    looking.cancel()


def test_stages_are_ready_when_they_have_joined_and_nothing_stands_still() -> None:
    pipeline: Any = SimpleNamespace(
        joined=False,
        writer=SimpleNamespace(availability=SimpleNamespace(down="away"), refused_waiting={"log": 1}),
        dead=SimpleNamespace(paused={1: 2}),
        stalls=SimpleNamespace(stalled={1: 2}),
    )
    health = Health()
    add_pipeline(health, pipeline)
    assert health.readyz().body["reasons"] == [module.UNASSIGNED, module.STORE, module.PAUSED, module.REFUSED, module.STALLED]
    pipeline.writer.refused_waiting.clear()
    pipeline.joined, pipeline.writer.availability.down = True, ""
    pipeline.dead.paused.clear()
    pipeline.stalls.stalled.clear()
    assert health.readyz().status == 200
