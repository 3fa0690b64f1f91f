"""`make bench-fleet`: how fast, and at what cost, a change reaches a fleet, and the requests through one Envoy.

The control plane is this process, with its store on disk; 1,000 simulated agents (state of the world, each a connection of
its own) are another one. A revision goes to all in one wave. Counted is from the release to the acknowledgement of each
agent: Envoy's reading of the revision before its release, and the time that waves are watched, are not in it. Then one
Envoy: from the push until the next request on a kept connection is answered as the change says.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol, cast

import grpc
import grpc.aio
from rich.console import Console
from rich.table import Table

from components.durations import SECOND
from components.xds.contract import INBOUND, NODE_METADATA, OUTBOUND, RUNTIME_LAYER
from components.xds.pool import message_class, parse
from governance.ads import SERVICE
from governance.xds.snapshot import TYPE_URLS, Kind
from tests.governance.mesh import Connection, Mesh, until
from tests.services import free_port

AGENTS, UPDATES, EFFECTS, SERVICES = 1_000, 10, 300, 10
REQUEST, RESPONSE = "envoy.service.discovery.v3.DiscoveryRequest", "envoy.service.discovery.v3.DiscoveryResponse"
NAMES = {
    Kind.CLUSTER: [],
    Kind.LISTENER: [],
    Kind.ENDPOINTS: [f"s{number}" for number in range(SERVICES)],
    Kind.ROUTES: [INBOUND, OUTBOUND],
    Kind.RUNTIME: [RUNTIME_LAYER],
}
"""What an agent asks for; it is known beforehand, so that a simulated one needs to read nothing."""


class Response(Protocol):
    """What is read of one."""

    type_url: str
    version_info: str
    nonce: str


async def agent(number: int, port: int) -> None:
    """Acknowledges all that it is sent."""
    urls = {TYPE_URLS[kind]: names for kind, names in NAMES.items()}
    workload = {"outbound": 20_000, "inbound": 20_001, "application": 20_002}
    node = {"id": f"agent-{number}", "cluster": "bench", "metadata": {NODE_METADATA: workload}}
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = channel.stream_stream(f"/{SERVICE}/StreamAggregatedResources")()
        for url, names in urls.items():
            await call.write(parse(REQUEST, {"node": node, "type_url": url, "resource_names": names}).SerializeToString())
        while (encoded := await call.read()) is not grpc.aio.EOF:
            found = cast("Response", message_class(RESPONSE).FromString(encoded))
            answer = {
                "type_url": found.type_url,
                "version_info": found.version_info,
                "response_nonce": found.nonce,
                "resource_names": urls[found.type_url],
            }
            await call.write(parse(REQUEST, answer).SerializeToString())


async def agents(port: int) -> None:
    await asyncio.gather(*(agent(number, port) for number in range(AGENTS)))


def policies(number: int) -> str:
    services = ", ".join(f"{{name: s{each}, endpoints: [{{address: 127.0.0.1, port: 9000}}]}}" for each in range(SERVICES))
    timeouts = ", ".join(f"{{name: t{each}, service: s{each}, request: {number + 1}s}}" for each in range(SERVICES))
    return f"services: [{services}]\ntimeouts: [{timeouts}]\n"


def at(sorted_values: list[float], share: float) -> float:
    """The nearest rank."""
    return sorted_values[max(0, math.ceil(len(sorted_values) * share) - 1)]


async def fleet(folder: Path, table: Table) -> None:
    async with Mesh(folder) as mesh:
        await mesh.publish(policies(0))
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.benchmarks.fleet", "agents", str(mesh.port))
        try:
            await until(lambda: sum(mesh.has(f"agent-{each}") for each in range(AGENTS)) == AGENTS, "all have come")
            taken, cpu = list[float](), list[float]()
            for number in range(1, UPDATES + 1):
                used = time.process_time()
                revision = await mesh.publish(policies(number))
                cpu.append(time.process_time() - used)
                released = next(each.created for each in await mesh.store.history(1))
                reached = [each.history[-1] for each in mesh.control.fleet.agents]
                assert all(each.revision == revision for each in reached)
                taken += [(each.at - released) / SECOND for each in reached]
        finally:
            process.kill()
            await process.wait()
    taken.sort()
    table.add_row(
        f"{AGENTS:,} agents, release to acknowledged",
        *(f"{at(taken, share):.2f} s" for share in (0.5, 0.99, 1)),
        f"{1000 * sum(cpu) / UPDATES / AGENTS:.2f} ms an agent and update",
        f"{os.getloadavg()[0]:.1f}",
    )


async def effect(folder: Path, table: Table) -> None:
    async with Mesh(folder) as mesh, AsyncExitStack() as stack:
        one, other, port = await mesh.upstream("one"), await mesh.upstream("other"), free_port()
        endpoints = [f"{{address: 127.0.0.1, port: {each.port}}}" for each in (one, other)]
        documents = [f"services: [{{name: pay, endpoints: [{each}]}}]" for each in endpoints]
        await mesh.publish(documents[0])
        await mesh.envoy("front", outbound=port)
        kept = await stack.enter_async_context(Connection(port))
        taken, cpu = list[float](), time.process_time()
        for number in range(1, EFFECTS + 1):
            wanted = (200, ("one", "other")[number % 2])
            begun = time.perf_counter()
            pushing = asyncio.create_task(mesh.publish(documents[number % 2]))
            while await kept.get("pay") != wanted:  # noqa: ASYNC110 - it is asked all the time
                await asyncio.sleep(0)
            taken.append(time.perf_counter() - begun)
            await pushing
        cpu = time.process_time() - cpu
    taken.sort()
    table.add_row(
        "1 Envoy, push to effect on a request",
        *(f"{1000 * at(taken, share):.0f} ms" for share in (0.5, 0.99, 1)),
        f"{1000 * cpu / EFFECTS:.0f} ms an update, requests included",
        f"{os.getloadavg()[0]:.1f}",
    )


async def main() -> None:
    table = Table(title=f"{os.cpu_count()} CPUs, {UPDATES} revisions to the fleet, {EFFECTS} to one Envoy")
    for heading in ("", "p50", "p99", "max", "CPU of the control plane", "load"):
        table.add_column(heading, justify="right" if heading else "left")
    with tempfile.TemporaryDirectory() as name:
        for measured in (fleet, effect):
            folder = Path(name) / measured.__name__
            folder.mkdir()
            await measured(folder, table)
    Console(width=140).print(table)


if __name__ == "__main__":
    asyncio.run(agents(int(sys.argv[2])) if sys.argv[1:2] == ["agents"] else main())
