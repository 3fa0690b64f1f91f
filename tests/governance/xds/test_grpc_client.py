"""Our ADS against another client than Envoy: that of gRPC, which asks for each resource by its name."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from prometheus_client import CollectorRegistry

from components.xds.pool import TYPE_PREFIX
from governance.ads import Ads
from governance.fleet import Agent, Fleet
from governance.metrics import ControlMetrics
from governance.xds.server import XdsServer
from governance.xds.snapshot import Kind, Snapshot, snapshot_of
from spanloom import clock
from tests.governance.mesh import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from telemetry.json_object import JsonObject

_HTTP = TYPE_PREFIX + "envoy.extensions.filters."
EDS: JsonObject = {"eds_config": {"ads": {}, "resource_api_version": "V3"}}


def shop(revision: str, ports: dict[str, int], weights: dict[str, int], *, regex: str = "") -> Snapshot:
    """`shop`: a route to clusters by weight, each of one endpoint. A `regex` that is none is what gRPC refuses."""
    targets = [{"name": name, "weight": weight} for name, weight in weights.items()]
    match: JsonObject = {"safe_regex": {"regex": regex}} if regex else {"prefix": ""}
    route = {"match": match, "route": {"weighted_clusters": {"clusters": targets}}}
    manager = {
        "@type": _HTTP + "network.http_connection_manager.v3.HttpConnectionManager",
        "rds": {"route_config_name": "routes", "config_source": {"ads": {}, "resource_api_version": "V3"}},
        "http_filters": [{"name": "router", "typed_config": {"@type": _HTTP + "http.router.v3.Router"}}],
    }
    written: dict[Kind, list[JsonObject]] = {
        Kind.LISTENER: [{"name": "shop", "api_listener": {"api_listener": manager}}],
        Kind.ROUTES: [{"name": "routes", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]}],
        Kind.CLUSTER: [{"name": name, "type": "EDS", "eds_cluster_config": EDS} for name in ports],
        Kind.ENDPOINTS: [
            {
                "cluster_name": name,
                "endpoints": [
                    {
                        "locality": {"region": "here"},
                        "load_balancing_weight": 1,
                        "lb_endpoints": [
                            {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
                        ],
                    }
                ],
            }
            for name, port in ports.items()
        ],
    }
    return snapshot_of(revision, written)


class Given:
    """A centre that gives all agents what the test says."""

    def __init__(self, wanted: Snapshot) -> None:
        self.wanted = wanted
        self.reached: set[str] = set()
        self.refusals: list[tuple[str, str]] = []
        self.fleet = Fleet(self, clock.system, 10)

    def give(self, wanted: Snapshot) -> None:
        self.wanted = wanted
        self.fleet.refresh()

    def revision_for(self, _: Agent) -> str:
        return self.wanted.revision

    def snapshot(self, _: Agent) -> Snapshot:
        return self.wanted

    def connected(self, _: Agent) -> None: ...

    def applied(self, agent: Agent) -> None:
        self.reached.add(agent.reached)

    def refused(self, _: Agent, revision: str, reason: str) -> None:
        self.refusals.append((revision, reason))


@asynccontextmanager
async def backend(name: str) -> AsyncIterator[int]:
    async def charge(*_: object) -> bytes:
        return name.encode()

    server = grpc.aio.server()
    handler = grpc.method_handlers_generic_handler("shop.Pay", {"Charge": grpc.unary_unary_rpc_method_handler(charge)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


class Client:
    """The program in a process of its own, for gRPC reads its bootstrap once."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def call(self, count: int) -> Counter[str]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{count}\n".encode())
        async with asyncio.timeout(DEADLINE):
            return Counter(json.loads(await stdout.readline()))


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    bootstrap = {
        "xds_servers": [
            {"server_uri": f"127.0.0.1:{port}", "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}
        ],
        "node": {"id": "proxyless-1", "cluster": "front"},
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.governance.xds.proxyless", "xds:///shop"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(bootstrap), "GRPC_VERBOSITY": "NONE"},
    )
    try:
        yield Client(process)
    finally:
        process.kill()
        await process.wait()


async def test_the_client_of_grpc_follows_weights_endpoints_and_refusals() -> None:
    async with AsyncExitStack() as stack:
        one, two, three = [await stack.enter_async_context(backend(name)) for name in ("v1", "v2", "v3")]
        centre = Given(shop("1", {"a": one}, {"a": 1}))
        metrics = ControlMetrics(CollectorRegistry())
        server = await stack.enter_async_context(XdsServer("127.0.0.1:0", [Ads(centre.fleet, metrics).handler()]))
        caller = await stack.enter_async_context(client(server.port))
        assert await caller.call(20) == {"v1": 20}
        await until(lambda: "1" in centre.reached, "it acknowledges the first")

        async def given(wanted: Snapshot) -> None:
            """It acknowledges a moment before it uses it: the first calls may go where those before went."""
            centre.give(wanted)
            await until(lambda: wanted.revision in centre.reached, f"it acknowledges {wanted.revision}")

        async def becomes(expected: set[str]) -> Counter[str]:
            async with asyncio.timeout(DEADLINE):
                while (found := await caller.call(60)).keys() != expected:
                    assert found.keys() <= {"v1", "v2", "v3"}  # no call fails meanwhile
                return found

        await given(shop("2", {"a": one, "b": two}, {"a": 50, "b": 50}))
        await becomes({"v1", "v2"})
        await given(shop("3", {"a": one, "b": two}, {"a": 0, "b": 1}))
        await becomes({"v2"})
        await given(shop("4", {"a": one, "b": three}, {"a": 0, "b": 1}))
        await becomes({"v3"})
        centre.give(shop("5", {"a": one, "b": three}, {"a": 1, "b": 0}, regex="(("))
        await until(lambda: bool(centre.refusals), "it refuses what it cannot read")
        assert centre.refusals[0][0] == "5"
        assert "5" not in centre.reached
        assert await caller.call(20) == {"v3": 20}  # it keeps what it had
        await given(shop("6", {"a": one, "b": three}, {"a": 1, "b": 0}))
        await becomes({"v1"})
        # A cluster goes when no call is on its way to it: since this client uses routes later than it acknowledges them,
        # one that goes with its last route may leave a call waiting.
        await given(shop("7", {"a": one}, {"a": 1}))
        assert await caller.call(60) == {"v1": 60}
