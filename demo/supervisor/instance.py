"""One instance: its process, kept alive, and what it last said."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from demo.supervisor.roster import Role

log = logging.getLogger(__name__)

START_SECONDS = 180.0
STOP_SECONDS = 9.0
"""A little more than a service takes to end itself (`demo.shop.control.GRACE_SECONDS`)."""
ANSWER_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
ERROR_BYTES_KEPT = 8192


class InstanceState(StrEnum):
    """Where an instance is in its life."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    DOWN = "down"


class InstanceError(RuntimeError):
    """An instance does not do what it was asked to."""


class Instance:
    """Runs one role, again and again until stopped. `changed` is called when its state or address is another."""

    def __init__(self, role: Role, folder: Path, environment: dict[str, str], changed: Callable[[], None]) -> None:
        self.role = role
        self.state = InstanceState.DOWN
        self.address = ""
        self.restarts = 0
        self.restarted_by = ""
        self.isolated = False
        self.fault: dict[str, object] = {}
        self._folder = folder
        self._environment = environment
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._answered = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._wanted = True
        self._asked = False  # the running process ends because it was asked to
        self._earlier: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._errors = b""

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        return self._process.pid if self._process else None

    @property
    def sent(self) -> Counter[str]:
        """What all processes of this instance have sent, by their own counts."""
        total = self._earlier.copy()
        total.update(self._now)
        return total

    @property
    def accepts_traffic(self) -> bool:
        """Whether callers may be sent here."""
        return self.state is InstanceState.READY and not self.isolated

    def start(self) -> None:
        """Begin to run the process and to keep it running."""
        self._life = asyncio.create_task(self._live(), name=f"supervise-{self.role.name}")

    async def ready(self) -> None:
        """Wait until requests are accepted.

        Raises:
            InstanceError: that takes too long; the message has the end of its stderr.
        """
        try:
            await asyncio.wait_for(self._ready.wait(), START_SECONDS)
        except TimeoutError:
            raise InstanceError(f"{self.role.name} is not ready after {START_SECONDS:.0f} s:\n{self.last_words()}") from None

    async def restart(self, key: str = "") -> None:
        """End the process, let another one take its place, and wait until that is ready. `key` is then `restarted_by`."""
        await self._end()
        await self.ready()
        self.restarted_by = key

    async def put(self, fault: dict[str, object]) -> None:
        """Put a fault into the process, and wait until it is there.

        Raises:
            InstanceError: there is no process that accepts it.
        """
        process = self._process
        if self.state is not InstanceState.READY or process is None or process.stdin is None:
            raise InstanceError(f"{self.role.name} is {self.state}: try again when it is ready")
        self._answered.clear()
        try:
            process.stdin.write(json.dumps({"fault": fault}).encode() + b"\n")
            await process.stdin.drain()
            await asyncio.wait_for(self._answered.wait(), ANSWER_SECONDS)
        except (TimeoutError, ConnectionError):
            raise InstanceError(f"{self.role.name} did not take the fault within {ANSWER_SECONDS:.0f} s") from None

    async def stop(self) -> None:
        """End the process for good. Safe before start and twice."""
        self._wanted = False
        await self._end()
        if self._life is not None:
            self._life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._life
            self._life = None

    def last_words(self) -> str:
        """The end of what the processes wrote to stderr."""
        return self._errors.decode(errors="replace").strip()

    async def _live(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while self._wanted:
            code, was_ready = await self._run_once()
            if self._asked or not self._wanted:
                pause = FIRST_PAUSE_SECONDS
                self.restarts += self._wanted
                continue
            log.warning("%s ended with %d, again in %.1f s\n%s", self.role.name, code, pause, self.last_words())
            await asyncio.sleep(pause)
            pause = FIRST_PAUSE_SECONDS if was_ready else min(pause * 2, LONGEST_PAUSE_SECONDS)
            self.restarts += 1

    async def _run_once(self) -> tuple[int, bool]:
        self._asked = False
        self._to(InstanceState.STARTING)
        process = self._process = await asyncio.create_subprocess_exec(
            *(*_inside(self.role.namespace), sys.executable, "-m", "demo.shop", self.role.service, str(self._folder)),
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            await asyncio.gather(self._hear(process), self._keep_errors(process))
            code = await process.wait()
        finally:
            was_ready = self._ready.is_set()
            self._ready.clear()
            self._process = None
            self.address, self.fault = "", {}
            if process.returncode is not None and process.returncode < 0:  # killed: what it held died with it
                waiting = self._now["spans_ended"] - self._now["spans_sent"] - self._now["spans_failed"]
                self._now.update({"spans_ended": -waiting, "spans_died": waiting})
            self._earlier.update(self._now)
            self._now = Counter()
            self._to(InstanceState.DOWN)
        return code, was_ready

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101  # asked for above
        async for line in process.stdout:
            message = json.loads(line)
            if "ready" in message:
                self.address = message["ready"]
                self._to(InstanceState.READY)
                self._ready.set()
            elif "fault" in message:
                self.fault = message["fault"]
                self._answered.set()
            else:
                self._now = Counter(message["sent"])

    async def _keep_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None  # noqa: S101  # asked for above
        while chunk := await process.stderr.read(ERROR_BYTES_KEPT):
            self._errors = (self._errors + chunk)[-ERROR_BYTES_KEPT:]

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        self._asked = True
        self._ready.clear()
        self._to(InstanceState.STOPPING)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            log.warning("%s did not end in %.0f s and is killed", self.role.name, STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _to(self, state: InstanceState) -> None:
        self.state = state
        self._changed()


def _inside(namespace: str) -> tuple[str, ...]:
    """What a command begins with that runs in a network namespace; it becomes the command, under the same pid."""
    return ("ip", "netns", "exec", namespace) if namespace else ()
