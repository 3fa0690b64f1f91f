"""What the agent's tests share: Envoy or a skip that says why, an agent in this process, small HTTP servers, a client."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from agent.agent import TrafficAgent
from agent.config import AgentConfig
from components.http.health import Health
from components.xds.program import envoy_program
from spanloom import clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

needs_envoy = pytest.mark.skipif(envoy_program() is None, reason="no Envoy: its wheel is for Linux on x86-64 and aarch64")
DEADLINE = 90.0


class Backend(BaseHTTPRequestHandler):
    """Answers with what it was asked; `/slow` waits until the server's `release` is set."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.arrived.set()  # type: ignore[attr-defined]
            self.server.release.wait(DEADLINE)  # type: ignore[attr-defined]
        body = f"{self.server.name} {self.path}".encode()  # type: ignore[attr-defined]
        self.send_response(500 if "fail" in self.path else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def backend(name: str, host: str = "127.0.0.1") -> Iterator[Any]:
    """A server with `server_port`, and the events `arrived` and `release`."""
    server = ThreadingHTTPServer((host, 0), Backend)
    server.daemon_threads = True
    server.name, server.arrived, server.release = name, threading.Event(), threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.release.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
        server.server_close()


class Cable:
    """Carries connections to a port of loopback until it is cut: then nobody hears anything, as on a network that is gone."""

    def __init__(self, port: int) -> None:
        self._target, self.port = port, 0
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        self._whole.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        for source, sink in ((reader, back), (there, writer)):
            self._tasks.add(asyncio.create_task(self._carry(source, sink)))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


class Running:
    """An agent in this process, with a real Envoy."""

    def __init__(self, agent: TrafficAgent, registry: CollectorRegistry, health: Health) -> None:
        self.agent, self.registry, self.health = agent, registry, health

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    @property
    def envoy(self) -> int:
        return int(self.agent.status()["envoy_pid"])

    async def ready(self) -> None:
        await until(lambda: self.health.readyz().status == 200)


@asynccontextmanager
async def running(folder: Path, now: Callable[[], int] = clock.system, **settings: Any) -> AsyncIterator[Running]:
    registry, health = CollectorRegistry(), Health()
    settings.setdefault("collector", {"address": "127.0.0.1:9"})  # nobody listens there
    settings["envoy"] = {"drain_seconds": 5, **settings.get("envoy", {})}
    agent = TrafficAgent(AgentConfig(**{"service": "shop", **settings}), folder, now, registry, health)
    async with agent:
        task = asyncio.create_task(agent.run())
        try:
            yield Running(agent, registry, health)
        finally:
            task.cancel()
            await asyncio.wait({task})


def alive(pid: int) -> bool:
    """Whether there is a process of this id, a zombie too."""
    return Path(f"/proc/{pid}").exists()


def children(pid: int) -> list[int]:
    """Ids of the processes that its main thread started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def until(check: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """Wait for the state of another process."""
    async with asyncio.timeout(seconds):
        while True:
            if found := check():
                return found
            await asyncio.sleep(0.02)


async def get(url: str, **options: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=DEADLINE, proxy=options.pop("proxy", None)) as client:
        return await client.get(url, **options)


async def answered(url: str, status: int = 200) -> httpx2.Response:
    """Wait for this answer: what Envoy was given before it may still be in force."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                if (response := await get(url)).status_code == status:
                    return response
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.02)
