"""How a command fails: one line on the standard error, one rule for the exit code, and what was probably meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import IO, TYPE_CHECKING

import click

from components.secrets import SECRETS
from telemetry.errors import ConfigError, InUseError

if TYPE_CHECKING:
    from typing import Self

FAILED, WRONG = 1, 2
"""It failed; the command line, the configuration or a file of rules, receivers, playbooks or policies is wrong."""


def exit_code_for(error: Exception) -> int:
    """The code of a command that an error ends."""
    return WRONG if isinstance(error, ConfigError | InUseError) else FAILED


class Failure(click.ClickException):
    """Ends a command with its message, secrets masked."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = code

    @classmethod
    def of(cls, error: Exception) -> Self:
        """With what an error says, and its code."""
        return cls(str(error), exit_code_for(error))

    def show(self, file: IO[str] | None = None) -> None:
        """Print it."""
        show(self.format_message(), file)


def show(message: str, file: IO[str] | None = None) -> None:
    """Print what went wrong, as every command does."""
    click.echo(SECRETS.mask(f"spanloom: {message}"), file=file, err=file is None)


class Commands(click.Group):
    """Names the command that was probably meant."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first argument."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], self.list_commands(ctx), n=1)
            if close:
                error.message = f"{error.message.removesuffix('.')}; did you mean {close[0]}?"
            raise
