"""Policies by their effect on requests through the real Envoy."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from governance.compile.snapshot import compile_snapshot
from governance.snapshots import fleet_snapshots
from governance.waves.rollout import State
from governance.xds.snapshot import Kind, encode
from telemetry.errors import ConfigError
from tests.governance.mesh import Connection, Mesh, needs_envoy, until
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from governance.model import Policies
    from governance.xds.snapshot import Snapshot

SHOP = """
services:
  - name: pay
    endpoints:
      - {{address: 127.0.0.1, port: {one}, labels: {{version: v1}}}}
      - {{address: 127.0.0.1, port: {two}, labels: {{version: v2}}}}
"""


BETA = """
routes:
  - name: pay
    service: pay
    rules:
      - match: {headers: [{name: x-app, exact: beta}]}
        to: [{labels: {version: v2}}]
      - to: [{labels: {version: v1}}]
"""
WEIGHTS = """
routes:
  - name: pay
    service: pay
    rules:
      - to: [{labels: {version: v1}, weight: 70}, {labels: {version: v2}, weight: 30}]
"""


@pytest.mark.parametrize("delta", [False, True])
async def test_routes_change_on_one_kept_connection(tmp_path: Path, *, delta: bool) -> None:
    async with Mesh(tmp_path, check=True) as mesh:
        one, two = await mesh.upstream("v1"), await mesh.upstream("v2")
        shop = SHOP.format(one=one.port, two=two.port)
        await mesh.publish(shop)
        port = free_port()
        await mesh.envoy("front", delta=delta, outbound=port)
        async with Connection(port) as kept:
            assert {await kept.get("pay") for _ in range(20)} == {(200, "v1"), (200, "v2")}
            route = "routes: [{name: pay, service: pay, rules: [{to: [{labels: {version: v2}}]}]}]"
            await mesh.publish(shop + route)
            assert {await kept.get("pay") for _ in range(20)} == {(200, "v2")}
            await mesh.publish(shop + BETA)
            assert await kept.get("pay", x_app="beta") == (200, "v2")
            assert {await kept.get("pay") for _ in range(20)} == {(200, "v1")}
            await mesh.publish(shop + WEIGHTS)
            shares = Counter([(await kept.get("pay"))[1] for _ in range(600)])
            assert 110 < shares["v2"] < 260
            await mesh.publish(shop)
            assert {await kept.get("pay") for _ in range(20)} == {(200, "v1"), (200, "v2")}
            assert (await kept.get("unheard"))[0] == 404


def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Revisions with a route named poison are compiled to what Envoy refuses."""

    def compiled(revision: str, policies: Policies, *rest: object) -> Snapshot:
        found = compile_snapshot(revision, policies, *rest)  # type: ignore[arg-type]
        if any(each.name == "poison" for each in policies.routes):
            routes = [{"match": {"headers": [{"name": "x"}]}, "route": {"cluster": "pay"}}]  # no path
            bad = {"name": "outbound", "virtual_hosts": [{"name": "a", "domains": ["*"], "routes": routes}]}
            return found.with_resources(Kind.ROUTES, encode(Kind.ROUTES, [bad]))
        return found

    monkeypatch.setattr(fleet_snapshots, "compile_snapshot", compiled)


POISON = "routes: [{name: poison, service: pay, rules: [{to: [{}]}]}]"


async def test_what_an_envoy_refuses_is_taken_back_and_never_offered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned(monkeypatch)
    async with Mesh(tmp_path) as mesh:
        one, port = await mesh.upstream("v1"), free_port()
        shop = SHOP.format(one=one.port, two=one.port)
        await mesh.publish(shop)
        node = await mesh.envoy("front", outbound=port)
        async with Connection(port) as kept:
            bad = await mesh.publish(shop + POISON)
            await until(lambda: mesh.has(node), "the revision before is back")
            assert await kept.get("pay") == (200, "v1")
        rollout = mesh.control.rollout
        assert rollout is not None
        assert rollout.state is State.ROLLED_BACK
        assert node in rollout.why
        assert mesh.control.stable == "1"
        agent = mesh.control.fleet.find(node)
        assert agent is not None
        assert [(each.revision, bool(each.refusal)) for each in agent.history] == [("1", False), (bad, True), ("1", False)]
        refusals = mesh.registry.get_sample_value("spanloom_control_refusals_total", {"kind": "rds"})
        assert refusals == 1
        await until(lambda: mesh.registry.get_sample_value("spanloom_control_rollbacks_total", {"reason": "refused"}) == 1, "")
        with pytest.raises(ConfigError, match="refused this very document"):
            await mesh.publish(shop + POISON)
        await mesh.stop()
        await mesh.start()
        with pytest.raises(ConfigError, match="refused this very document"):
            await mesh.publish(shop + POISON)
        await until(lambda: mesh.has(node), "the Envoy comes back")


async def test_envoy_reads_a_revision_before_any_agent_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_envoy()
    poisoned(monkeypatch)
    async with Mesh(tmp_path, check=True) as mesh:
        with pytest.raises(ConfigError, match="Envoy refuses revision check"):
            await mesh.publish(SHOP.format(one=1, two=2) + POISON)
        assert mesh.control.rollout is None
        assert await mesh.store.history(10) == []
