"""Chaos through the mesh: a fault that Envoy injects into one version is found, explained, avoided, and over in time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest

from spanloom import clock
from tests.agent.traffic import running
from tests.governance.mesh import Connection, Upstream, in_seconds, needs_envoy
from tests.services import free_port
from tests.system.exactness import QUICK
from tests.system.processes import Up
from tests.system.test_alerting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

RULES = """
groups:
- name: cart
  interval: 1s
  rules:
  - alert: CartFails
    expr: >-
      sum(rate(traces_service_graph_request_failed_total{server="cart"}[30s]))
      / sum(rate(traces_service_graph_request_total{server="cart"}[30s])) > 0.1
    labels: {service: cart}
"""
PLAYBOOKS = """
playbooks:
- name: away-from-v2
  description: Move calls to the other version
  trigger: {alert: ['alertname="CartFails"']}
  event: service-degraded
  target: {service: $service}
  approve: automatic
  cooldown: 1h
  steps:
  - name: move
    action: migrate
    with: {service: $service, source: v2, to: v1}
    timeout: 60s
    inverse: {action: route-weights, with: {service: $service, weights: $result_weights}}
  verify:
    expr: >-
      sum(rate(traces_service_graph_request_total{server="$service"}[30s])) > 0
      unless on () sum(rate(traces_service_graph_request_failed_total{server="$service"}[30s])) > 0
    for: 2s
    within: 3m
"""
ROUTES = """
routes: [{name: cart, service: cart, rules: [{to: [{labels: {version: v1}, weight: 50}, {labels: {version: v2}, weight: 50}]}]}]
"""
FAULT = """
faults:
- {name: chaos, service: cart, labels: {version: v2}, delay: {duration: 50ms}, abort: {status: 503, share: 70%}, until: UNTIL}
"""


HEALTHY_WINDOWS = 3


class Shop:
    """`spanloom up`, an agent beside each of two versions of `cart` and beside `front`, and the calls of users."""

    def __init__(self, folder: Path) -> None:
        (folder / "rules.yml").write_text(RULES)
        (folder / "playbooks.yml").write_text(PLAYBOOKS)
        self._folder, self._xds, self._outbound = folder, free_port(), free_port()
        self.up = Up(
            folder,
            SPANLOOM_CONTROL__PORT=str(self._xds),
            SPANLOOM_CONTROL__ROLLOUT=orjson.dumps({"waves": [{"soak_seconds": 0}]}).decode(),
            SPANLOOM_ALERTING__RULES=orjson.dumps([str(folder / "rules.yml")]).decode(),
            SPANLOOM_ALERTING__PLAYBOOKS=orjson.dumps([str(folder / "playbooks.yml")]).decode(),
            SPANLOOM_ALERTING__SAFETY=orjson.dumps({"max_traffic_share": 1}).decode(),  # all calls here are those of cart
            **QUICK,
            SPANLOOM_ACT__IDLE="1",
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Connection]:
        """A connection of `front` that is kept all the time, while others call too."""
        async with AsyncExitStack() as stack:
            self.up.start()
            stack.callback(self.up.stop)
            await asyncio.to_thread(self.up.wait_ready)
            for version in ("v1", "v2"):
                behind = await stack.enter_async_context(Upstream(version))
                inbound = {"port": free_port(), "application": f"127.0.0.1:{behind.port}"}
                await self._agent(stack, "cart", f"cart-{version}", inbound=inbound, labels={"version": version})
            await self._agent(stack, "front", "front-1", outbound={"port": self._outbound})
            self.push(ROUTES)
            kept = await stack.enter_async_context(Connection(self._outbound))
            await answered_only(kept, {(200, "v1"), (200, "v2")})
            users = asyncio.create_task(self._users())
            stack.callback(users.cancel)
            yield kept

    async def _agent(self, stack: AsyncExitStack, service: str, node: str, **settings: object) -> None:
        parts = {
            "control": {"address": f"127.0.0.1:{self._xds}"},
            "collector": {"address": self.up.environment["SPANLOOM_OTLP_GRPC"], "timeout_seconds": 10},
        }
        agent = running(self._folder / node, clock.system, service=service, node=node, **parts, **settings)
        await (await stack.enter_async_context(agent)).ready()

    async def _users(self) -> None:
        async with Connection(self._outbound) as kept:
            while True:
                await kept.get("cart")
                await asyncio.sleep(0.03)

    def push(self, text: str) -> None:
        url = f"{self.up.console}/api/v1/policies"
        httpx2.post(url, content=text, headers=self.up.proof, timeout=60).raise_for_status()

    def found(self, kind: str) -> list[dict[str, Any]]:
        """What is stored of a kind."""
        url = f"{self.up.console}/api/v1/find"
        bodies: list[dict[str, Any]] = httpx2.get(
            url, params={"kind": kind, "limit": 100}, headers=self.up.proof, timeout=30
        ).json()
        return bodies

    def more_edges(self, than: int) -> bool:
        """Whether another window of calls was stored."""
        return len(self.found("edge")) > than

    def blames_v2(self) -> bool:
        """Whether the first culprit of a ranking is the version with the fault."""
        firsts = [each["ranking"][0] for each in self.found("culprit")]
        return ("cart", "cart-v2") in {(each["service"], each["instance"]) for each in firsts}

    def shown(self) -> str:
        """For a person, of a test that failed."""
        seen = {kind: self.found(kind)[:5] for kind in ("anomaly", "culprit", "incident")}
        return f"{seen}\n{(self.up.folder / 'up.log').read_text()[-3000:]}"


async def answered_only(kept: Connection, wanted: set[tuple[int, str]]) -> None:
    """Wait until sixty calls in a row are answered so, and each of these ways at least once."""
    async with asyncio.timeout(2 * PATIENCE):
        while {await kept.get("cart") for _ in range(60)} != wanted:
            pass


async def test_a_fault_of_one_version_is_found_and_a_playbook_moves_the_calls_away_until_it_is_over(tmp_path: Path) -> None:
    needs_envoy()
    shop = Shop(tmp_path)
    async with shop.open() as kept:
        for _ in range(HEALTHY_WINDOWS):  # what is usual has to be known
            edges = len(shop.found("edge"))
            await until(partial(shop.more_edges, edges), shop.shown, 2 * PATIENCE)
        assert shop.found("incident") == []
        shop.push(ROUTES + FAULT.replace("UNTIL", in_seconds(3600)))
        await until(lambda: "closed" in {each["state"] for each in shop.found("incident")}, shop.shown, 5 * PATIENCE)
        await until(shop.blames_v2, shop.shown, 2 * PATIENCE)
        await answered_only(kept, {(200, "v1")})
        shop.push(ROUTES + FAULT.replace("UNTIL", in_seconds(5)))
        await answered_only(kept, {(200, "v1"), (200, "v2")})
