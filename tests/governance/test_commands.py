"""The control plane as a process, governed by its commands, with an Envoy."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import orjson
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from governance.config import ControlPlaneConfig
from governance.stores.sqlite import SqliteStore
from governance.trail import Trail
from spanloom import clock
from spanloom.cli import main
from spanloom.control_client import ControlClient
from stores.duckdb.store import DuckDbStore
from stores.store import Query
from telemetry.audit import verify
from telemetry.documents import Kind
from telemetry.errors import SpanloomError
from tests.governance.mesh import DEADLINE, Connection, Upstream, needs_envoy, running_envoy
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WAVES = """
control:
  rollout: {waves: [{soak_seconds: 0}]}
"""
SHOP = """
services: [{{name: pay, endpoints: [{{address: 127.0.0.1, port: {port}}}]}}]
"""


async def run(folder: Path, *arguments: str, code: int = 0) -> str:
    """What a command prints."""
    runner = CliRunner(env={"SPANLOOM_DATA_DIR": str(folder / "data")})
    result = await asyncio.to_thread(runner.invoke, main, arguments)
    assert result.exit_code == code, result.output
    return result.output


@asynccontextmanager
async def controlling(folder: Path, http: int, xds: int, config: str = WAVES, *, kill: bool = False) -> AsyncIterator[str]:
    """`spanloom control` as a process, killed at the end or stopped; gives its URL."""
    (folder / "control.yml").write_text(config)
    variables = {
        "SPANLOOM_DATA_DIR": str(folder / "data"),
        "SPANLOOM_CONSOLE__PORT": str(http),
        "SPANLOOM_CONTROL__PORT": str(xds),
    }
    with (folder / "control.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "spanloom.cli", "control", "--once", "--config", str(folder / "control.yml")),
            env={**os.environ, **variables},
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{http}"
    try:
        async with asyncio.timeout(DEADLINE), ControlClient(url) as client:
            while True:
                try:
                    await client.fleet()
                except SpanloomError as error:
                    if "token" in str(error) or "401" in str(error) or "log in" in str(error).lower():
                        break
                    assert process.returncode is None, (folder / "control.log").read_text()
                    await asyncio.sleep(0.1)
                else:
                    break
        yield url
        if kill:
            process.kill()
        else:
            process.terminate()
        assert await process.wait() == (-signal.SIGKILL if kill else 0), (folder / "control.log").read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_policy_goes_from_a_file_to_requests_and_back(tmp_path: Path) -> None:
    needs_envoy()
    http, xds = free_port(), free_port()
    port = free_port()
    async with Upstream("v1") as one, Upstream("v2") as two, controlling(tmp_path, http, xds) as url:
        first, second = tmp_path / "first.yml", tmp_path / "second.yml"
        first.write_text(SHOP.format(port=one.port))
        second.write_text(SHOP.format(port=two.port))
        assert "1 services, no policies" in await run(tmp_path, "policy", "check", str(first), "--url", url)
        assert "revision 1 is on its way" in await run(tmp_path, "policy", "push", str(first), "--url", url)
        async with running_envoy(tmp_path, "front-1", "front", xds, outbound=port):
            await waved(tmp_path, url, "revision 1: done")
            await reached(tmp_path, url, "1")
            async with Connection(port) as kept:
                assert await kept.get("pay") == (200, "v1")
                changes = await run(tmp_path, "policy", "diff", str(second), "--url", url, code=1)
                assert f"-services: [{{name: pay, endpoints: [{{address: 127.0.0.1, port: {one.port}}}]}}]" in changes
                await run(tmp_path, "policy", "push", str(second), "--url", url, "--comment", "to v2")
                await reached(tmp_path, url, "2")
                assert await kept.get("pay") == (200, "v2")
                assert await run(tmp_path, "policy", "diff", str(second), "--url", url) == ""
                again = await run(tmp_path, "policy", "rollback", "1", "--url", url)
                assert again == "revision 3, the document of revision 1, is on its way\n"
                await reached(tmp_path, url, "3")
                assert await kept.get("pay") == (200, "v1")
            listed = await run(tmp_path, "fleet", "list", "--url", url)
            assert listed == "front-1  front  connected  revision 3  \n"
        history = await run(tmp_path, "policy", "history", "--url", url)
        assert "local  stable  to v2" in history
        assert history.startswith("3  ")
        (tmp_path / "trail.jsonl").write_text(await run(tmp_path, "policy", "audit", "--url", url))
        assert "governance: " in await run(tmp_path, "audit", "verify", str(tmp_path / "trail.jsonl"))
        none = await run(tmp_path, "policy", "rollback", "--url", url, code=1)
        assert "no revision is on its way" in none
        first.write_text("services: [{name: pay, port: 1}]")
        assert ":1:24: services[0].port: unknown field" in await run(
            tmp_path, "policy", "push", str(first), "--url", url, code=1
        )


PLAN = """
services:
- name: pay
  endpoints: [{address: 127.0.0.1, port: 9001, labels: {v: a}}, {address: 127.0.0.1, port: 9002, labels: {v: b}}]
