"""Run a command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from alerting.playbooks.actions.action import MAX_OUTPUT, ActionComponent, ActionError
from alerting.playbooks.programs import check_named
from components.component import ComponentKind, Stability
from components.secrets import SECRETS
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

UMASK = 0o022
"""What files are made with that a command makes: our own umask would close them to those whom they are for."""

DRAIN_SECONDS = 0.5
"""How long after its exit the end of the output is waited for: a child that it left behind may hold it open for ever."""


class CommandArguments(BaseModel):
    """Program and arguments, each as one word: no shell parses them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = Field(min_length=1)
    environment: dict[str, str] = Field(default={}, description="Variables beside those that the configuration lets through.")


def _no_secret(names: tuple[str, ...]) -> tuple[str, ...]:
    ours = [name for name in names if name.upper().startswith("SPANLOOM")]
    if ours:
        raise ValueError(f"{ours[0]}: variables of Spanloom hold its secrets, and no action needs them")
    return names


class CommandConfig(BaseModel):
    """What commands get of the environment of Spanloom, and which of them may get labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Annotated[tuple[str, ...], AfterValidator(_no_secret)] = Field(
        default=("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"),
        description="Variables that commands see, by name. Never SPANLOOM_*, and no variable that is not listed here.",
    )
    programs: tuple[Annotated[str, AfterValidator(check_named)], ...] = Field(
        default=(),
        description="Your own programs that treat labels as data, by absolute path. They may get a label as an argument, as"
        " systemctl, docker, podman, kubectl, oc and logger may with known verbs; no other program does.",
    )


class Command:
    """Run a command; it succeeds with exit code 0. At the timeout it is ended with all that it started.

    What it leaves running when it exits by itself is left alone.
    """

    name = "command"
    idempotent = False
    arguments = CommandArguments

    def __init__(self, config: CommandConfig | None = None) -> None:
        self._config = config or CommandConfig()

    @property
    def programs(self) -> Collection[str]:
        """What the configuration names as taking labels for data."""
        return self._config.programs

    async def run(self, arguments: CommandArguments, key: str) -> Mapping[str, str]:
        """Run it. The step's key is in the variable SPANLOOM_STEP."""
        passed = {name: os.environ[name] for name in self._config.environment if name in os.environ}
        loop = asyncio.get_running_loop()
        # A pipe of our own can be closed while a child that the command left behind still holds its other end.
        read, write = os.pipe()
        pipe, tail = await loop.connect_read_pipe(_Tail, os.fdopen(read, "rb", 0))
        try:
            try:
                process = await asyncio.create_subprocess_exec(
                    *arguments.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=write,
                    stderr=asyncio.subprocess.STDOUT,
                    env={**passed, **arguments.environment, "SPANLOOM_STEP": key},
                    umask=UMASK,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise ActionError(Wording.CANNOT_START(command=arguments.command[0], error=str(error))) from error
            finally:
                os.close(write)
            try:
                code = await process.wait()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(tail.ended.wait(), DRAIN_SECONDS)
            except asyncio.CancelledError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
                raise
        finally:
            pipe.close()
        if code != 0:
            raise ActionError(Wording.EXIT_CODE(command=arguments.command[0], exit=code), output=tail.text)
        return {"exit_code": "0", "output": tail.text}


class _Tail(asyncio.Protocol):
    """Keeps the end of what comes."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._kept = b""

    @property
    def text(self) -> str:
        """The end, as far as it has come."""
        return SECRETS.mask(self._kept.decode("utf-8", "replace"))[-MAX_OUTPUT:].strip()

    def data_received(self, data: bytes) -> None:
        """The pipe brings more."""
        self._kept = (self._kept + data)[-4 * MAX_OUTPUT :]

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody holds the other end any more."""
        del exc
        self.ended.set()


COMMAND = ActionComponent(
    kind=ComponentKind.ACTION,
    name=Command.name,
    config=CommandConfig,
    build=lambda _, context: context.command,
    summary="Run a program; the step's arguments are words, no shell parses them.",
    stability=Stability.STABLE,
)
