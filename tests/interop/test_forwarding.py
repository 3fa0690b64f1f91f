"""Alerts sent on to a real Alertmanager of Debian's package, which is down at first; skipped where that is missing."""

from __future__ import annotations

import asyncio
import shutil
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from alerting.alert_state import AlertChange, AlertState, fingerprint
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.notify.forward import AlertForwarder, AlertmanagersConfig
from spanloom import clock
from spanloom.components import NOTIFIERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not BINARY, reason="no alertmanager on the PATH (Debian: prometheus-alertmanager)"),
]
OWN = {"alertname": "Slow", "service": "cart"}
CONFIG = "route: {receiver: a}\nreceivers: [{name: a}]\n"


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@asynccontextmanager
async def alertmanager(folder: Path, port: int) -> AsyncIterator[None]:
    (folder / "am.yml").write_text(CONFIG)
    process = await asyncio.create_subprocess_exec(
        str(BINARY), f"--config.file={folder / 'am.yml'}", f"--storage.path={folder}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def change(now: int, state: AlertState) -> AlertChange:
    ended = now if state is AlertState.RESOLVED else 0
    return AlertChange(fingerprint(OWN), state, OWN, {"summary": "s"}, 1.0, now, now, now - 10**9, ended)


async def test_an_alertmanager_that_is_down_hears_of_alerts_when_it_is_back_and_of_their_end(tmp_path: Path) -> None:
    port = free_port()
    manager = Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS), external_labels={"site": "a"})
    config = AlertmanagersConfig.model_validate({"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]})
    now = clock.system
    async with httpx2.AsyncClient(trust_env=False) as client:
        forwarder = AlertForwarder([config], client, now, lambda: {"default": manager.alert_store})

        async def theirs() -> list[dict[str, Any]]:
            try:
                found: list[dict[str, Any]] = (await client.get(f"http://127.0.0.1:{port}/api/v2/alerts")).json()
            except httpx2.HTTPError:
                return []
            return found

        async def until(count: int) -> list[dict[str, Any]]:
            async with asyncio.timeout(60):
                while len(found := await theirs()) != count:
                    forwarder.advance()
                    await asyncio.sleep(0.2)  # another process has no event to await
                return found

        try:
            manager.handle([change(now(), AlertState.FIRING)], now())
            forwarder.advance()
            async with asyncio.timeout(20):
                while not any(counts.errors for counts in forwarder.counts.values()):  # noqa: ASYNC110  # it has no event
                    await asyncio.sleep(0.05)
            async with alertmanager(tmp_path, port):
                (held,) = await until(1)
                assert held["labels"] == {**OWN, "site": "a"}
                (ours,) = manager.alert_store
                assert held["fingerprint"] == ours.fingerprint
                manager.handle([change(now(), AlertState.RESOLVED)], now())
                await until(0)
        finally:
            await forwarder.close()
