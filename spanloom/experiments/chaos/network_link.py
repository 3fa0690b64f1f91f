"""A network of two hosts on one machine: a namespace of its own for one of them, and a link that can be made bad.

near (all others) ── device ── forwarder ── device ── far (in the namespace)

Addresses are of 198.18.0.0/15, which RFC 2544 keeps for tests of networks. The near one is an address of this machine, so
that processes outside the namespace reach it without the link.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spanloom.experiments.chaos.impairment import Impairment
from spanloom.experiments.process import Child
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from typing import Self

    from telemetry.documents import Body

PREFIX = "spanloom-chaos-"
TUN = Path("/dev/net/tun")
GOOD = Impairment()


class NetworkLinkError(SpanloomError):
    """The link could not be made."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Names and addresses of one link, distinguished by the process that makes it."""

    namespace: str
    near_device: str
    far_device: str
    near: str
    far: str

    @classmethod
    def of(cls, pid: int) -> Ends:
        """Those of a process. Processes whose pids are a multiple of 2^15 apart share addresses: the second link is refused."""
        number = pid % (1 << 15)
        high, low = 18 + (number >> 14), (number & 0x3FFF) << 2
        base = f"198.{high}.{low >> 8}."
        return cls(f"{PREFIX}{pid}", f"spl{pid}n", f"spl{pid}f", f"{base}{(low & 255) + 1}", f"{base}{(low & 255) + 2}")


def unavailable() -> str:
    """Why no link can be made here; empty when it can."""
    if os.geteuid() != 0:
        return "needs root, to make a network namespace"
    return "" if TUN.exists() else f"needs {TUN}"


class Link:
    """The namespace and the link, from entering to leaving. `log` gets what the forwarder writes to stderr."""

    def __init__(self, log: Path, seed: int) -> None:
        self.ends = Ends.of(os.getpid())
        arguments = ["spanloom.experiments.chaos.packet_forwarder", self.ends.near_device, self.ends.far_device, str(seed)]
        self._forwarder = Child("the link", arguments, log)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        ends = self.ends
        await remove_leftovers()
        try:
            await _ip("netns", "add", ends.namespace)
            self._stack.push_async_callback(_ip, "netns", "delete", ends.namespace)
            await self._stack.enter_async_context(self._forwarder)
            await self._forwarder.line()
            await _ip("link", "set", ends.far_device, "netns", ends.namespace)
            await _ip("address", "add", f"{ends.near}/30", "dev", ends.near_device)
            await _ip("link", "set", ends.near_device, "up")
            await _ip("-n", ends.namespace, "address", "add", f"{ends.far}/30", "dev", ends.far_device)
            await _ip("-n", ends.namespace, "link", "set", ends.far_device, "up")
            await _ip("-n", ends.namespace, "link", "set", "lo", "up")
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def impair(self, to_far: Impairment = GOOD, from_far: Impairment = GOOD) -> Body:
        """Make the link so, from now on; returns the counts of packets since the start: carried, lost, dropped."""
        counts: Body = await self._forwarder.ask({"to": asdict(to_far), "from": asdict(from_far)})
        return counts


async def remove_leftovers() -> None:
    """Remove the namespaces of ours whose makers were killed. Their devices went with them."""
    listed = await _ip("netns", "list")
    for name, pid in re.findall(rf"^({PREFIX}(\d+))\b", listed, re.MULTILINE):
        if int(pid) == os.getpid() or not _lives(int(pid)):
            await _ip("netns", "delete", name)


def _lives(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


async def _ip(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "ip", *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    if process.returncode:
        raise NetworkLinkError(f"ip {' '.join(arguments)}: {errors.decode(errors='replace').strip()}")
    return out.decode()
