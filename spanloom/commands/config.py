"""`spanloom config`: is the configuration right, and what is in effect."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import yaml


@click.group()
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

    require_store(load_config(file))
    click.echo(f"{file or os.environ.get('SPANLOOM_CONFIG') or 'the environment'}: no mistakes")


@config.command()
@click.option("--config", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
def show(path: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Print the effective configuration (defaults < file < environment), secrets masked.

    The YAML can be given to --config again.
    """
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.process.shown_config import shown_config  # noqa: PLC0415 - as above

    found = shown_config(load_config(path))
    click.echo(json.dumps(found, indent=2) if as_json else yaml.safe_dump(found, sort_keys=False), nl=as_json)
