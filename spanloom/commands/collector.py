"""`spanloom collector`: OTLP in, Kafka out."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from spanloom.logging import log_options, set_up_logging


@click.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@click.option("--once", is_flag=True, help="Disable the built-in supervisor (use under systemd or Kubernetes).")
@log_options
def collector(config: Path | None, once: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Receive OTLP and write it to Kafka. It keeps nothing: run as many as the senders need.

    OTLP on 4317 (gRPC) and 4318 (HTTP); /healthz and /metrics on 8080. Needs SPANLOOM_LOG=kafka://HOST:PORT.
    """
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.process.exit_codes import run  # noqa: PLC0415
    from spanloom.roles.needs import require_access, require_shared  # noqa: PLC0415
    from spanloom.roles.run import run_collector  # noqa: PLC0415
    from spanloom.supervise import become_supervisor  # noqa: PLC0415

    set_up_logging()
    settings = load_config(config)
    require_shared(settings, "collector", "log")  # refuse before anything starts
    if not once:
        asyncio.run(require_access(settings, store=False))
        become_supervisor("collector", "--once", *(["--config", str(config)] if config else []))
    sys.exit(run(run_collector(settings)))
