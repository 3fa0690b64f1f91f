"""A child process of the demo that never outlives it, and whose last words are kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spanloom.process.child_command import dies_with_parent
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

ROOT = Path(__file__).resolve().parents[2]
"""Where the packages lie, so that `-m` finds them from any folder."""

STOP_SECONDS = 20.0
LINES_SHOWN = 20


class ChildError(SpanloomError):
    """A process of the demo did not start, or ended by itself."""


class Child:
    """`python -m MODULE ARGUMENTS` from entering to leaving. stderr goes to `log`, and stdout too unless it `speaks`.

    Its stdin is a pipe that ends when the demo does, and on Linux it gets SIGTERM then, even after kill -9 of the demo.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        *,
        speaks: bool = True,
    ) -> None:
        self.name = name
        self._speaks = speaks
        self._arguments = arguments
        self._log = log
        self._environment = {"PYTHONPATH": str(ROOT), **os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *dies_with_parent(signal.SIGTERM, "-m", *self._arguments),
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE if self._speaks else log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends its children in order
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._running()
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.communicate(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.communicate()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running().pid

    async def line(self) -> Any:
        """The next JSON line of its stdout.

        Raises:
            ChildError: it ended instead.
        """
        process = self._running()
        assert process.stdout is not None  # noqa: S101  # asked for above
        line = await process.stdout.readline()
        if not line:
            await process.wait()
            self.check()
        return json.loads(line)

    async def ask(self, question: Any = None) -> Any:
        """Send a JSON line, or an empty one, and get a JSON line."""
        process = self._running()
        assert process.stdin is not None  # noqa: S101  # asked for above
        process.stdin.write(b"\n" if question is None else json.dumps(question).encode() + b"\n")
        await process.stdin.drain()
        return await self.line()

    def check(self) -> None:
        """See that it still runs.

        Raises:
            ChildError: it has ended; the message has the end of its log.
        """
        code = self._running().returncode
        if code is not None:
            end = "\n".join(self._log.read_text(errors="replace").splitlines()[-LINES_SHOWN:])
            raise ChildError(f"{self.name} ended with exit code {code}; the end of {self._log}:\n{end}")

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise ChildError(f"{self.name} was not started")
        return self._process
