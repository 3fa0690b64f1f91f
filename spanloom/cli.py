"""The `spanloom` command. Each subcommand is a module of spanloom/commands, imported when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from spanloom.failure import Commands, exit_code_for, show
from spanloom.logging import log_options, mask_tracebacks
from telemetry.errors import SpanloomError

COMMANDS = {
    "up": "run collector, pipeline, alerting and console in one process",
    "doctor": "check whether all that is needed is there",
    "status": "what a running pipeline does",
    "traces": "list stored traces",
    "alerts": "list the alerts that fire",
    "silence": "silence alerts, list and end silences",
    "anomalies": "list anomalies, mark them right, wrong or expected",
    "rankings": "list rankings of culprits, mark them right or wrong",
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


class Spanloom(Commands):
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

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Exit code 0, 1 (it failed) or 2 (the command, the configuration or a file of rules and the like is wrong)."""
        mask_tracebacks()
        alone = kwargs.pop("standalone_mode", True)
        kwargs["standalone_mode"] = False
        if not alone:
            return super().main(*args, **kwargs)
        try:
            ended = super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.UsageError as error:
            if error.ctx is not None:
                click.echo(error.ctx.get_usage(), err=True)
            see = f" (see {error.ctx.command_path} --help)" if error.ctx is not None else ""
            show(error.format_message().removesuffix(".") + see)
            sys.exit(error.exit_code)
        except click.ClickException as error:
            show(error.format_message())
            sys.exit(error.exit_code)
        except click.Abort:
            show("aborted")
            sys.exit(1)
        except SpanloomError as error:
            show(str(error))
            sys.exit(exit_code_for(error))
        sys.exit(ended if isinstance(ended, int) else 0)


@click.group(cls=Spanloom, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spanloom")
@log_options
def main() -> None:
    """Telemetry in; call graphs, latency, root causes, alerts and verified repairs out."""


if __name__ == "__main__":
    main()
