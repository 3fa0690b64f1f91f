"""A real SPIRE gives Envoys their identities, through agents; its rotations fail no request.

Needs the programs `spire-server` and `spire-agent` on the PATH. A module of one's own builds them:
`go get -tool github.com/spiffe/spire/cmd/spire-server@v1.13.3`, then `go install` of the same path; the agent alike.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from components.durations import HOUR
from governance.compile.site import Options
from governance.svid.authority import Authority
from spanloom import clock
from tests.agent.traffic import running
from tests.governance.mesh import DEADLINE, Connection, Mesh, needs_envoy, until
from tests.governance.test_identity import context, status_of
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

DOMAIN = "spire.test"
TTL = 20
"""Seconds; SPIRE renews a certificate at half of its life."""
ROTATIONS = 2
SERVER = """
server {{
  bind_address = "127.0.0.1"
  bind_port = "{port}"
  socket_path = "{folder}/api"
  trust_domain = "{domain}"
  data_dir = "{folder}"
  log_level = "WARN"
}}
plugins {{
  DataStore "sql" {{ plugin_data {{ database_type = "sqlite3" connection_string = "{folder}/server.sqlite" }} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
}}
"""
AGENT = """
agent {{
  data_dir = "{folder}/agent"
  log_level = "WARN"
  server_address = "127.0.0.1"
  server_port = "{port}"
  socket_path = "{folder}/workloads"
  trust_domain = "{domain}"
  insecure_bootstrap = true
}}
plugins {{
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
  WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}
"""
GUARDED = """
services: [{name: pay}]
mtls: [{name: proven, service: pay, mode: strict}]
authorization: [{name: readers, service: pay, allow: [{callers: [front]}]}]
retries: [{name: again, service: pay, attempts: 3}]
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path, as that of a socket has to be."""
    with tempfile.TemporaryDirectory(prefix="spire-") as made:
        (Path(made) / "agent").mkdir()
        yield Path(made)


@asynccontextmanager
async def process(log: Path, *command: str) -> AsyncIterator[None]:
    with log.open("wb") as output:
        started = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:
        yield
    finally:
        started.terminate()
        await started.wait()


async def tell(folder: Path, *command: str) -> str:
    """What the server answers; it may still be starting."""
    async with asyncio.timeout(DEADLINE):
        while True:
            called = await asyncio.create_subprocess_exec(
                "spire-server", *command, "-socketPath", str(folder / "api"), stdout=asyncio.subprocess.PIPE
            )
            output, _ = await called.communicate()
            if called.returncode == 0:
                return output.decode()
            await asyncio.sleep(0.5)


@asynccontextmanager
async def spire(folder: Path, *services: str) -> AsyncIterator[str]:
    """The address of a Workload API that gives this process the identities of services."""
    values = {"folder": folder, "domain": DOMAIN, "port": free_port()}
    (folder / "server.conf").write_text(SERVER.format(**values))
    (folder / "agent.conf").write_text(AGENT.format(**values))
    host = f"spiffe://{DOMAIN}/host"
    async with process(folder / "server.log", "spire-server", "run", "-config", str(folder / "server.conf")):
        token = json.loads(await tell(folder, "token", "generate", "-spiffeID", host, "-output", "json"))["value"]
        for service in services:
            entry = ("-spiffeID", f"spiffe://{DOMAIN}/ns/default/sa/{service}", "-selector", f"unix:uid:{os.geteuid()}")
            await tell(folder, "entry", "create", "-parentID", host, *entry, "-x509SVIDTTL", str(TTL))
        arguments = ("-config", str(folder / "agent.conf"), "-joinToken", token)
        async with process(folder / "agent.log", "spire-agent", "run", *arguments):
            yield f"unix://{folder}/workloads"


async def test_envoys_have_identities_of_spire_and_its_rotations_fail_no_request(tmp_path: Path, folder: Path) -> None:
    needs_envoy()
    if missing := [each for each in ("spire-server", "spire-agent") if shutil.which(each) is None]:
        pytest.skip(f"no {' and no '.join(missing)} on the PATH")
    found, ended = Counter[int](), asyncio.Event()
    async with (
        spire(folder, "pay", "front") as address,
        Mesh(tmp_path / "control", options=Options(trust_domain=DOMAIN)) as mesh,
    ):
        pay, inbound, outbound = await mesh.upstream("pay"), free_port(), free_port()
        await mesh.publish(GUARDED)
        common = {"control": {"address": f"127.0.0.1:{mesh.port}"}, "identity": {"workload_api": address}}
        serving = {"service": "pay", "node": "pay", "inbound": {"port": inbound, "application": f"127.0.0.1:{pay.port}"}}
        calling = {"service": "front", "node": "front", "outbound": {"port": outbound}}
        async with (
            running(tmp_path / "pay", clock.system, **common, **serving) as at_pay,
            running(tmp_path / "front", clock.system, **common, **calling) as at_front,
        ):
            await until(lambda: mesh.has("pay") and mesh.has("front"), "both have their configuration")
            async with Connection(outbound) as first, asyncio.timeout(DEADLINE):
                while (await first.get("pay"))[0] != 200:  # noqa: ASYNC110 - callers learn of an agent a moment after it came
                    await asyncio.sleep(0.05)
            assert pay.seen[-1]["x-forwarded-client-cert"].endswith(f"uri=spiffe://{DOMAIN}/ns/default/sa/front")
            ours = Authority(tmp_path / "ours.pem", DOMAIN, HOUR, clock.system())
            tls = context(tmp_path, "ours", ours.issue("front", clock.system()), ours.bundle)
            assert await status_of(inbound, tls) is None

            async def load(requests: int) -> None:
                while not ended.is_set():
                    async with Connection(outbound) as one:
                        for _ in range(requests):
                            found[(await one.get("pay"))[0]] += 1

            def used() -> float:
                return min(each.metric("spanloom_agent_identities_total", result="used") for each in (at_pay, at_front))

            async with asyncio.TaskGroup() as group:
                group.create_task(load(100))
                group.create_task(load(1))
                start = used()
                await until(lambda: used() >= start + ROTATIONS, "both have new certificates")
                before = found.total()
                await until(lambda: found.total() >= before + 20, "requests go on")
                ended.set()
            assert found.keys() == {200}, found
