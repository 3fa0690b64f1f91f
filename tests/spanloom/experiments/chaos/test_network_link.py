"""A real link between two network namespaces, made and removed again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from spanloom.experiments.chaos.impairment import Impairment
from spanloom.experiments.chaos.network_link import PREFIX, Ends, Link, remove_leftovers, unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=f"a link between network namespaces {unavailable()}")

MS = 1_000_000
ECHO = """
import socket, sys
with socket.create_server((sys.argv[1], 0)) as server:
    print(server.getsockname()[1], flush=True)
    connection, _ = server.accept()
    while data := connection.recv(65536):
        connection.sendall(data)
"""


@asynccontextmanager
async def echo(host: str, *inside: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    process = await asyncio.create_subprocess_exec(*inside, sys.executable, "-c", ECHO, host, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    reader, writer = await asyncio.open_connection(host, int(await process.stdout.readline()))
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()
        await process.wait()


def namespaces() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout


async def test_bytes_cross_the_link_late_or_after_losses_and_none_is_missing(tmp_path: Path) -> None:
    async with Link(tmp_path / "link.log", seed=1) as link:
        ends = link.ends
        assert ends.namespace in namespaces()
        async with echo(ends.far, "ip", "netns", "exec", ends.namespace) as (reader, writer):

            async def there_and_back(sent: bytes) -> float:
                began = time.monotonic()
                writer.write(sent)
                assert await reader.readexactly(len(sent)) == sent
                return time.monotonic() - began

            await there_and_back(b"hello")
            await link.impair(Impairment(latency=40 * MS), Impairment(latency=20 * MS))
            assert await there_and_back(b"hello") >= 0.06
            await link.impair(Impairment(loss=0.2), Impairment(loss=0.2))
            for _ in range(10):
                await there_and_back(bytes(range(256)) * 20)
            assert (await link.impair())["lost"] > 0
    assert ends.namespace not in namespaces()


def test_what_a_killed_process_left_is_removed_by_the_next_run() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as dead:
        dead.wait()
    left, others = Ends.of(dead.pid).namespace, f"{PREFIX}of-{os.getpid()}"
    for name in (left, others):
        subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        asyncio.run(remove_leftovers())
        assert left not in namespaces()
        assert others in namespaces()
    finally:
        subprocess.run(["ip", "netns", "delete", others], check=True)


async def test_the_devices_go_with_their_carrier_even_after_kill_9(tmp_path: Path) -> None:
    async with Link(tmp_path / "link.log", seed=1) as link:
        device = f"/sys/class/net/{link.ends.near_device}"
        assert os.path.exists(device)  # noqa: ASYNC240, PTH110  a look into the kernel
        os.kill(link._forwarder.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while os.path.exists(device):  # noqa: ASYNC110, ASYNC240, PTH110  the kernel sends no event
                await asyncio.sleep(0.01)
