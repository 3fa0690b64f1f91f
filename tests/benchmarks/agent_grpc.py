"""The part of `make bench-agent` about gRPC: what the agent costs a call, beside none and beside nginx.

A Go program answers grpc.health.v1.Health/Check from memory, and another process of it asks: directly, through the agent
and through nginx. All share the machine, as in `tests.benchmarks.agent`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from rich.console import Console
from rich.table import Table

from tests.agent.traffic import running, until
from tests.benchmarks.agent import SECONDS, cpu_seconds
from tests.services import free_port, listens

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parents[2] / "build" / "go" / "bin" / "grpcload"
MANY, FEW = (4, 16), (2, 1)
"""Connections, and calls in flight on each."""

NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log stderr; events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} http2; keepalive_requests 100000000;
    location / {{ grpc_pass grpc://backend; }}
  }}
}}
"""


class Figures(TypedDict):
    """What the Go program prints."""

    calls: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float


class Way(NamedTuple):
    """A way to the backend: its name, the process whose CPU time counts (0: none), and the port."""

    name: str
    pid: int
    port: int


def load(port: int, connections: int, streams: int) -> Figures:
    command = [str(PROGRAM), "load", f"127.0.0.1:{port}", str(connections), str(streams), str(SECONDS)]
    found: Figures = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def row(way: Way, direct: list[Figures]) -> Iterator[str]:
    before = cpu_seconds(way.pid) if way.pid else 0.0
    many = load(way.port, *MANY)
    used = cpu_seconds(way.pid) - before if way.pid else 0.0
    few = load(way.port, *FEW)
    if not way.pid:
        direct.extend((many, few))
    yield way.name
    yield f"{many['calls'] / many['seconds']:,.0f}"
    yield f"{many['calls'] / used:,.0f}" if way.pid else ""
    for found, alone in zip((many, few), direct, strict=True):
        yield f"{found['p50_ms']:.2f} (+{found['p50_ms'] - alone['p50_ms']:.2f})"
        yield f"{found['p99_ms']:.2f} (+{found['p99_ms'] - alone['p99_ms']:.2f})"
    yield str(many["failed"] + few["failed"])


async def main() -> None:
    if not PROGRAM.exists():
        sys.exit("the gRPC backend is not built: make build/go/bin/grpcload, which needs Go")
    shape = f"{MANY[0]} x {MANY[1]} and {FEW[0]} x {FEW[1]} calls in flight, {SECONDS} s each"
    table = Table(title=f"gRPC, {os.cpu_count()} CPUs, {shape}")
    table.add_column("")
    for heading in ("calls/s", "calls per CPU-s", "p50 ms", "p99 ms", "p50, few", "p99, few", "failed", "load"):
        table.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            backend = free_port()
            server = await asyncio.create_subprocess_exec(str(PROGRAM), "serve", f"127.0.0.1:{backend}")
            stack.push_async_callback(server.wait)
            stack.callback(server.terminate)
            await until(lambda: listens(backend))
            ways = [Way("direct", 0, backend)]
            for title, share in (("agent, no traces", 0), ("agent, 10 % of traces", 10)):
                port = free_port()
                inbound = {"port": port, "application": f"127.0.0.1:{backend}"}
                collector = {"address": "127.0.0.1:9", "sampling_percent": share}
                agent = await stack.enter_async_context(running(folder / title, inbound=inbound, collector=collector))
                await until(lambda port=port: listens(port))  # type: ignore[misc]
                ways.append(Way(title, agent.envoy, port))
            if shutil.which("nginx"):
                port = free_port()
                (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, backend=backend))
                nginx = await asyncio.create_subprocess_exec("nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder))
                stack.push_async_callback(nginx.wait)
                stack.callback(nginx.terminate)
                await until(lambda: listens(port))
                ways.append(Way("nginx", nginx.pid, port))
            direct: list[Figures] = []
            for way in ways:
                cells = await asyncio.to_thread(lambda: list(row(way, direct)))  # noqa: B023 - run at once
                table.add_row(*cells, f"{os.getloadavg()[0]:.1f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    asyncio.run(main())
