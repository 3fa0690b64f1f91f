"""`spanloom console`: the console and the HTTP API over Elasticsearch."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spanloom import clock
from spanloom.logging import log_options, set_up_logging


@click.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@log_options
def console(config: Path | None) -> None:
    """Serve the console and the HTTP API on http://127.0.0.1:8080, reading Elasticsearch.

    Needs SPANLOOM_STORE=http://HOST:PORT.
    """
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.process.exit_codes import run  # noqa: PLC0415
    from spanloom.roles.run import run_console  # noqa: PLC0415

    set_up_logging()
    sys.exit(run(run_console(load_config(config), clock.system)))
