"""Every command, as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spanloom.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """# Commands

What `spanloom COMMAND --help` prints, for every command. Programs read `--json` where a command has it. This page is made from
the commands by `make docs`.

Completion of commands and options in bash (zsh and fish by their names):

```sh
eval "$(_SPANLOOM_COMPLETE=bash_source spanloom)"
```
"""


def page() -> str:
    """The page of reference."""
    return "\n".join([HEAD, *_sections(main, click.Context(main, info_name="spanloom", **main.context_settings))])


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    context.max_content_width = context.terminal_width = 100
    command._help_option = None  # noqa: SLF001  click keeps the names that it had in whatever context came first
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _sections(inner, click.Context(inner, info_name=name, parent=context, **inner.context_settings))
