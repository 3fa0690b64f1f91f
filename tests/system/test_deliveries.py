"""Progressive delivery as a whole: Envoy's own telemetry moves a good release to all calls, and a bad one back to none."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest

from spanloom import clock
from tests.agent.traffic import running
from tests.governance.mesh import Connection, Upstream, needs_envoy
from tests.services import free_port
from tests.system.exactness import QUICK
from tests.system.processes import Up
from tests.system.test_alerting import PATIENCE, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

PLAN = """
services:
- name: pay
  endpoints:
  - {address: 127.0.0.1, port: V1, labels: {version: v1}}
  - {address: 127.0.0.1, port: V2, labels: {version: v2}}
routes:
- name: pay
  service: pay
  rules: [{deliver: {old: {version: v1}, new: {version: v2}, steps: [20%, 60%, 100%], watch: 1s, calls: 20}}]
"""


class Release:
    """`spanloom up`, two versions of `pay`, an agent beside a caller of it, and its calls."""

    def __init__(self, folder: Path) -> None:
        self.xds, self.outbound = free_port(), free_port()
        self.up = Up(
            folder,
            SPANLOOM_CONTROL__PORT=str(self.xds),
            SPANLOOM_CONTROL__ROLLOUT=orjson.dumps({"waves": [{"soak_seconds": 0}]}).decode(),
            **QUICK,
        )
        self.failed = 0

    def agent(self) -> dict[str, Any]:
        """Of the caller."""
        return {
            "service": "front",
            "node": "front-1",
            "outbound": {"port": self.outbound},
            "control": {"address": f"127.0.0.1:{self.xds}"},
            "collector": {"address": self.up.environment["SPANLOOM_OTLP_GRPC"], "timeout_seconds": 5},
        }

    async def call(self) -> None:
        """Calls of users, until cancelled."""
        async with Connection(self.outbound) as kept:
            while True:
                self.failed += (await kept.get("pay"))[0] != 200
                await asyncio.sleep(0.02)

    async def start(self) -> None:
        self.up.start()
        await asyncio.to_thread(self.up.wait_ready)

    def post(self, path: str, content: str = "", **parameters: str) -> None:
        url = f"{self.up.console}/api/v1/policies{path}"
        httpx2.post(url, content=content, params=parameters, headers=self.up.proof, timeout=60).raise_for_status()

    def delivery(self) -> dict[str, Any]:
        """Where it is."""
        with contextlib.suppress(httpx2.HTTPError):  # it is being started
            url = f"{self.up.console}/api/v1/fleet"
            found = httpx2.get(url, headers=self.up.proof, timeout=30).json()["deliveries"]
            if found:
                return dict(found[0])
        return {"state": "", "share": 0.0, "steps": 0, "why": ""}

    def shown(self) -> str:
        """For a person, of a test that failed."""
        return f"{self.delivery()}\n{(self.up.folder / 'up.log').read_text()[-3000:]}"


async def only(kept: Connection, name: str) -> None:
    """Wait until thirty calls in a row are answered by one version: Envoy gets new weights a moment after they are decided."""
    async with asyncio.timeout(PATIENCE):
        while {await kept.get("pay") for _ in range(30)} != {(200, name)}:
            pass


async def test_a_bad_release_goes_back_and_a_good_one_completes_over_a_crash_with_nobody_touching_it(tmp_path: Path) -> None:
    needs_envoy()
    release = Release(tmp_path)
    async with Upstream("v1") as one, Upstream("v2") as two:
        two.status = 503
        await release.start()
        try:
            release.post("", PLAN.replace("V1", str(one.port)).replace("V2", str(two.port)))
            async with running(tmp_path / "agent", clock.system, **release.agent()) as agent:
                await agent.ready()
                async with Connection(release.outbound) as kept:
                    while (await kept.get("pay"))[1] not in {"v1", "v2"}:  # noqa: ASYNC110 - routes come a moment later
                        await asyncio.sleep(0.05)
                    calling = asyncio.create_task(release.call())
                    await until(lambda: release.delivery()["state"] == "rolled-back", release.shown, 2 * PATIENCE)
                    found = release.delivery()
                    assert (found["steps"], found["share"]) == (1, 0.0)
                    assert "calls of what is new failed, and 0 of" in found["why"]
                    await only(kept, "v1")

                    two.status, release.failed = 200, 0
                    release.post("/deliveries", service="pay", do="resume", why="mended")
                    await until(lambda: release.delivery()["steps"] >= 1, release.shown, 2 * PATIENCE)
                    release.up.kill()
                    await release.start()
                    await until(lambda: release.delivery()["state"] == "completed", release.shown, 2 * PATIENCE)
                    assert release.delivery()["share"] == 100.0
                    await only(kept, "v2")
                    assert not calling.done()
                    calling.cancel()
                    assert release.failed == 0
        finally:
            await asyncio.to_thread(release.up.stop)
