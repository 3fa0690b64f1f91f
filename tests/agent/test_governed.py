"""An agent under the control plane of the product: policies reach Envoy through the relay, and what Envoy says goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from collectors.metrics import CollectorMetrics
from collectors.receivers.otlp_grpc import OtlpGrpcConfig, OtlpGrpcReceiver
from spanloom import clock
from tests.agent.test_telemetry import Records, attributes
from tests.agent.traffic import running
from tests.governance.mesh import Connection, Mesh, Upstream, in_seconds, needs_envoy, until
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


async def test_collection_decides_on_a_kept_connection_which_share_of_requests_becomes_spans(tmp_path: Path) -> None:
    needs_envoy()
    records = Records()
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0), records, CollectorMetrics(CollectorRegistry()))
    await receiver.start()
    try:
        async with Mesh(tmp_path / "control") as mesh, Upstream("pay") as pay:
            port = free_port()
            settings = {"service": "pay", "node": "pay-1", "inbound": {"port": port, "application": f"127.0.0.1:{pay.port}"}}
            settings["control"] = {"address": f"127.0.0.1:{mesh.port}"}
            settings["collector"] = {"address": f"127.0.0.1:{receiver.port}", "timeout_seconds": 30}
            async with running(tmp_path / "agent", clock.system, **settings) as agent:
                await mesh.publish("services: [{name: pay}]")
                await agent.ready()
                await until(lambda: mesh.has("pay-1"), "the agent has its configuration")

                async with Connection(port) as kept:

                    async def ask(phase: str, count: int) -> None:
                        for number in range(count):
                            assert await kept.get("pay", f"/{phase}/{number}") == (200, "pay")

                    def seen(phase: str) -> int:
                        return len([path for path in paths(records) if path.startswith(f"/{phase}/")])

                    # What Envoy exports for one connection it exports in order: what came after is there, what came before is.
                    await ask("usual", 20)
                    await mesh.publish("services: [{name: pay}]\ncollection: [{name: none, service: pay, share: 0}]")
                    await ask("none", 20)
                    await mesh.publish("services: [{name: pay}]")
                    await ask("again", 20)
                    await mesh.publish("services: [{name: pay}]\ncollection: [{name: some, service: pay, share: 30}]")
                    await ask("some", 300)
                    await mesh.publish("services: [{name: pay}]")
                    await ask("last", 20)
                    await until(lambda: seen("last") == 20, "the last spans arrive")
                assert (seen("usual"), seen("none"), seen("again")) == (20, 0, 20)
                assert 50 <= seen("some") <= 130, "of 90; beyond 5 standard deviations"
    finally:
        await receiver.stop()


def paths(records: Records) -> list[str]:
    """Of the requests whose spans have arrived."""
    return [urlsplit(str(attributes(span)["http.url"])).path for span in records.spans()]
