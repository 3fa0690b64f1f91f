"""`spanloom silence`: keep an alert quiet for a while."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime, timedelta

import click

from alerting.promql.matchers import MatchType
from components.durations import SECOND, parse_duration
from spanloom import clock
from spanloom.commands.alerts import line, matching, parsed
from spanloom.commands.running import ask_list, json_option, send, url_option
from spanloom.commands.terminal import printable
from spanloom.failure import Commands

SHOWN = 10
"""Alerts that are printed before somebody is asked."""


@click.group(cls=Commands)
def silence() -> None:
    """Silence alerts, list silences, end one. Each is on the audit trail with who did it."""


@silence.command()
@click.argument("matchers", nargs=-1, required=True)
@click.option("--for", "duration", default="2h", show_default=True, help="How long: 30m, 2h, 1d.")
@click.option("--comment", required=True, help="Why, for the others on call.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@url_option
@json_option
def add(
    matchers: tuple[str, ...],
    duration: str,
    comment: str,
    url: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Silence the alerts that fit all MATCHERS, such as `service=cart`; shows first which of those that fire now do."""
    if as_json and not yes:
        raise click.UsageError("--json needs --yes: nobody can be asked")
    wanted = parsed(matchers)
    lasts = parse_duration(duration)
    if not yes:
        found = matching(url, wanted, all_=True)
        for alert in found[:SHOWN]:
            click.echo(line(alert))
        if len(found) > SHOWN:
            click.echo(f"and {len(found) - SHOWN} more")
        click.confirm(f"Silence {len(found)} alerts that fire, and what else comes and fits, for {duration}?", abort=True)
    now = datetime.fromtimestamp(clock.system() / SECOND, UTC)
    ends = now + timedelta(seconds=lasts / SECOND)
    body = {
        "matchers": [
            {
                "name": matcher.name,
                "value": matcher.value,
                "isRegex": matcher.type in {MatchType.REGEX, MatchType.NOT_REGEX},
                "isEqual": matcher.type in {MatchType.EQUAL, MatchType.REGEX},
            }
            for matcher in wanted
        ],
        "startsAt": now.isoformat(),
        "endsAt": ends.isoformat(),
        "createdBy": getpass.getuser(),  # where somebody is logged in, the server writes their name
        "comment": comment,
    }
    made = send("POST", url, "/api/v2/silences", body)
    click.echo(json.dumps(made) if as_json else f"silence {made['silenceID']} until {ends.isoformat()[:19]}Z")


@silence.command("list")
@click.option("--all", "all_", is_flag=True, help="Also those that have ended.")
@url_option
@json_option
def list_(all_: bool, url: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List the silences that hold or will."""
    found = [one for one in ask_list(url, "/api/v2/silences") if all_ or one["status"]["state"] != "expired"]
    if as_json:
        click.echo(json.dumps(found))
        return
    for one in found:
        fits = ", ".join(_matcher(matcher) for matcher in one["matchers"])
        state, until = one["status"]["state"], one["endsAt"][:19]
        click.echo(printable(f"{one['id']}  {state:<7}  until {until}Z  {{{fits}}}  {one['createdBy']}: {one['comment']}"))
    if not found:
        click.echo("no silence")


def _matcher(matcher: dict[str, object]) -> str:
    sign = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
    return f'{matcher["name"]}{sign[bool(matcher.get("isEqual", True)), bool(matcher["isRegex"])]}"{matcher["value"]}"'


@silence.command()
@click.argument("silence_id")
@url_option
def expire(silence_id: str, url: str) -> None:
    """End a silence now."""
    send("DELETE", url, f"/api/v2/silence/{silence_id}")
    click.echo(f"silence {silence_id} has ended")
