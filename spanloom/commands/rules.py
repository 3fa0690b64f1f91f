"""`spanloom rules`: check rule files, run their unit tests, and play stored telemetry through them."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from alerting.rules.backtest import backtest, reads
from alerting.rules.engine import AlertEngine
from alerting.rules.files import load_rules
from alerting.rules.history import notified_after
from alerting.rules.samples import Limits
from alerting.rules.unit_tests import run_tests
from components.durations import HOUR, SECOND, format_duration, parse_duration
from spanloom import clock
from spanloom.access.local_token import authorization
from spanloom.api_client import ApiClient
from spanloom.commands.progress import doing
from spanloom.commands.running import url_option
from spanloom.commands.terminal import printable
from spanloom.failure import Commands, Failure
from spanloom.offline.history import LATENESS, stored_points
from spanloom.offline.sample_history import MAX_POINTS, sample_points
from stores.samples.config import SamplesConfig
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alerting.rules.files import RuleGroup
    from telemetry.metrics import Point

files_argument = click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Commands)
def rules() -> None:
    """Check, test and backtest rule files in Prometheus's format."""


@rules.command()
@files_argument
def check(files: tuple[Path, ...]) -> None:
    """Report every mistake in the FILES with its line. Exit code 2 if there is one."""
    try:
        groups = load_rules(files)
        stored_for = max(SamplesConfig().limits().kept.values())
        for group in groups:
            AlertEngine(stored_for=stored_for).check([group])
    except SpanloomError as error:
        raise Failure.of(error) from error
    for group in groups:
        alerts = sum(rule.kind == "alert" for rule in group.rules)
        records = len(group.rules) - alerts
        click.echo(f"{group.file}: {group.name}: {alerts} alerts, {records} recorded, every {format_duration(group.interval)}")


@rules.command()
@files_argument
@json_option
def test(files: tuple[Path, ...], as_json: bool) -> None:  # noqa: FBT001  # click passes flags so
    """Run unit tests in promtool's format. Exit code 1 if one fails, 2 if a file is wrong."""
    checks, failures = 0, []
    try:
        for file in files:
            count, found = run_tests(file)
            checks += count
            failures += found
    except SpanloomError as error:
        raise Failure.of(error) from error
    if as_json:
        report = {"checks": checks, "failures": [asdict(failure) for failure in failures]}
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    else:
        for failure in failures:
            click.echo(str(failure), err=True)
        click.echo(f"{checks} checks, {len(failures)} failed")
    raise SystemExit(1 if failures else 0)


@rules.command("backtest")
@files_argument
@click.option("--since", default="1h", show_default=True, metavar="DURATION", help="How far back to begin.")
@click.option(
    "--from",
    "source",
    type=click.Choice(["samples", "documents"]),
    default="samples",
    show_default=True,
    help="Read the store of samples, or make series again from stored spans, logs and metrics.",
)
@click.option("--environment", default="", help="Whose samples; '*' for rules over all. Default: the only one that has any.")
@url_option
@json_option
def backtest_command(files: tuple[Path, ...], since: str, source: str, environment: str, url: str, *, as_json: bool) -> None:
    """Play stored telemetry through the rules: when each alert would have fired and resolved."""
    notes: list[str] = []
    try:
        groups = load_rules(files)
        now = clock.system()
        begin = now - parse_duration(since)
        with doing("reading what is stored", as_json=as_json) as following:
            if source == "samples":
                AlertEngine(stored_for=max(SamplesConfig().limits().kept.values())).check(groups)
                points, notes = asyncio.run(_samples(url, groups, begin, now, environment))
            else:
                AlertEngine().check(groups)
                points = asyncio.run(_history(url, begin, now, partial(reads, groups)))
            following("playing it through the rules")
            lookback = max((rule.expr.lookback + group.query_offset for group in groups for rule in group.rules), default=0)
            limits = Limits(
                series=MAX_POINTS, series_per_sender=MAX_POINTS, samples=MAX_POINTS, samples_per_series=MAX_POINTS,
                text=1 << 30, retention=lookback + HOUR,
            )  # fmt: skip
            result = backtest(groups, points, limits, notified_after(LATENESS), begin)
    except SpanloomError as error:
        raise Failure.of(error) from error
    for note in notes:
        click.echo(printable(note), err=True)
    if as_json:
        click.echo(orjson.dumps(asdict(result), option=orjson.OPT_INDENT_2))
        return
    rows = [("fired", "resolved", "alert", "labels")]
    for firing in result.firings:
        labels = ", ".join(f"{name}={value}" for name, value in sorted(firing.labels.items()) if name != "alertname")
        resolved = _time(firing.resolved_at) if firing.resolved_at else "still firing"
        rows.append((_time(firing.fired_at), resolved, firing.alert, labels))
    width = max(len(alert) for _, _, alert, _ in rows)
    for fired, resolved, alert, labels in rows:
        click.echo(printable(f"{fired:<19}  {resolved:<19}  {alert:<{width}}  {labels}"))
    for rule, reason in sorted(result.errors.items()):
        click.echo(printable(f"{rule}: {reason}"), err=True)
    for rule, selectors in sorted(result.unseen.items()):
        click.echo(f"{rule}: nothing stored that it reads: {', '.join(selectors)}", err=True)
    click.echo(f"{result.points} points, {result.evaluations} evaluations, {len(result.firings)} firings")


async def _history(url: str, since: int, until: int, asked: Callable[[str], bool]) -> list[Point]:
    async with ApiClient(url, authorization(url)) as pipeline:
        return await stored_points(pipeline, since, until, asked)


async def _samples(
    url: str, groups: Sequence[RuleGroup], since: int, until: int, environment: str
) -> tuple[list[Point], list[str]]:
    async with ApiClient(url, authorization(url)) as pipeline:
        return await sample_points(pipeline, groups, since, until, environment)


def _time(time: int) -> str:
    return f"{datetime.fromtimestamp(time // SECOND, UTC):%Y-%m-%d %H:%M:%S}"
