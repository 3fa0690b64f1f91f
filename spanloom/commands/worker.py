"""`spanloom worker`: stages of the pipeline, as many workers as there is work."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from spanloom import clock
from spanloom.logging import log_options, set_up_logging

STAGES = ("rekey", "assemble", "score", "act")


def _stages(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    named = [name.strip() for name in value.split(",") if name.strip()]
    unknown = [name for name in named if name not in STAGES]
    if unknown or not named:
        raise click.BadParameter(f"{', '.join(unknown) or 'none'}: the stages are {', '.join(STAGES)}")
    return tuple(name for name in STAGES if name in named)


stages_option = click.option(
    "--stages", default=",".join(STAGES), show_default=True, callback=_stages, help="Comma-separated stages to run."
)


@click.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@stages_option
@click.option("--once", is_flag=True, help="Disable the built-in supervisor (use under systemd or Kubernetes).")
@log_options
def worker(config: Path | None, stages: tuple[str, ...], once: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Run stages of the pipeline. Workers of the same stages share the partitions of their topics.

    Every stage has to run somewhere, and each in workers of one kind only. /healthz and /metrics are on 8080.
    Needs SPANLOOM_LOG=kafka://HOST:PORT and SPANLOOM_STORE=http://HOST:PORT.
    """
    from spanloom.access.build import require_authentication  # noqa: PLC0415
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.process.exit_codes import run  # noqa: PLC0415
    from spanloom.roles.needs import require_access, require_shared  # noqa: PLC0415
    from spanloom.roles.run import run_worker  # noqa: PLC0415
    from spanloom.supervise import become_supervisor  # noqa: PLC0415

    set_up_logging()
    settings = load_config(config)
    require_shared(settings, "worker", "log", "store")  # refuse before anything starts
    if "act" in stages:
        require_authentication(settings)
    if not once:
        asyncio.run(require_access(settings))
        arguments = ["worker", "--once", "--stages", ",".join(stages)]
        become_supervisor(*arguments, *(["--config", str(config)] if config else []))
    sys.exit(run(run_worker(settings, clock.system, stages)))
