"""Run a command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from alerting.playbooks.actions.action import ActionError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_OUTPUT = 2000
"""Characters from the end of the output that are kept as evidence."""


class Arguments(BaseModel):
    """Program and arguments, each as one word: no shell takes them apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = Field(min_length=1)


class Command:
    """Run a command; it succeeds with exit code 0. At the timeout it is ended with all that it started."""

    name = "command"
    idempotent = False
    arguments = Arguments

    async def run(self, arguments: Arguments, key: str) -> Mapping[str, str]:
        """Run it. The step's key is in the variable SPANLOOM_STEP."""
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, "SPANLOOM_STEP": key},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ActionError(f"{arguments.command[0]}: cannot be started: {error}") from error
        try:
            output = await _tail(process)
            code = await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if code != 0:
            raise ActionError(f"{arguments.command[0]}: exit code {code}: {output}")
        return {"exit_code": "0", "output": output}


async def _tail(process: asyncio.subprocess.Process) -> str:
    if process.stdout is None:  # pragma: no cover - it was asked for
        return ""
    kept = b""
    while piece := await process.stdout.read(65536):
        kept = (kept + piece)[-4 * MAX_OUTPUT :]
    return kept.decode("utf-8", "replace")[-MAX_OUTPUT:].strip()
