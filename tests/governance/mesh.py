"""A control plane, Envoys that it governs, and servers behind them: all real, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Self

import pytest
from prometheus_client import CollectorRegistry

from components.durations import SECOND
from components.xds.contract import LIMITS, NODE_METADATA, RUNTIME_LAYER
from components.xds.pool import TYPE_PREFIX
from components.xds.program import envoy_program
from governance.ads import Ads
from governance.compile.site import Options
from governance.control import ControlPlane, Settings
from governance.limits.service import LimitService
from governance.limits.windows import Windows
from governance.metrics import ControlMetrics
from governance.stores.sqlite import SqliteStore
from governance.svid.discovery import SecretDiscovery
from governance.waves.rollout import AlwaysGood, RolloutConfig, WaveConfig
from governance.xds.server import XdsServer
from spanloom import clock
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection
    from pathlib import Path
    from types import TracebackType

    import grpc

    from governance.revisions import RevisionStore
    from governance.svid.secrets import Issuer
    from governance.waves.rollout import Judge

DEADLINE = 120.0
"""Seconds after which what should happen at once counts as not happening."""
AT_ONCE = RolloutConfig(waves=(WaveConfig(soak_seconds=0),))


def needs_envoy() -> None:
    if envoy_program() is None:
        pytest.skip("no Envoy: its wheel is for Linux on x86-64 and aarch64")


async def until(holds: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while not holds():  # noqa: ASYNC110 - what others, processes among them, do
            await asyncio.sleep(0.01)
    assert holds(), what


class Upstream:
    """An HTTP server that answers with its name and `padding`; `hits` counts requests."""

    def __init__(self, name: str) -> None:
        self.name, self.hits, self.status, self.port, self.held = name, 0, 200, 0, asyncio.Event()
        self.held.set()
        self.padding = ""
        self.seen: list[dict[str, str]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.held.set()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                await reader.readexactly(int(headers.get("content-length", 0)))
                self.hits += 1
                self.seen.append({**headers, ":path": head[0].split()[1]})
                await self.held.wait()
                body = (self.name + self.padding).encode()
                writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        writer.close()


class Connection:
    """One kept connection to a port."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()

    async def get(self, host: str, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, str]:
        """The status and the body."""
        status, body, _ = await self.ask(host, path, method, **headers)
        return status, body

    async def ask(self, host: str, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        """The status, the body, and the headers."""
        lines = [
            f"{method} {path} HTTP/1.1",
            f"host: {host}",
            *(f"{name.replace('_', '-')}: {each}" for name, each in headers.items()),
        ]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(DEADLINE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            got = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            if got.get("transfer-encoding") == "chunked":
                body = b""
                while size := int(await self._reader.readline(), 16):
                    body += await self._reader.readexactly(size)
                    await self._reader.readexactly(2)
                await self._reader.readexactly(2)
            else:
                body = await self._reader.readexactly(int(got.get("content-length", 0)))
        return int(head[0].split()[1]), body.decode(), got


class Mesh:
    """See the module."""

    def __init__(
        self,
        folder: Path,
        rollout: RolloutConfig = AT_ONCE,
        judge: Judge | None = None,
        options: Options | None = None,
        *,
        check: bool = False,
        issuer: Issuer | None = None,
        store: Callable[[], RevisionStore] | None = None,
        now: Callable[[], int] = clock.system,
        alarms: Callable[[Collection[str], int, int], str] | None = None,
    ) -> None:
        self.folder, self._stack = folder, AsyncExitStack()
        self._settings = Settings(rollout, options or Options(), check_with_envoy=check)
        self._judge, self._issuer, self._now = judge or AlwaysGood(), issuer, now
        self._alarms = alarms
        self._store = store or (lambda: SqliteStore(folder / "control.sqlite"))
        self.envoys = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        await self.stop()

    async def start(self) -> None:
        """The control plane alone; again after `stop`, on the same port."""
        self._own = AsyncExitStack()
        self.store = self._store()
        self._own.push_async_callback(self.store.close)
        self.registry = CollectorRegistry()
        self.metrics = ControlMetrics(self.registry)
        self._limits = LimitService(Windows(1000), self.metrics, self._now)
        self.control = await self._own.enter_async_context(
            ControlPlane(self._settings, self.store, self._judge, self.metrics, self._now, self._issuer, self._alarms)
        )
        server = XdsServer(f"127.0.0.1:{self.port}", self.handlers())
        self.port = (await self._own.enter_async_context(server)).port

    async def stop(self) -> None:
        await self._own.aclose()

    @asynccontextmanager
    async def on_socket(self, path: Path) -> AsyncIterator[Path]:
        """The same on a Unix socket, which namespaces of networks do not divide."""
        async with XdsServer(f"unix:{path}", self.handlers()):
            yield path

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """What the control plane serves; its counters of limits are of one `start`."""
        found = [Ads(self.control.fleet, self.metrics).handler(), self._limits.handler()]
        if (identities := self.control.identities) is not None:
            found.append(SecretDiscovery(identities.streams, self.metrics).handler())
        return found

    async def publish(self, text: str, **settings: object) -> str:
        """A revision that has reached all agents."""
        revision = await self.control.publish(text, "test.yml", "ann", **settings)  # type: ignore[arg-type]
        await until(lambda: self.control.rollout is None or self.control.rollout.ended, "the rollout ends")
        return revision.number

    async def upstream(self, name: str) -> Upstream:
        return await self._stack.enter_async_context(Upstream(name))

    async def envoy(self, service: str, *, delta: bool = False, name: str = "", **workload: object) -> str:
        """Start an Envoy and wait until it has what it is to have; its node's id."""
        needs_envoy()
        self.envoys += 1
        node = name or f"{service}-{self.envoys}"
        await self._stack.enter_async_context(running_envoy(self.folder, node, service, self.port, delta=delta, **workload))
        await until(lambda: self.has(node), f"{node} has its configuration")
        return node

    def has(self, node: str) -> bool:
        """Whether an agent has what it is to have."""
        agent = self.control.fleet.find(node)
        return agent is not None and agent.reached == self.control.revision_for(agent) and agent.connected


@asynccontextmanager
async def running_envoy(
    folder: Path, node: str, service: str, port: int, *, delta: bool = False, **workload: object
) -> AsyncIterator[int]:
    """An Envoy as an agent would start it; gives the port of its administration."""
    admin = free_port()
    path = folder / f"{node.replace('/', '_')}.json"
    path.write_text(json.dumps(bootstrap(node, service, port, admin, workload, delta=delta)))
    program = str(envoy_program())
    with (folder / f"{node.replace('/', '_')}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(program, "-c", str(path), "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"),
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        yield admin
    finally:
        process.kill()
        await process.wait()


def bootstrap(node: str, service: str, port: int, admin: int, workload: dict[str, object], *, delta: bool) -> dict[str, object]:
    ads = {"ads": {}, "resource_api_version": "V3"}
    http = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "node": {"id": node, "cluster": service, "metadata": {NODE_METADATA: workload}},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC" if delta else "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "ads"}}],
            },
            "cds_config": ads,
            "lds_config": ads,
        },
        "layered_runtime": {"layers": [{"name": "rtds", "rtds_layer": {"name": RUNTIME_LAYER, "rtds_config": ads}}]},
        "static_resources": {
            "clusters": [
                {
                    "name": name,
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": {
                        http: {"@type": TYPE_PREFIX + http, "explicit_http_config": {"http2_protocol_options": {}}}
                    },
                    "load_assignment": {
                        "cluster_name": name,
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                    },
                }
                for name in ("ads", LIMITS)
            ]
        },
    }


def in_seconds(seconds: int) -> str:
    """A time from now, as policies write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.system() // SECOND + seconds))
