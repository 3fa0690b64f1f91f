"""An agent under the control plane of the product: policies reach Envoy through the relay, and what Envoy says goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanloom import clock
from tests.agent.traffic import running
from tests.governance.mesh import Connection, Mesh, in_seconds, needs_envoy, until
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

SHOP = """
services:
  - name: pay
    endpoints:
      - {{address: 127.0.0.1, port: {one}, labels: {{version: v1}}}}
      - {{address: 127.0.0.1, port: {two}, labels: {{version: v2}}}}
"""
FAULT = "faults: [{{name: test, service: pay, side: outbound, abort: {{status: 418}}, until: {until}}}]\n"
TO_V2 = "routes: [{name: pay, service: pay, rules: [{to: [{labels: {version: v2}}]}]}]\n"


async def test_policies_act_through_the_relay_and_a_fault_ends_while_the_control_plane_is_away(tmp_path: Path) -> None:
    needs_envoy()
    offset = [0]

    def now() -> int:
        return clock.system() + offset[0]

    async with Mesh(tmp_path / "control") as mesh:
        one, two = await mesh.upstream("v1"), await mesh.upstream("v2")
        shop = SHOP.format(one=one.port, two=two.port)
        await mesh.publish(shop)
        port = free_port()
        settings = {"service": "front", "node": "front-1", "outbound": {"port": port}}
        settings["control"] = {"address": f"127.0.0.1:{mesh.port}"}
        async with running(tmp_path / "agent", now, **settings) as agent:
            await agent.ready()
            await until(lambda: mesh.has("front-1"), "the agent has its configuration")
            async with Connection(port) as kept:
                assert {await kept.get("pay") for _ in range(20)} == {(200, "v1"), (200, "v2")}
                await mesh.publish(shop + TO_V2)
                assert {await kept.get("pay") for _ in range(20)} == {(200, "v2")}
                await mesh.publish(shop + TO_V2 + FAULT.format(until=in_seconds(3600)))
                assert (await kept.get("pay"))[0] == 418
                await mesh.stop()
                assert (await kept.get("pay"))[0] == 418
                offset[0] = 3601 * 10**9
                await until(lambda: agent.metric("spanloom_agent_faults_ended_total") == 1, "the fault ends")
                async with Connection(port) as other:
                    while (await other.get("pay")) != (200, "v2"):
                        pass
                assert await kept.get("pay") == (200, "v2")
                await mesh.start()
                await until(lambda: mesh.has("front-1"), "the agent is back")
                await mesh.publish(shop)
                assert {await kept.get("pay") for _ in range(20)} == {(200, "v1"), (200, "v2")}
        assert agent.metric("spanloom_agent_responses_total", result="refused") == 0
