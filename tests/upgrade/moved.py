"""`spanloom up` of any release in a folder, at another time of day, and what is said to it."""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
from typing import TYPE_CHECKING, Protocol

from spanloom import clock
from tests.system.processes import Up
from tests.upgrade import scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx2

    from tests.system.test_alerting import OnCall


class Receives(Protocol):
    """Where telemetry is sent to."""

    otlp: str

    def now(self) -> int:
        """The time there, nanoseconds since the epoch."""
        ...


class MovedClock:
    """A time of day of processes of any release. It stands until it is told to run on: a start takes none of it.

    Args:
        folder: of its own; what these processes need as PYTHONPATH.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self._go, self._base = folder, folder / "go", 0

    def stand_at(self, time: int) -> None:
        """Of processes that start from now on; none may run."""
        self._base = time
        self._go.unlink(missing_ok=True)
        (self.folder / "sitecustomize.py").write_text(_MOVED.format(base=time, go=str(self._go)))

    def run_on(self) -> None:
        """From where it stands."""
        self._go.touch()

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        return self._base + (clock.system() - self._go.stat().st_mtime_ns if self._go.exists() else 0)


_MOVED = """
import os, time
real, base, go = time.time_ns, {base}, {go!r}
def time_ns():
    try:
        return base + real() - os.stat(go).st_mtime_ns
    except FileNotFoundError:
        return base
time.time_ns = time_ns
"""

PROTOBUF = {"content-type": "application/x-protobuf"}


class MovedUp(Up):
    """Of the release that a Python has installed. It runs in its folder: where this checkout is, it would be imported.

    Args:
        folder: of its data; files are named from there.
        time: what it takes for the time of day.
        python: of an environment in which a release is installed.
    """

    def __init__(self, folder: Path, time: MovedClock, python: Path, **settings: str) -> None:
        super().__init__(folder, **settings)
        self.environment["PYTHONPATH"] = str(time.folder)
        self._python, self.now = python, time.now

    def start(self) -> None:
        """As `Up.start`."""
        with (self.folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._python, "-m", "spanloom.cli", "up"], env=self.environment, cwd=self.folder, stdout=log, stderr=log
            )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command of that release, to its end."""
        command = [str(self._python), "-m", "spanloom.cli", *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )


def links(on_call: OnCall) -> dict[str, str]:
    """Where a repair is approved, by service."""
    found = {}
    for payload in on_call.got:
        for alert in payload["alerts"]:
            link = re.search(r"https?://[^/]+(/api/v1/incidents/[^\s\"]+)", json.dumps(alert["annotations"]))
            if alert["labels"]["alertname"] == "RepairApprovalRequested" and link is not None:
                found[alert["labels"]["service"]] = link[1]
    return found


async def report(client: httpx2.AsyncClient, up: Receives, queues: dict[str, float], latency: Callable[[], float]) -> None:
    """Twice a second, until cancelled."""
    chance = random.Random(4)
    while True:
        for path, body in scenario.present_requests(up.now(), queues, latency(), chance):
            await post(client, up, path, body)
        await asyncio.sleep(0.5)


async def post(client: httpx2.AsyncClient, up: Receives, path: str, body: bytes) -> None:
    """Until it is acknowledged."""
    (await client.post(f"{up.otlp}/v1/{path}", content=body, headers=PROTOBUF)).raise_for_status()
