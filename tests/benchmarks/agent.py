"""`make bench-agent`: what the agent costs a request, beside none and beside nginx.

wrk asks a backend that answers from memory (a second Envoy), directly, through the agent and, where it is installed, through
nginx. The agent writes an access log of each request, whatever share of traces it samples; nobody listens for either.
CPU time is the proxy's own. wrk, proxy and backend share the machine, so requests per second say little and figures per
CPU-second much; the load average stands beside them.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from rich.console import Console
from rich.table import Table

from components.xds.pool import TYPE_PREFIX
from tests.agent.traffic import answered, children, running, until
from tests.services import free_port, listens

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS, CONNECTIONS, FEW = 8, 32, 2
TICKS = os.sysconf("SC_CLK_TCK")
FILTERS = TYPE_PREFIX + "envoy.extensions.filters."

NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log stderr; events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 1000000;
    location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


class Figures(NamedTuple):
    """Of one run of wrk."""

    requests: int
    seconds: float
    p50: float
    p99: float
    bad: int


def wrk(port: int, connections: int) -> Figures:
    command = ["wrk", "-t2", f"-c{connections}", f"-d{SECONDS}s", "--latency", f"http://127.0.0.1:{port}/"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    counted = re.search(r"(\d+) requests in ([\d.]+)s", said)
    assert counted is not None, said
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    errors = re.search(r"Socket errors: (.*)", said)
    failed = (int(bad[1]) if bad else 0) + (sum(map(int, re.findall(r"\d+", errors[1]))) if errors else 0)
    return Figures(int(counted[1]), float(counted[2]), latency(said, "50%"), latency(said, "99%"), failed)


def latency(said: str, share: str) -> float:
    """Milliseconds."""
    found = re.search(rf"{share}\s+([\d.]+)(us|ms|s)\b", said)
    assert found is not None, said
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def cpu_seconds(pid: int) -> float:
    """Of a process and its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS + sum(map(cpu_seconds, children(pid)))


def answering(port: int) -> list[dict[str, Any]]:
    """An Envoy that answers by itself."""
    host = {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]}
    manager = {
        "@type": FILTERS + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "backend",
        "route_config": {"name": "all", "virtual_hosts": [host]},
        "tracing": {"random_sampling": {"value": 0}},
        "http_filters": [{"name": "router", "typed_config": {"@type": FILTERS + "http.router.v3.Router"}}],
    }
    return [
        {
            "@type": TYPE_PREFIX + "envoy.config.listener.v3.Listener",
            "name": "backend",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
        }
    ]


def row(name: str, pid: int, port: int) -> Iterator[str]:
    before = cpu_seconds(pid) if pid else 0.0
    many = wrk(port, CONNECTIONS)
    used = cpu_seconds(pid) - before if pid else 0.0
    few = wrk(port, FEW)
    yield name
    yield f"{many.requests / many.seconds:,.0f}"
    yield f"{many.requests / used:,.0f}" if pid else ""
    yield f"{10_000 * used / many.requests:.2f}" if pid else ""
    yield from (f"{value:.2f}" for value in (many.p50, many.p99, few.p50, few.p99))
    yield str(many.bad + few.bad)


async def main() -> None:
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    table = Table(title=f"{os.cpu_count()} CPUs, {CONNECTIONS} and {FEW} connections, {SECONDS} s each")
    for heading in (
        "",
        "req/s",
        "req per CPU-s",
        "CPU-s per 10,000",
        "p50 ms",
        "p99 ms",
        f"p50, {FEW}",
        f"p99, {FEW}",
        "failed",
    ):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_column("load")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            backend = free_port()
            file = folder / "backend.yml"
            file.write_text(yaml.safe_dump(answering(backend)))
            await stack.enter_async_context(running(folder / "backend", resources=file))
            await answered(f"http://127.0.0.1:{backend}/")
            proxies = [("direct", 0, backend)]
            for title, share in (("agent, no traces", 0), ("agent, 10 % of traces", 10)):
                port = free_port()
                inbound = {"port": port, "application": f"127.0.0.1:{backend}"}
                collector = {"address": "127.0.0.1:9", "sampling_percent": share}
                agent = await stack.enter_async_context(running(folder / title, inbound=inbound, collector=collector))
                await answered(f"http://127.0.0.1:{port}/")
                proxies.append((title, agent.envoy, port))
            if shutil.which("nginx"):
                port = free_port()
                (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, backend=backend))
                nginx = await asyncio.create_subprocess_exec("nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder))
                stack.push_async_callback(nginx.wait)
                stack.callback(nginx.terminate)
                await until(lambda: listens(port))
                proxies.append(("nginx", nginx.pid, port))
            for title, pid, port in proxies:
                cells = await asyncio.to_thread(lambda: list(row(title, pid, port)))  # noqa: B023 - run at once
                table.add_row(*cells, f"{os.getloadavg()[0]:.1f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    asyncio.run(main())
