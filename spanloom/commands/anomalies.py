"""`spanloom anomalies`: what deviated, and what people said of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from components.durations import SECOND, parse_duration
from processors.feedback.mark import MarkVerdict
from spanloom import clock
from spanloom.commands.running import ask, json_option, send, url_option
from spanloom.commands.terminal import printable
from spanloom.failure import Commands

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject


@click.group(cls=Commands)
def anomalies() -> None:
    """List anomalies, and say which were right, wrong or expected. Each mark is on the audit trail with who made it."""


@anomalies.command("list")
@click.option("--service", default="", help="Only of this service.")
@click.option("--since", default="1h", show_default=True, help="How far back: 15m, 1d.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@url_option
@json_option
def list_(service: str, since: str, limit: int, url: str, *, as_json: bool) -> None:
    """List stored anomalies, the newest first, with the id that `mark` takes."""
    begin = max(0, clock.system() - parse_duration(since))
    of = f"&service={quote(service)}" if service else ""
    found = ask(url, f"/api/v1/anomalies?since={begin}&limit={limit}{of}")["anomalies"]
    if as_json:
        click.echo(json.dumps(found))
        return
    for each in found:
        click.echo(printable(f"{each['id']}  {moment(each['end'])}  {each['score']:.2f}  {each['kind']:<10} {each['why']}"))
    if not found:
        click.echo(f"no anomaly in the last {since}")


@anomalies.command()
@click.argument("anomaly")
@click.argument("verdict", type=click.Choice([verdict.value for verdict in MarkVerdict]))
@click.option("--for", "duration", default="", help="How long it is expected: 2h, 1w at most; without it 1d.")
@click.option("--note", default="", help="Why, for the others.")
@url_option
@json_option
def mark(anomaly: str, verdict: str, duration: str, note: str, url: str, *, as_json: bool) -> None:
    """Say that an ANOMALY was right, wrong or expected.

    `wrong` asks for more evidence of its series, `right` takes that back, `expected` keeps the like of it quiet for a time.
    """
    body = {"verdict": verdict, "note": note} | ({"for": duration} if duration else {})
    show_made(send("POST", url, f"/api/v1/anomalies/{quote(anomaly, safe='')}/mark", body), as_json=as_json)


@anomalies.command()
@click.option("--environment", default="", help="Only this environment; `default` is telemetry that names none.")
@url_option
@json_option
def marks(environment: str, url: str, *, as_json: bool) -> None:
    """List the marks of anomalies and rankings that count, the newest first."""
    found = ask(url, "/api/v1/marks" + (f"?environment={quote(environment)}" if environment else ""))["marks"]
    if as_json:
        click.echo(json.dumps(found))
        return
    for each in found:
        click.echo(line(each))
    if not found:
        click.echo("no mark counts")


def moment(time: int) -> str:
    """A time in nanoseconds, as UTC."""
    return f"{datetime.fromtimestamp(time / SECOND, UTC).isoformat(sep=' ', timespec='seconds')[:19]}Z"


def line(mark: JsonObject) -> str:
    """A mark: its verdict, until when, of what, who."""
    said = f": {mark['note']}" if mark["note"] else ""
    return printable(f"{mark['verdict']:<8}  until {moment(mark['expires'])}  {mark['about']}  ({mark['who']}{said})")


def show_made(mark: JsonObject, *, as_json: bool) -> None:
    """Print a mark that was made."""
    click.echo(json.dumps(mark) if as_json else line(mark))
