"""`spanloom up`: everything in one process, watched by another."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from spanloom import clock
from spanloom.logging import log_options, set_up_logging


@click.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@click.option("--once", is_flag=True, help="Disable the built-in supervisor (use under systemd or Kubernetes).")
@log_options
def up(config: Path | None, once: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Collector, pipeline, alerting and console in one process, on a durable local log and a DuckDB file.

    OTLP on 4317 (gRPC) and 4318 (HTTP), console and API on http://127.0.0.1:8080. Stop with Ctrl-C.
    """
    from spanloom.access.build import require_authentication  # noqa: PLC0415
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.process.exit_codes import run  # noqa: PLC0415
    from spanloom.roles.needs import require_access  # noqa: PLC0415
    from spanloom.roles.run import run_roles  # noqa: PLC0415
    from spanloom.supervise import become_supervisor  # noqa: PLC0415

    set_up_logging()
    settings = load_config(config)  # refuse wrong ones before anything starts
    require_authentication(settings)
    if not once:
        asyncio.run(require_access(settings))
        become_supervisor("up", "--once", *(["--config", str(config)] if config else []))
    sys.exit(run(run_roles(settings, clock.system)))
