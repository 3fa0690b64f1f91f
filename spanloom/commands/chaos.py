"""`spanloom chaos run`: put faults into the demo shop and judge by telemetry what follows."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from spanloom import clock
from spanloom.commands.interruptible import until_signal
from spanloom.commands.terminal import printable
from spanloom.experiments.chaos.experiment import load_experiment
from spanloom.experiments.chaos.runner import Chaos
from spanloom.experiments.options import Options
from spanloom.failure import Commands, Failure
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from telemetry.documents import Body

SUITE = Path(str(files("spanloom.experiments.chaos") / "experiments"))


@click.group(cls=Commands)
def chaos() -> None:
    """Chaos experiments on the demo shop."""


@chaos.command()
@click.argument("experiments", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--suite", is_flag=True, help="All experiments that ship with Spanloom.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout; progress goes to stderr.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Keep the data here (default: temporary).")
@click.option("--port", default=8080, show_default=True, help="Console and API port.")
@click.option("--otlp-grpc-port", default=4317, show_default=True)
@click.option("--otlp-http-port", default=4318, show_default=True)
@click.option("--shop-port", default=8090, show_default=True, help="Port of the shop supervisor's API.")
@click.option("--webhook-port", default=8091, show_default=True, help="Port of the alert receiver.")
@click.option("--warm-up", default=75.0, show_default=True, help="Seconds of healthy traffic before the first fault.")
def run(
    experiments: tuple[Path, ...],
    suite: bool,  # noqa: FBT001  click passes flags so
    as_json: bool,  # noqa: FBT001  click passes flags so
    data_dir: Path | None,
    port: int,
    otlp_grpc_port: int,
    otlp_http_port: int,
    shop_port: int,
    webhook_port: int,
    warm_up: float,
) -> None:
    """Run EXPERIMENTS on a pipeline and a shop of their own. Exit code 1 if something was not as expected."""
    chosen = (*experiments, *sorted(SUITE.glob("*.yaml"))) if suite else experiments
    if not chosen:
        raise click.UsageError("name experiment files, or --suite")
    with ExitStack() as stack:
        folder = data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spanloom-chaos-")))
        options = Options(
            folder.resolve(), port, otlp_grpc_port, otlp_http_port, shop_port, webhook_port, warm_up_seconds=warm_up
        )
        try:
            loaded = [load_experiment(path) for path in chosen]
            runner = Chaos(options, clock.system, lambda line: click.echo(printable(line), err=True))
            outcome = asyncio.run(until_signal(runner.run(loaded)))
        except SpanloomError as error:
            raise Failure.of(error) from error
    if outcome is None:
        raise SystemExit(130)
    reports, lost = outcome
    if as_json:
        click.echo(orjson.dumps({"experiments": reports, "data": lost}, option=orjson.OPT_INDENT_2))
    else:
        click.echo(_table(reports))
        for sentence in lost:
            click.echo(printable(f"data: {sentence}"))
    raise SystemExit(1 if lost or any(report["wrong"] for report in reports) else 0)


def _table(reports: list[Body]) -> str:
    times = " ".join(f"{name:>7}" for name in ("detect", "alert", "repair", "verify"))
    head = f"{'experiment':<20} {times} {'down':>6} {'lost':>5} {'over':>5} {'load':>5}  verdict"
    lines = [head]
    for report in reports:
        if "skipped" in report:
            lines.append(f"{report['name']:<20} SKIPPED: {report['skipped']}")
            continue
        times = " ".join(f"{_seconds(report[name]):>7}" for name in ("detected", "alerted", "repaired", "verified"))
        verdict = "; ".join(report["wrong"]) or "as expected"
        lines.append(
            f"{report['name']:<20} {times} {report['downtime']:>5.1f}s {report['lost']:>5} {report['taken_over']:>5} "
            f"{report['load']:>5.1f}  {verdict}"
        )
    return "\n".join(map(printable, lines))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}s"
