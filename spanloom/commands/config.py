"""`spanloom config`: is the configuration right, and what is in effect."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import yaml

from components.variables import unknown
from spanloom.commands.terminal import printable
from spanloom.failure import Commands


@click.group(cls=Commands)
def config() -> None:
    """Check the configuration, and look at it."""


@config.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path | None) -> None:
    """Report every mistake in a configuration FILE and in SPANLOOM_* variables, with its place.

    Exit code 2 if there is one. Opens nothing that the configuration names: `spanloom doctor` does.
    """
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.process.stores import require_store  # noqa: PLC0415

    settings = load_config(file)
    require_store(settings)
    for name in unknown(os.environ, type(settings)):
        click.echo(f"{name} is no setting: it is ignored", err=True)
    click.echo(f"{file or os.environ.get('SPANLOOM_CONFIG') or 'the environment'}: no mistakes")


@config.command()
@click.option("--config", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
@click.option("--sources", "with_sources", is_flag=True, help="A line for each setting, with where its value comes from.")
def show(path: Path | None, as_json: bool, with_sources: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Print the effective configuration (defaults < file < environment), secrets masked.

    The YAML can be given to --config again.
    """
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.process.shown_config import shown_config, sources  # noqa: PLC0415 - as above

    settings = load_config(path)
    found = shown_config(settings)
    if with_sources:
        rows = [{"setting": name, "value": value, "source": source} for name, value, source in sources(settings)]
        if as_json:
            click.echo(json.dumps(rows, indent=2))
            return
        for row in rows:
            click.echo(printable(f"{row['setting']} = {json.dumps(row['value'], ensure_ascii=False)}  # {row['source']}"))
        return
    click.echo(json.dumps(found, indent=2) if as_json else yaml.safe_dump(found, sort_keys=False), nl=as_json)
