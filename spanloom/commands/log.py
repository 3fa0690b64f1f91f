"""`spanloom log`: the embedded log in its directory."""

from __future__ import annotations

import json
from pathlib import Path

import click

from spanloom import clock
from spanloom.commands.terminal import printable
from spanloom.failure import Commands
from spanloom.logging import set_up_logging


@click.group(cls=Commands)
def log() -> None:
    """Look after the embedded log while nothing runs on it."""
    set_up_logging()  # to the standard error


@log.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object; needs --yes.")
def repair(config: Path | None, yes: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Go on without records that are missing or damaged.

    What is intact stays and keeps its offsets. Damaged files are kept beside it as *.damaged. Says what is lost.
    """
    from yarl import URL  # noqa: PLC0415 - with the rest below it takes a second to import

    from durable_log.log import DurableLog  # noqa: PLC0415
    from pipeline.runtime.log_url import directory_of  # noqa: PLC0415
    from spanloom.config import load_config  # noqa: PLC0415
    from telemetry.errors import ConfigError  # noqa: PLC0415

    if as_json and not yes:
        raise click.UsageError("--json needs --yes: nobody can be asked")
    url = load_config(config).log_url
    if not url.startswith("log:"):
        raise ConfigError("log: only the embedded log (log://DIR) is repaired here; Kafka looks after its own")
    directory = directory_of(URL(url)).resolve()
    if not directory.exists():
        raise ConfigError(f"log: {directory} does not exist")
    if not yes:
        click.confirm(f"{directory}: accept the loss of what is missing or damaged?", abort=True)
    repairs: list[str] = []
    DurableLog(directory, clock.system, repairs=repairs).close()
    if as_json:
        click.echo(json.dumps({"directory": str(directory), "repairs": repairs}))
        return
    for line in repairs:
        click.echo(printable(line))
    if not repairs:
        click.echo("nothing is missing or damaged")
