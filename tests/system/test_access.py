"""Access to real processes: strangers, web pages of others, addresses that strangers reach."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.system.processes import Up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.system

EVIL = {"Host": "rebind.evil.example", "Origin": "http://rebind.evil.example"}
RULE = "name: evil\nrules:\n- alert: ServiceCulprit\n  expr: vector(9)\n  labels: {service: cart}\n"
YAML = {"content-type": "application/yaml"}
KAFKA = {"SPANLOOM_LOG": "kafka://127.0.0.1:1", "SPANLOOM_STORE": "http://127.0.0.1:1"}


@pytest.fixture(params=["127.0.0.1", "127.0.0.2"])
def up(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Up]:
    """`spanloom up` as it ships, on two addresses of loopback."""
    started = Up(tmp_path)
    started.console = started.console.replace("127.0.0.1", request.param)
    started.environment["SPANLOOM_CONSOLE"] = started.console.removeprefix("http://")
    started.start()
    started.wait_ready()
    yield started
    started.stop()


async def test_neither_a_rebound_name_nor_a_page_nor_a_stranger_changes_anything(up: Up) -> None:
    stop, rules = f"{up.console}/api/v1/healing/stop", f"{up.console}/api/v1/rules/evil"
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        for proof in ({}, up.proof):
            assert (await client.post(stop, json={"who": "web page"}, headers=EVIL | proof)).status_code == 400
            assert (await client.post(rules, content=RULE, headers=YAML | EVIL | proof)).status_code == 400
            foreign = {"Origin": EVIL["Origin"]} | proof
            assert (await client.post(stop, json={}, headers=foreign)).status_code == 403
            assert (await client.get(f"{up.console}/api/v1/events", headers=foreign)).status_code == 403
        assert (await client.post(stop, json={"who": "ann"})).status_code == 401
        assert (await client.post(rules, content=RULE, headers=YAML)).status_code == 401
        assert (await client.get(f"{up.console}/api/v1/healing")).json()["stopped_by"] == ""
        assert (await client.post(stop, json={"who": "mallory"}, headers=up.proof)).json() == {"stopped_by": "local"}
    log = (up.folder / "up.log").read_text()
    assert up.proof["authorization"].removeprefix("Bearer ") not in log


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPANLOOM_")}
    command = [sys.executable, "-m", "spanloom.cli", *arguments]
    return subprocess.run(command, env=environment | settings, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "arguments",
    [("up",), ("up", "--once"), ("worker",), ("worker", "--once", "--stages", "score,act"), ("console",)],
    ids=" ".join,
)
def test_an_address_that_others_reach_is_refused_until_somebody_can_prove_who_they_are(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    settings = {"SPANLOOM_DATA_DIR": str(tmp_path), "SPANLOOM_CONSOLE": "0.0.0.0:8080"} | ({} if "up" in arguments else KAFKA)
    refused = run(*arguments, **settings)
    assert refused.returncode == 2
    said = refused.stdout + refused.stderr
    assert "set access.tokens (SPANLOOM_ACCESS__TOKENS; `spanloom token new --role admin`" in said
    assert "access.oidc" in said
    ingest = '[{"name": "app", "role": "ingest", "hash": "sha256:' + "0" * 64 + '"}]'
    assert run(*arguments, **settings, SPANLOOM_ACCESS__TOKENS=ingest).returncode == 2, "such a token opens no console"


async def test_a_terminal_gets_a_login_link_which_works(tmp_path: Path) -> None:
    up = Up(tmp_path)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        [sys.executable, "-m", "spanloom.cli", "up", "--once"], env=up.environment, stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    said = b""
    try:
        while (link := re.search(rb"http://\S+/login\?token=\S+", said)) is None or said[link.end() : link.end() + 1] == b"":
            said += await asyncio.to_thread(os.read, ours, 4096)
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as browser:
            login = await browser.get(link[0].decode())
            assert (login.status_code, login.headers["location"]) == (303, "/")
            stopped = await browser.post(f"{up.console}/api/v1/healing/stop", json={}, headers={"Origin": up.console})
            assert stopped.json() == {"stopped_by": "local"}
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 60)
        os.close(ours)