routes: [{name: pay, service: pay, rules: [{deliver: {old: {v: a}, new: {v: b}, steps: [5%, 100%]}}]}]
"""


async def test_a_delivery_is_shown_paused_resumed_promoted_and_aborted(tmp_path: Path) -> None:
    async with controlling(tmp_path, free_port(), free_port()) as url:
        (tmp_path / "plan.yml").write_text(PLAN)
        await run(tmp_path, "policy", "push", str(tmp_path / "plan.yml"), "--url", url)
        await waved(tmp_path, url, "revision 1: done")
        async with asyncio.timeout(DEADLINE):
            while "delivery of pay: advancing at 5 %: waits: " not in await run(tmp_path, "fleet", "waves", "--url", url):
                pass
        for action, said in (
            ("pause", "paused at 5 %"),
            ("resume", "advancing at 5 %"),
            ("promote", "completed at 100 %"),
            ("abort", "rolled-back at 0 %"),
        ):
            found = await run(tmp_path, "fleet", "deliver", action, "pay", "--url", url, "--why", "a test")
            assert found == f"delivery of pay: {said}\n"
        assert "rolled-back at 0 %: a test\n" in await run(tmp_path, "fleet", "waves", "--url", url)
        refused = await run(tmp_path, "fleet", "deliver", "pause", "pay", "--url", url, code=1)
        assert "pause: the delivery of pay is rolled-back" in refused
        trail = [orjson.loads(each) for each in (await run(tmp_path, "policy", "audit", "--url", url)).splitlines()]
        actions = [each["data"] for each in trail if each["event"] == "delivery" and each["data"]["author"]]
        assert [each["state"] for each in actions] == ["paused", "advancing", "completed", "rolled-back"]
        assert {(each["author"], each["why"]) for each in actions} == {("local", "a test")}


async def reached(folder: Path, url: str, revision: str) -> None:
    """Wait until the agent has a revision."""
    async with asyncio.timeout(DEADLINE):
        while True:
            found = orjson.loads(await run(folder, "fleet", "list", "--json", "--url", url))
            if found["stable"] == revision and [each["revision"] for each in found["agents"]] == [revision]:
                return


async def waved(folder: Path, url: str, expected: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while not (await run(folder, "fleet", "waves", "--url", url)).startswith(expected):
            pass


async def test_the_trail_of_policies_is_in_that_of_the_product(tmp_path: Path) -> None:
    revisions, store = SqliteStore(tmp_path / "control.sqlite"), DuckDbStore(tmp_path / "store.duckdb")
    await revisions.add("routes: []", "ann", "", clock.system())
    await revisions.add("mtls: []", "ann", "", clock.system())
    trail = Trail(revisions, store.write)
    assert (await trail.copy(), await trail.copy()) == (2, 0)
    assert await Trail(revisions, store.write).copy() == 2  # of a process that was started again
    found = sorted(await store.find(Query(Kind.AUDIT)), key=lambda each: each["sequence"])
    assert [each["event"] for each in found] == ["revision-added", "revision-added"]
    assert verify(found) == []
    await revisions.close()
    await store.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_port_that_others_reach_needs_certificates(host: str) -> None:
    with pytest.raises(ValidationError, match="set tls with client_ca"):
        ControlPlaneConfig(host=host, port=18000)
