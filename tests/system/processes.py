"""Real processes of the product for the system tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from pathlib import Path


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Up:
    """`spanloom up` on ports and a folder of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.otlp = f"http://127.0.0.1:{(http := free_port())}"
        self.console = f"http://127.0.0.1:{(console := free_port())}"
        self.environment = {
            **os.environ,
            "SPANLOOM_DATA_DIR": str(folder / "data"),
            "SPANLOOM_OTLP_HTTP": f"127.0.0.1:{http}",
            "SPANLOOM_OTLP_GRPC": f"127.0.0.1:{free_port()}",
            "SPANLOOM_CONSOLE": f"127.0.0.1:{console}",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def store_file(self) -> Path:
        """Where its documents are."""
        return self.folder / "data" / "spanloom.duckdb"

    def start(self) -> None:
        """Start; `wait_ready` tells when it answers."""
        with (self.folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "spanloom.cli", "up"], env=self.environment, stdout=log, stderr=log
            )

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Return when it takes telemetry."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "up.log").read_text()[-3000:]
            try:
                if httpx2.get(f"{self.console}/healthz", timeout=2).is_success:
                    return
            except httpx2.HTTPError:
                time.sleep(0.05)
        raise AssertionError(f"not ready: {(self.folder / 'up.log').read_text()[-3000:]}")

    def kill(self) -> None:
        """kill -9; its child dies with it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait. Safe twice."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=60)

    def status(self) -> dict[str, Any]:
        """Its counters."""
        found: dict[str, Any] = httpx2.get(f"{self.console}/api/v1/status", timeout=30).json()
        return found
