"""What a process ends with, so that whoever supervises it knows whether to start it again.

| code | meaning | start again |
|---|---|---|
| 0 | it was stopped, or its work is done | no |
| 1 | it failed, and another start would end the same: a person has to change something | no |
| 2 | the command line or the configuration is wrong, or another process has the port or folder that it names | no |
| 70 | it crashed, or lost what it needs for too long | yes |
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from telemetry.errors import ConfigError, InUseError, SpanloomError, UnrecoverableError

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = structlog.get_logger(__name__)

STOPPED, FAILED, REFUSED, CRASHED = 0, 1, 2, 70
"""70 is EX_SOFTWARE of sysexits.h."""

FINAL = frozenset({STOPPED, FAILED, REFUSED})
"""After these another start would end the same, or nobody wants it."""


def run(role: Coroutine[object, object, int]) -> int:
    """Run a role to its end; returns the exit code.

    Raises:
        ConfigError: for exit code 2.
        UnrecoverableError: for exit code 1.
    """
    try:
        return asyncio.run(role)
    except (ConfigError, UnrecoverableError):
        raise  # the command line says them in one line
    except SpanloomError as error:
        log.error("failed", reason=str(error))  # noqa: TRY400 - the message says all
        return CRASHED
    except Exception:
        log.exception("failed")
        return CRASHED


def exit_code_of(error: BaseException) -> int:
    """What a process ends with that an error ends."""
    if isinstance(error, ConfigError | InUseError):
        return REFUSED
    return FAILED if isinstance(error, UnrecoverableError) else CRASHED


def unrecoverable(error: BaseException | None) -> UnrecoverableError | None:
    """What among the causes of a crash another start would not cure."""
    while error is not None and not isinstance(error, UnrecoverableError):
        error = error.__cause__
    return error
