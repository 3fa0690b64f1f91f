"""`spanloom demo`: a shop, a fault, its detection, its repair and the proof."""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from spanloom import clock
from spanloom.commands.interruptible import until_signal
from spanloom.commands.terminal import printable
from spanloom.experiments.demo import FAULTS, Demo
from spanloom.experiments.options import Options
from spanloom.failure import Failure
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from telemetry.documents import Body

STYLES = {
    "fault": "bold red",
    "anomaly": "yellow",
    "culprits": "bold yellow",
    "alert": "red",
    "playbook": "cyan",
    "release": "cyan",
    "resolved": "green",
    "missing": "bold red",
}


@click.command()
@click.option("--once", is_flag=True, help="One round, then a report; exit code 0 only if all of it happened.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout, the timeline on stderr. Needs --once.")
@click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Keep the data here (default: a temporary folder)."
)
@click.option("--port", default=8080, show_default=True, help="Console and API port.")
@click.option("--otlp-grpc-port", default=4317, show_default=True)
@click.option("--otlp-http-port", default=4318, show_default=True)
@click.option("--shop-port", default=8090, show_default=True, help="Port of the shop supervisor's API.")
@click.option("--webhook-port", default=8091, show_default=True, help="Port of the alert receiver.")
@click.option("--warm-up", default=75.0, show_default=True, help="Seconds of healthy traffic before the first fault.")
@click.option("--deadline", default=240.0, show_default=True, help="Seconds within which all must follow a fault.")
@click.option("--rate", default=6.0, show_default=True, help="Users a second; each makes about two requests.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same users.")
@click.option("--fault", type=click.Choice(list(FAULTS)), default="latency", show_default=True, help="The first one.")
@click.option("--mesh/--no-mesh", default=True, help="Run Envoy beside a service without an SDK, where its wheel is.")
def demo(
    once: bool,  # noqa: FBT001  # click passes flags so
    as_json: bool,  # noqa: FBT001
    data_dir: Path | None,
    port: int,
    otlp_grpc_port: int,
    otlp_http_port: int,
    shop_port: int,
    webhook_port: int,
    warm_up: float,
    deadline: float,
    rate: float,
    seed: int,
    fault: str,
    mesh: bool,  # noqa: FBT001
) -> None:
    """Run a shop, put a fault into one, and watch it being found, explained, repaired and proven repaired.

    Without --once it goes on, round after round, until Ctrl-C.
    """
    if as_json and not once:
        raise click.UsageError("--json needs --once")
    with ExitStack() as stack:
        folder = data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spanloom-demo-")))
        options = Options(
            folder.resolve(),
            port,
            otlp_grpc_port,
            otlp_http_port,
            shop_port,
            webhook_port,
            warm_up,
            deadline,
            rate,
            seed,
            fault,
            mesh=mesh,
        )
        screen = Console(stderr=as_json, highlight=False, soft_wrap=True)
        demonstration = Demo(options, clock.system, lambda *line: _report(screen, *line))
        try:
            report = asyncio.run(until_signal(demonstration.once() if once else demonstration.forever()))
        except SpanloomError as error:
            raise Failure.of(error) from error
    if report is None:
        raise SystemExit(130 if once else 0)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _report(screen, None, "done", _summary(report))
    for sentence in report["missing"]:
        click.echo(printable(f"error: {sentence}"), err=True)
    if report["missing"]:
        raise SystemExit(1)


def _summary(report: Body) -> str:
    steps = ("detect", "alert", "repair", "verify", "resolve")
    times = ", ".join(f"{step} {report[f'seconds_to_{step}']} s" for step in steps)
    sent, joined, stored = report["spans_sent"], report["spans_joined"], report["spans_stored"]
    return f"time to {times}; {sent} spans sent, {joined} joined into {report['traces']} traces, {stored} stored"


def _report(screen: Console, seconds: float | None, event: str, text: str) -> None:
    when = "" if seconds is None else f"+{seconds:.1f} s"
    screen.print(Text(f"{when:>9}  "), Text(f"{event:<9}", STYLES.get(event, "")), Text(f"  {printable(text)}"), sep="")
