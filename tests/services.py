"""A real Elasticsearch and a real Kafka for the tests that need them, one each a session, on free ports of loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVICES = Path(__file__).parents[1] / "services"
PATIENCE = 120.0
"""Seconds in which a service must listen; on two busy cores it takes 5 to 30."""


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty Elasticsearch."""
    port = free_port(beside=100)
    url = f"http://127.0.0.1:{port}"
    with running("elasticsearch", tmp_path_factory.mktemp("elasticsearch"), port, lambda: answers(f"{url}/_cluster/health")):
        yield url


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of an empty Kafka broker."""
    port = free_port(beside=1)
    with running("kafka", tmp_path_factory.mktemp("kafka"), port, lambda: listens(port)):
        yield f"127.0.0.1:{port}"


@contextmanager
def running(name: str, folder: Path, port: int, ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """One of services/ in a process of its own, from ready to ended. Skips where it cannot be had, and says why."""
    script = SERVICES / name / "run"
    fetched = subprocess.run([script, "fetch"], capture_output=True, text=True, check=False)
    if fetched.returncode:
        reason = (fetched.stderr.strip().splitlines() or ["no reason given"])[-1]
        if os.environ.get("SPANLOOM_SERVICES_REQUIRED"):
            pytest.fail(f"no {name}: {reason}")
        pytest.skip(f"NO {name.upper()}: {reason}")
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen([script, folder / "data", str(port)], stdout=output, stderr=output) as process,
    ):
        try:
            deadline = time.monotonic() + PATIENCE
            while not ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"{name} did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.2)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port(beside: int) -> int:
    """A port that is free, and so is the one `beside` it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + beside))
            except (OSError, OverflowError):
                continue
            return port


def answers(url: str) -> bool:
    """Whether an HTTP server says 200 there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def listens(port: int) -> bool:
    """Whether someone accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
