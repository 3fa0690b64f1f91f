"""A real Elasticsearch and a real Kafka for the tests that need them, one each a session, on free ports of loopback."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.certificates import make_certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVICES = Path(__file__).parents[1] / "deploy" / "local"
PATIENCE = 120.0
"""Seconds in which a service must listen; on two busy cores it takes 5 to 30."""

FIRST_PORT, PORTS_OF_PROCESS, PROCESSES = 10_000, 5_400, 4
"""Where the ports of tests begin, how many each process has, and for how many processes beside each other."""


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty Elasticsearch."""
    port = free_port(100)
    url = f"http://127.0.0.1:{port}"
    with running("elasticsearch", tmp_path_factory.mktemp("elasticsearch"), port, lambda: answers(f"{url}/_cluster/health")):
        yield url


KAFKA_USER, KAFKA_PASSWORD = "alice", "wonder land=1"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the broker's and its clients' certificates."""
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[str]:
    """HOST:PORT of an empty Kafka broker. `secure` tells where it wants a certificate or a password."""
    port = free_port(1, *SECURE.values())
    secrets = {"KAFKA_TLS": str(certificates), "KAFKA_USER": KAFKA_USER, "KAFKA_PASSWORD": KAFKA_PASSWORD}
    with running("kafka", tmp_path_factory.mktemp("kafka"), port, lambda: listens(port), **secrets):
        yield f"127.0.0.1:{port}"


SECURE = {"certificate": 2, "password": 3}
"""How far above its plain port the broker listens with TLS, by what it asks clients for."""


def secure(kafka: str, asks: str) -> str:
    """HOST:PORT of the same broker where it speaks TLS and asks for a `certificate` or a `password`."""
    host, _, port = kafka.partition(":")
    return f"{host}:{int(port) + SECURE[asks]}"


@contextmanager
def running(
    name: str, folder: Path, port: int, ready: Callable[[], bool], **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """One of deploy/local/ in a process of its own, from ready to ended. Skips where it cannot be had, and says why."""
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
        subprocess.Popen(
            [script, folder / "data", str(port)], stdout=output, stderr=output, env={**os.environ, **variables}
        ) as process,
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


def free_port(*beside: int) -> int:
    """A port that is free, and so are those so far above it.

    None of those that the system gives to outgoing connections (32768 and above): a service binds seconds later. Nor one
    that was given before, while there are others: who still talks to a service that ended must not reach another test's.
    Processes that run tests beside each other have each a share of the ports for themselves.
    """
    for _ in range(PORTS_OF_PROCESS):
        port = next(_ports)
        with ExitStack() as stack:
            try:
                for distance in (0, *beside):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + distance))
            except OSError:
                continue
            for _ in range(max(beside, default=0)):
                next(_ports)
            return port
    raise AssertionError("no port is free")


def _ports_of_process() -> Iterator[int]:
    """The ports of this process in turn, beginning anywhere.

    Chance is the system's: pytest-randomly seeds `random` alike in every run, and two at a time would take the same.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    begin = random.SystemRandom().randrange(PORTS_OF_PROCESS)
    first = FIRST_PORT + process % PROCESSES * PORTS_OF_PROCESS
    while True:
        for number in range(PORTS_OF_PROCESS):
            yield first + (begin + number) % PORTS_OF_PROCESS


_ports = _ports_of_process()


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
