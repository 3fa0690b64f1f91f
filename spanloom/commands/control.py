"""`spanloom control`: the control plane alone."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spanloom.logging import set_up_logging


@click.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@click.option("--once", is_flag=True, help="Disable the built-in supervisor (use under systemd or Kubernetes).")
def control(config: Path | None, once: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Carry policies to the agents of a fleet: xDS on 18000, the API on 8080.

    Policies, their history and the audit trail are in data_dir/control. `spanloom up` has a control plane of its own.
    """
    from spanloom import clock  # noqa: PLC0415
    from spanloom.access.build import require_authentication  # noqa: PLC0415
    from spanloom.config import load_config  # noqa: PLC0415 - gRPC takes a second to import
    from spanloom.process.exit_codes import run  # noqa: PLC0415
    from spanloom.roles.run import run_control  # noqa: PLC0415
    from spanloom.supervise import become_supervisor  # noqa: PLC0415

    set_up_logging()
    settings = load_config(config)
    require_authentication(settings)
    if not once:
        become_supervisor("control", "--once", *(["--config", str(config)] if config else []))
    sys.exit(run(run_control(settings, clock.system)))
