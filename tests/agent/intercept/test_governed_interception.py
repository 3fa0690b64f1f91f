"""Interception under the control plane of the product: its policies act on redirected connections."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import trustme

from tests.agent.intercept import server
from tests.agent.intercept import test_intercept as intercepted
from tests.agent.intercept.test_intercept import CLIENT, SERVER, SERVER_V4, agent, module, namespaces
from tests.governance.mesh import Mesh, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = intercepted.pytestmark

SHOP = f"""
services:
  - name: pay
    hosts: [pay.test]
    endpoints: [{{address: {SERVER_V4}, port: {server.HTTP}}}]
"""
ASK = f"""
import http.client
connection = http.client.HTTPConnection("{SERVER_V4}", {server.HTTP}, timeout=60)
connection.request("GET", "/", headers={{"host": "pay.test"}})
print(connection.getresponse().status)
"""
FAULT = "faults: [{name: test, service: pay, side: outbound, abort: {status: 418}, until: 2100-01-01T00:00:00Z}]\n"


async def test_policies_act_on_connections_that_were_redirected(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("server.test").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with namespaces():
        async with Mesh(tmp_path / "control") as mesh, mesh.on_socket(tmp_path / "xds") as socket:
            await mesh.publish(SHOP)
            async with (
                module(SERVER, "server", str(tmp_path / "server.pem")) as listening,
                agent(CLIENT, tmp_path / "data", control={"address": f"unix:{socket}"}) as governed,
            ):
                assert await listening.line() == "up"
                await governed.line()
                await until(lambda: mesh.has(CLIENT), "the agent has its configuration")
                async with module(CLIENT, "client", str(tmp_path / "ca.pem"), SERVER_V4) as client:
                    found = json.loads(await client.line())
                assert found[f"tls {SERVER_V4}"] == "terces"
                assert found[f"server_first {SERVER_V4}"].startswith("220 mail ready")
                assert found[f"binary {SERVER_V4}"] == bytes(range(256))[::-1].hex()
                assert found[f"http {SERVER_V4}"][0]["path"] == "/one"
                assert found[f"grpc {SERVER_V4}"] == "cba"
                command = ("ip", "netns", "exec", CLIENT, sys.executable, "-c", ASK)
                assert (await asyncio.to_thread(intercepted.run, *command)).strip() == "200"
                await mesh.publish(SHOP + FAULT)
                assert (await asyncio.to_thread(intercepted.run, *command)).strip() == "418"
