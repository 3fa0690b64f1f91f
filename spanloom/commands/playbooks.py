"""`spanloom playbooks`: check files, see what an alert would set off, and play history through them."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from alerting.playbooks.actions.build import build_actions
from alerting.playbooks.backtest import History, backtest
from alerting.playbooks.kernel.journal import masked
from alerting.playbooks.kernel.machine import call_of
from alerting.playbooks.kernel.messages import Signal, with_service
from alerting.playbooks.kernel.opening import open_incident
from alerting.playbooks.kernel.safety import Touched
from alerting.playbooks.kernel.traffic import Footprint
from alerting.playbooks.model.load import doubts, load_playbooks
from alerting.variables import render
from components.durations import MINUTE
from governance.steering import PolicySteering
from spanloom.access.local_token import authorization
from spanloom.api_client import ApiClient
from spanloom.commands.progress import doing
from spanloom.commands.running import url_option
from spanloom.commands.terminal import printable
from spanloom.failure import Commands, Failure
from spanloom.offline.history import stored_points
from telemetry.documents import Kind, latest
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.playbooks.actions.action import Action
    from alerting.playbooks.kernel.safety import SafetyConfig
    from alerting.playbooks.model.plan import Playbook
    from spanloom.config import AlertingConfig

BEFORE = 10 * MINUTE
"""How long before the first alert telemetry is read: what its conditions may look back on, and the live call graph."""

files_argument = click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file, for its `alerting`: the programs that may get labels, and the bounds of repairs.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Commands)
def playbooks() -> None:
    """Check playbooks, and see what they would do."""


@playbooks.command()
@files_argument
@config_option
def check(files: tuple[Path, ...], config: Path | None) -> None:
    """Report every mistake in the FILES with its line, and warn of what could be dangerous. Exit code 2 if one is wrong."""
    loaded, actions, _ = _load(files, config)
    for playbook in loaded:
        human = "" if playbook.approve == "automatic" else ", asks a human"
        click.echo(f"{playbook.name}: {len(playbook.steps)} steps{human}")
    for line in doubts(files, actions):
        click.echo(printable(f"warning: {line}"), err=True)


@playbooks.command("dry-run")
@files_argument
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", required=True, help="A label of the alert; repeat it.")
@config_option
@json_option
def dry_run(files: tuple[Path, ...], labels: tuple[str, ...], config: Path | None, as_json: bool) -> None:  # noqa: FBT001  click passes flags so
    """Show what an alert with these labels would set off. Runs nothing, asks nobody. Exit code 1 if nothing matches."""
    found = {}
    for label in labels:
        name, equals, value = label.partition("=")
        if not equals:
            raise click.UsageError(f"--label {label!r}: write NAME=VALUE")
        found[name] = value
    loaded, actions, _ = _load(files, config)
    found = with_service(found)
    signal = Signal("alert", "dry-run", found, 0)
    playbook = next((p for p in loaded if p.answers(signal.source, found)), None)
    if playbook is None:
        raise Failure("no playbook answers an alert with these labels")
    try:
        service, instance = render([playbook.target.service, playbook.target.instance], found)
        incident = open_incident(playbook, actions, signal, Touched(service, instance, Footprint(1, None)), "", 0)
    except SpanloomError as error:
        raise Failure(f"{playbook.name}: {error}") from error
    steps = masked([{"name": step.name, "phase": step.phase, **asdict(call_of(incident, step))} for step in incident.steps])
    if as_json:
        plan = {"playbook": playbook.name, "service": service, "instance": instance, "steps": steps}
        click.echo(orjson.dumps(plan | {"verify": incident.check.expression}, option=orjson.OPT_INDENT_2))
        return
    click.echo(printable(f"{playbook.name} on {service}{'/' if instance else ''}{instance}"))
    if playbook.approve != "automatic":
        click.echo(f"  wait for a human, at most {playbook.approve.human / 1e9:g} s")
    for step in steps:
        click.echo(f"  {step['phase']:<8} {step['name']}: {step['action']} {orjson.dumps(step['arguments']).decode()}")
    click.echo(printable(f"  verify   {incident.check.expression}"))


@playbooks.command("backtest")
@files_argument
@url_option
@config_option
@json_option
def backtest_command(files: tuple[Path, ...], url: str, config: Path | None, as_json: bool) -> None:  # noqa: FBT001  click passes flags so
    """Play the stored alerts through the playbooks: when each would have run, and how it would have ended if known."""
    loaded, actions, bounds = _load(files, config)
    try:
        with doing("reading stored alerts, anomalies and samples", as_json=as_json) as following:
            history = asyncio.run(_history(url))
            following("playing them through the playbooks")
            runs, refusals = backtest(loaded, actions, history, bounds)
    except SpanloomError as error:
        raise Failure.of(error) from error
    if as_json:
        report = {"runs": [asdict(run) for run in runs], "refusals": [asdict(refusal) for refusal in refusals]}
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        return
    for run in runs:
        target = f"{run.service}{'/' if run.instance else ''}{run.instance}"
        click.echo(printable(f"{_time(run.time)}  {run.playbook} on {target}: {run.outcome}"))
        for condition in run.assumed:
            click.echo(f"{'':21}assumed as met: nothing is stored of what it reads: {condition}")
    for refusal in refusals:
        click.echo(printable(f"{_time(refusal.time)}  {refusal.playbook} refused: {refusal.reason}"))
    click.echo(f"{len(history.alerts)} alert changes, {len(runs)} runs, {len(refusals)} refusals")


def _time(time: int) -> str:
    return f"{datetime.fromtimestamp(time // 10**9, UTC):%Y-%m-%d %H:%M:%S}"


def _load(files: tuple[Path, ...], config: Path | None) -> tuple[tuple[Playbook, ...], dict[str, Action], SafetyConfig]:
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import

    try:
        settings = load_config(config).alerting
        return *load(files, settings), settings.safety
    except SpanloomError as error:
        raise Failure.of(error) from error


def load(files: Sequence[Path], settings: AlertingConfig) -> tuple[tuple[Playbook, ...], dict[str, Action]]:
    """Playbooks as they are checked, and the actions that they may name.

    Every way to reach a target may be named: no action is run, so that it does not matter where the target would be.

    Raises:
        ConfigError: names each mistake with its place.
    """
    from spanloom import components  # noqa: PLC0415 - all of them are imported

    steering = PolicySteering(lambda: None)
    anywhere = {one.name: one.example_config() for one in components.RUNNERS}
    actions = build_actions(components.ACTIONS, components.RUNNERS, settings.actions.model_copy(update=anywhere), steering)
    return load_playbooks(files, actions), actions


async def _history(url: str) -> History:
    async with ApiClient(url, authorization(url)) as pipeline:
        alerts = await pipeline.find_all(Kind.ALERT)
        if not alerts:
            return History([])
        since = max(0, alerts[0]["@timestamp"] - BEFORE)
        edges = await pipeline.find_all(Kind.EDGE, since)
        incidents = await pipeline.find_all(Kind.INCIDENT)
        return History(alerts, edges, latest(incidents), await stored_points(pipeline, since))
