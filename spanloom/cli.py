"""The `spanloom` command. Each subcommand is a module of spanloom/commands, imported when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from components.secrets import SECRETS
from spanloom.logging import log_options, mask_tracebacks
from telemetry.errors import ConfigError, InUseError, SpanloomError

COMMANDS = {
    "up": "run collector, pipeline, alerting and console in one process",
    "doctor": "check whether all that is needed is there",
    "status": "what a running pipeline does",
    "traces": "list stored traces",
    "alerts": "list the alerts that fire",
    "silence": "silence alerts, list and end silences",
    "demo": "a shop, a fault, its detection and repair",
    "collector": "receive OTLP and write it to the log",
    "worker": "run stages of the pipeline",
    "agent": "run Envoy beside an application",
    "control": "carry policies to agents",
    "console": "serve the console and the HTTP API",
    "replay": "send recorded telemetry to an OTLP endpoint",
    "analyse": "run recorded telemetry through the pipeline",
    "explain": "why each span of a trace did or did not make an edge",
    "rules": "check, test and backtest rule files",
    "receivers": "check an Alertmanager configuration file",
    "playbooks": "check, try and backtest playbooks",
    "policy": "check, release and take back policies",
    "fleet": "list agents and how far a revision is",
    "audit": "verify the audit trail, or show an incident's timeline",
    "chaos": "run a chaos experiment",
    "setup": "prepare Elasticsearch or Kafka",
    "upgrade": "prepare what another release left for this one",
    "dlq": "list and replay dead letters, skip a record",
    "token": "make a token for a person or a program",
    "log": "repair the embedded log",
    "components": "list what receives, detects, notifies, acts and stores",
    "config": "check the configuration, show the effective one",
}


class Spanloom(click.Group):
    """Finds subcommands by name, and says errors of ours in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of a name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"spanloom.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """The list in `--help`, without importing what is listed."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run a subcommand; what it says of an error has no secrets."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = SECRETS.mask(error.message)
            raise

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Exit code 0, 1 (it failed), 2 (you asked wrongly)."""
        mask_tracebacks()
        try:
            return super().main(*args, **kwargs)
        except (ConfigError, InUseError) as error:
            click.echo(SECRETS.mask(f"spanloom: {error}"), err=True)
            sys.exit(2)
        except SpanloomError as error:
            click.echo(SECRETS.mask(f"spanloom: {error}"), err=True)
            sys.exit(1)


@click.group(cls=Spanloom, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spanloom")
@log_options
def main() -> None:
    """Telemetry in; call graphs, latency, root causes, alerts and verified repairs out."""


if __name__ == "__main__":
    main()
