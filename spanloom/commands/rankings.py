"""`spanloom rankings`: which services were suspected, and whether rightly."""

from __future__ import annotations

import json
from urllib.parse import quote

import click

from components.durations import parse_duration
from processors.feedback.mark import MarkVerdict
from spanloom import clock
from spanloom.commands.anomalies import moment, show_made
from spanloom.commands.running import ask, json_option, send, url_option
from spanloom.commands.terminal import printable
from spanloom.failure import Commands

SHOWN = 3
"""Suspects on the line of a ranking."""


@click.group(cls=Commands)
def rankings() -> None:
    """List rankings of culprits, and say which were right. Each mark is on the audit trail with who made it."""


@rankings.command("list")
@click.option("--since", default="1h", show_default=True, help="How far back: 15m, 1d.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="At most so many.")
@url_option
@json_option
def list_(since: str, limit: int, url: str, *, as_json: bool) -> None:
    """List stored rankings, the newest first, with the id that `mark` takes."""
    begin = max(0, clock.system() - parse_duration(since))
    found = ask(url, f"/api/v1/rankings?since={begin}&limit={limit}")["rankings"]
    if as_json:
        click.echo(json.dumps(found))
        return
    for each in found:
        suspects = ", ".join(f"{suspect['service']} {suspect['score']:.2f}" for suspect in each["suspects"][:SHOWN])
        click.echo(printable(f"{each['id']}  {moment(each['time'])}  {each['environment']}  {suspects}"))
    if not found:
        click.echo(f"no ranking in the last {since}")


@rankings.command()
@click.argument("ranking")
@click.argument("verdict", type=click.Choice([MarkVerdict.RIGHT.value, MarkVerdict.WRONG.value]))
@click.option("--cause", default="", help="With wrong: the service that was to blame, if it is among the suspects.")
@click.option("--note", default="", help="Why, for the others.")
@url_option
@json_option
def mark(ranking: str, verdict: str, cause: str, note: str, url: str, *, as_json: bool) -> None:
    """Say that the first suspect of a RANKING was to blame, or was not."""
    body = {"verdict": verdict, "note": note} | ({"cause": cause} if cause else {})
    show_made(send("POST", url, f"/api/v1/rankings/{quote(ranking, safe='')}/mark", body), as_json=as_json)
