"""A revision that Envoy accepts and a service suffers from: the alert of that service takes it back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest

from tests.governance.mesh import Connection, Upstream, needs_envoy, running_envoy
from tests.services import free_port
from tests.system.processes import Up
from tests.system.test_alerting import PATIENCE, Queues, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

RULES = """
groups:
- name: queue
  interval: 1s
  rules:
  - {alert: QueueDeep, expr: max by (service_name) (queue_depth) > 10, labels: {service: "{{ $labels.service_name }}"}}
"""
SHOP = "services: [{name: cart, endpoints: [{address: 127.0.0.1, port: PORT}]}]"


async def test_a_revision_is_taken_back_when_an_alert_of_its_service_begins(tmp_path: Path) -> None:
    needs_envoy()
    (tmp_path / "rules.yml").write_text(RULES)
    up = Up(
        tmp_path,
        SPANLOOM_ALERTING__RULES=orjson.dumps([str(tmp_path / "rules.yml")]).decode(),
        SPANLOOM_CONTROL__PORT=str(xds := free_port()),
        SPANLOOM_CONTROL__ROLLOUT=orjson.dumps({"waves": [{"soak_seconds": 3600}]}).decode(),
        SPANLOOM_ACT__IDLE="1",
    )
    queues = Queues(up)
    up.start()
    await asyncio.to_thread(up.wait_ready)
    reporting = asyncio.create_task(queues.report())
    try:
        async with Upstream("v1") as one, Upstream("v2") as two:
            await _pushed_and_taken_back(up, queues, xds, one.port, two.port)
    finally:
        reporting.cancel()
        await asyncio.to_thread(up.stop)


async def _pushed_and_taken_back(up: Up, queues: Queues, xds: int, good: int, bad: int) -> None:
    def shown() -> str:
        return f"{fleet()}\n{(up.folder / 'up.log').read_text()[-3000:]}"

    def fleet() -> Any:
        return httpx2.get(f"{up.console}/api/v1/fleet", headers=up.proof, timeout=30).json()

    def push(port: int) -> None:
        text = SHOP.replace("PORT", str(port))
        httpx2.post(f"{up.console}/api/v1/policies", content=text, headers=up.proof, timeout=60).raise_for_status()

    push(good)  # to a fleet of nobody
    await until(lambda: fleet()["stable"] == "1", shown)
    port = free_port()
    async with running_envoy(up.folder, "front-1", "front", xds, outbound=port):
        await until(lambda: [each["revision"] for each in fleet()["agents"]] == ["1"], shown)
        async with Connection(port) as kept:
            assert await kept.get("cart") == (200, "v1")
            push(bad)
            await until(lambda: [each["revision"] for each in fleet()["agents"]] == ["2"], shown)
            assert await kept.get("cart") == (200, "v2")
            queues.depths["mail"] = 50.0  # of another service: nothing of the revision's
            queues.depths["cart"] = 50.0
            await until(lambda: fleet()["rollout"]["state"] == "rolled-back", shown, 2 * PATIENCE)
            assert fleet()["rollout"]["why"] == "since wave 1 there fires QueueDeep of cart"
            await until(lambda: [each["revision"] for each in fleet()["agents"]] == ["1"], shown)
            assert await kept.get("cart") == (200, "v1")
