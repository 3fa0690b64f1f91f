"""The loop closes: alerts take a revision back that Envoy accepted, and a playbook moves traffic through the control plane."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest

from spanloom import clock
from telemetry import otlp
from tests.generated import traces
from tests.governance.mesh import Connection, Upstream, needs_envoy, running_envoy
from tests.services import free_port
from tests.system.exactness import QUICK
from tests.system.processes import Up
from tests.system.test_alerting import PATIENCE, Queues, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

RULES = """
groups:
- name: queue
  interval: 1s
  rules:
  - {alert: QueueDeep, expr: max by (service_name) (queue_depth) > 10, labels: {service: "{{ $labels.service_name }}"}}
"""
PLAYBOOKS = """
playbooks:
- name: back-to-v1
  description: Move calls to the release before
  trigger: {alert: ['alertname="QueueDeep"']}
  event: service-degraded
  target: {service: $service}
  approve: automatic
  cooldown: 2m
  steps:
  - name: move
    action: migrate
    with: {service: $service, source: v2, to: v1}
    timeout: 60s
    inverse: {action: route-weights, with: {service: $service, weights: $result_weights}}
  verify: {expr: 'max(queue_depth{service_name="$service"}) < 10', for: 2s, within: 1m}
"""
CANARY = """
services:
- name: cart
  endpoints:
  - {address: 127.0.0.1, port: V1, labels: {version: v1}}
  - {address: 127.0.0.1, port: V2, labels: {version: v2}}
routes: [{name: cart, service: cart, rules: [{to: [{labels: {version: v2}}]}]}]
"""
SHOP = "services: [{name: cart, endpoints: [{address: 127.0.0.1, port: PORT}]}]"


class Shop:
    """`spanloom up` with services that tell the depth of their queues, two versions of one, and Envoy before a caller."""

    def __init__(self, up: Up, xds: int) -> None:
        self.up, self.queues, self.outbound, self._xds = up, Queues(up), free_port(), xds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The process, reporting."""
        self.up.start()
        await asyncio.to_thread(self.up.wait_ready)
        reporting = [asyncio.create_task(each) for each in (self.queues.report(), self.traffic())]
        try:
            yield
        finally:
            for each in reporting:
                each.cancel()
            await asyncio.to_thread(self.up.stop)

    async def traffic(self) -> None:
        """Requests of users, until cancelled: what a repair may touch is known from the calls that there are."""
        async with httpx2.AsyncClient() as client:
            for number, spans in enumerate(traces(100_000)):
                shift = clock.system() - spans[-1].end
                moved = [replace(span, start=span.start + shift, end=span.end + shift) for span in spans]
                with contextlib.suppress(httpx2.HTTPError):
                    headers = {"content-type": "application/x-protobuf"}
                    await client.post(f"{self.up.otlp}/v1/traces", content=otlp.encode_spans(moved), headers=headers)
                await asyncio.sleep(0.2 if number else 0.0)

    @asynccontextmanager
    async def calling(self, revision: str) -> AsyncIterator[Connection]:
        """A connection of the caller, kept open, once Envoy has the revision."""
        async with running_envoy(self.up.folder, "front-1", "front", self._xds, outbound=self.outbound):
            await self.until_revision(revision)
            async with Connection(self.outbound) as kept:
                yield kept

    def fleet(self) -> Any:
        """What the control plane says."""
        return httpx2.get(f"{self.up.console}/api/v1/fleet", headers=self.up.proof, timeout=30).json()

    def push(self, text: str) -> None:
        """A revision."""
        url = f"{self.up.console}/api/v1/policies"
        httpx2.post(url, content=text, headers=self.up.proof, timeout=60).raise_for_status()

    async def until_revision(self, revision: str) -> None:
        """Envoy has it."""
        await until(lambda: [each["revision"] for each in self.fleet()["agents"]] == [revision], self.shown)

    def shown(self) -> str:
        """For a person, of a test that failed."""
        return f"{self.fleet()}\n{(self.up.folder / 'up.log').read_text()[-3000:]}"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    needs_envoy()
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "playbooks.yml").write_text(PLAYBOOKS)
    xds = free_port()
    up = Up(
        tmp_path,
        SPANLOOM_ALERTING__RULES=orjson.dumps([str(tmp_path / "rules.yml")]).decode(),
        SPANLOOM_CONTROL__PORT=str(xds),
        SPANLOOM_CONTROL__ROLLOUT=orjson.dumps({"waves": [{"soak_seconds": 3600}]}).decode(),
        **QUICK,
        SPANLOOM_ACT__IDLE="1",
    )
    return Shop(up, xds)


async def test_a_revision_is_taken_back_when_an_alert_of_its_service_begins(shop: Shop) -> None:
    async with shop.running(), Upstream("v1") as one, Upstream("v2") as two:
        shop.push(SHOP.replace("PORT", str(one.port)))  # to a fleet of nobody
        await until(lambda: shop.fleet()["stable"] == "1", shop.shown)
        async with shop.calling("1") as kept:
            assert await kept.get("cart") == (200, "v1")
            shop.push(SHOP.replace("PORT", str(two.port)))
            await shop.until_revision("2")
            assert await kept.get("cart") == (200, "v2")
            shop.queues.depths["mail"] = 50.0  # of another service: nothing of the revision's
            shop.queues.depths["cart"] = 50.0
            await until(lambda: shop.fleet()["rollout"]["state"] == "rolled-back", shop.shown, 2 * PATIENCE)
            assert shop.fleet()["rollout"]["why"] == "since wave 1 there fires QueueDeep of cart"
            await shop.until_revision("1")
            assert await kept.get("cart") == (200, "v1")


async def test_a_playbook_moves_the_calls_of_a_service_and_telemetry_proves_it(shop: Shop, tmp_path: Path) -> None:
    shop.up.environment["SPANLOOM_ALERTING__PLAYBOOKS"] = orjson.dumps([str(tmp_path / "playbooks.yml")]).decode()
    async with shop.running(), Upstream("v1") as one, Upstream("v2") as two:
        shop.push(CANARY.replace("V1", str(one.port)).replace("V2", str(two.port)))
        await until(lambda: shop.fleet()["stable"] == "1", shop.shown)
        async with shop.calling("1") as kept:
            assert await kept.get("cart") == (200, "v2")
            shop.queues.depths["cart"] = 50.0
            await until(lambda: shop.fleet()["stable"] == "2", shop.shown, 2 * PATIENCE)
            await shop.until_revision("2")
            assert await kept.get("cart") == (200, "v1")
            shop.queues.depths["cart"] = 1.0  # as the release before behaves
            await until(lambda: "closed" in states(shop), shop.shown, 2 * PATIENCE)


def states(shop: Shop) -> list[str]:
    """Of the repairs, the states that were stored."""
    url = f"{shop.up.console}/api/v1/find"
    found = httpx2.get(url, params={"kind": "incident", "limit": 100}, headers=shop.up.proof, timeout=30).json()
    return [body["state"] for body in found]
