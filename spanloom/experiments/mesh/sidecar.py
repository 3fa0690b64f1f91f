"""Envoy beside the shop's delivery, run by `spanloom agent` and governed by the demo's own control plane."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from random import SystemRandom
from typing import TYPE_CHECKING

import httpx2
import yaml

from components.xds.program import envoy_program
from spanloom.experiments.process import Child, ChildError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from typing import Self

    from spanloom.experiments.options import Options

NODE = "delivery"
PORTS = range(24_000, 32_000)
"""Below those that the system gives to outgoing connections: a service binds seconds later."""
TRIES = 100
START_SECONDS = 90.0
POLL_SECONDS = 0.2
SHOWN_LINES = 10
EXPORT_SECONDS = 30.0
"""A machine that runs all of it may be slow to acknowledge; what is late is no loss."""


@dataclass(frozen=True, slots=True)
class MeshPorts:
    """Where the parts listen, all on loopback: the first five are those that the shop's supervisor is to know, in order."""

    inbound: int
    outbound: int
    delivery: int
    carrier: int
    canary: int
    xds: int
    probes: int

    def for_shop(self) -> tuple[str, ...]:
        """Arguments of the supervisor."""
        return "--mesh", *map(str, astuple(self)[:5])


def mesh_ports() -> MeshPorts | None:
    """Ports that are free now; None where there is no Envoy, and so no mesh.

    Raises:
        ChildError: no ports are free.
    """
    return MeshPorts(*_free(7)) if envoy_program() is not None else None


def _free(number: int) -> range:
    for _ in range(TRIES):
        first = SystemRandom().randrange(PORTS.start, PORTS.stop - number)
        found = range(first, first + number)
        with ExitStack() as stack:
            try:
                for port in found:
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return found
    raise ChildError(f"no {number} free ports in {PORTS.start} to {PORTS.stop} on loopback")


class Sidecar:
    """The agent's process from entering to leaving.

    Args:
        ports: where it listens, and where the control plane and the application do.
        options: of the run; its collector is on their OTLP port.
        environment: deployment.environment.name of what it sees.
    """

    def __init__(self, ports: MeshPorts, options: Options, environment: str) -> None:
        self._folder = options.data_dir / "agent-delivery"
        self._url = f"http://127.0.0.1:{ports.probes}"
        self._settings = {
            "agent": {
                "service": "delivery",
                "node": NODE,
                "environment": environment,
                "inbound": {"port": ports.inbound, "application": f"127.0.0.1:{ports.delivery}"},
                "outbound": {"port": ports.outbound},
                "control": {"address": f"127.0.0.1:{ports.xds}"},
                "collector": {
                    "address": f"{options.otlp_host}:{options.otlp_grpc_port}",
                    "timeout_seconds": EXPORT_SECONDS,
                },
            },
            "console": {"port": ports.probes},
            "data_dir": str(self._folder),
        }
        self._process: Child | None = None

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "agent.yml"
        file.write_text(yaml.safe_dump(self._settings))
        arguments = ["spanloom.cli", "agent", "--once", "--config", str(file)]
        self._process = Child("the agent of delivery", arguments, self._log, speaks=False)
        await self._process.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            await self._process.__aexit__()

    @property
    def _log(self) -> Path:
        return self._folder / "agent.log"

    async def ready(self, has_policies: Callable[[str], Awaitable[bool]]) -> None:
        """Wait until requests pass.

        Args:
            has_policies: whether a node has acknowledged those of the control plane.

        Raises:
            ChildError: it ended, or has not come so far in time.
        """
        give_up = time.monotonic() + START_SECONDS
        async with httpx2.AsyncClient(timeout=START_SECONDS) as client:
            while True:
                if self._process is not None:
                    self._process.check()
                try:
                    if (await client.get(f"{self._url}/readyz")).is_success and await has_policies(NODE):
                        return
                except httpx2.HTTPError:
                    pass  # it does not listen yet
                if time.monotonic() > give_up:
                    last = "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-SHOWN_LINES:])
                    raise ChildError(
                        f"the agent of delivery is not ready after {START_SECONDS:.0f} s; {self._log} ends:\n{last}"
                    )
                await asyncio.sleep(POLL_SECONDS)
