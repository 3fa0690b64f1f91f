"""Real processes of the product for the system tests."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from spanloom.access.local_token import authorization
from tests.services import answers, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping


def injected(folder: Path, source: str) -> str:
    """PYTHONPATH of a process that runs the source before all else: a fault of ours that no input brings about.

    Args:
        folder: empty.
        source: Python.
    """
    (folder / "sitecustomize.py").write_text(source)
    return os.pathsep.join([str(folder), str(Path.cwd())])


def run_command(
    environment: Mapping[str, str], *arguments: str, python: str = sys.executable, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A `spanloom` command, to its end."""
    command = [python, "-m", "spanloom.cli", *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


class Up:
    """`spanloom up` on ports and a folder of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        http = free_port(1, 2)
        grpc, console = http + 1, http + 2
        self.otlp, self.console = f"http://127.0.0.1:{http}", f"http://127.0.0.1:{console}"
        self.environment = {
            **os.environ,
            "SPANLOOM_DATA_DIR": str(folder / "data"),
            "SPANLOOM_OTLP_HTTP": f"127.0.0.1:{http}",
            "SPANLOOM_OTLP_GRPC": f"127.0.0.1:{grpc}",
            "SPANLOOM_CONSOLE": f"127.0.0.1:{console}",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def store_file(self) -> Path:
        """Where its documents are."""
        return self.folder / "data" / "spanloom.duckdb"

    @property
    def proof(self) -> dict[str, str]:
        """The header of its owner, who may change things."""
        return authorization(self.console, self.folder / "data")

    def start(self) -> None:
        """Start; `wait_ready` tells when it answers."""
        with (self.folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "spanloom.cli", "up"], env=self.environment, stdout=log, stderr=log
            )

    def limit_files(self, files: int) -> None:
        """How many files it and its children may open. To be called at once after `start`: children inherit it."""
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE, (files, files))

    def child(self) -> int:
        """The id of the process that does the work."""
        assert self._process is not None
        pid = self._process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def wait_ready(self, seconds: float = 120.0) -> None:
        """Return when it takes telemetry."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "up.log").read_text()[-3000:]
            if answers(f"{self.console}/healthz"):
                return
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
