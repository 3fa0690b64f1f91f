"""The table of rules while Envoy runs: set by a process that holds it, which the guard starts and watches."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from agent.errors import InterceptError

HOLDER = Path(__file__).with_name("holder.py")
SET_SECONDS = 20.0
"""How long setting the rules may last."""


class NftTable:
    """Rules in this network namespace. It needs CAP_NET_ADMIN.

    Args:
        rules: text for nftables.
    """

    def __init__(self, rules: str) -> None:
        self._rules = rules
        self._holder: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self.gone = asyncio.Event()

    async def begin(self, envoy: int) -> None:
        """Set the rules; they vanish when the process of this id ends.

        Raises:
            InterceptError: they cannot be set.
        """
        await self.end()
        self._holder = holder = await _start(str(envoy), str(os.getpid()))
        answer = await _say(holder, self._rules)
        if answer != "set":
            await self.end()
            raise InterceptError(answer or "the process that holds the rules ended")
        self._watch = asyncio.create_task(self._wait(holder))

    async def _wait(self, holder: asyncio.subprocess.Process) -> None:
        await holder.wait()
        self.gone.set()

    async def end(self) -> None:
        """Remove the rules. Safe before `begin` and twice."""
        holder, self._holder = self._holder, None
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        if holder is not None and holder.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                holder.kill()  # the kernel removes what it held
            await holder.wait()
        self.gone.clear()


async def set_lasting(rules: str) -> None:
    """Set rules that stay.

    Raises:
        InterceptError: they cannot be set.
    """
    setter = await _start()
    answer = await _say(setter, rules)
    if setter.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            setter.kill()
    await setter.wait()
    if answer != "set":
        raise InterceptError(answer or "the process that sets the rules ended")


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(HOLDER), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def _say(holder: asyncio.subprocess.Process, rules: str) -> str:
    if holder.stdin is None or holder.stdout is None:
        return ""
    holder.stdin.write(rules.encode() + b"\0")
    try:
        return (await asyncio.wait_for(holder.stdout.readline(), SET_SECONDS)).decode(errors="replace").strip()
    except (TimeoutError, ConnectionError, ValueError) as error:
        return f"nftables does not answer: {error!r}"
