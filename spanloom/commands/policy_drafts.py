"""`spanloom policy drafts | review | approve | reject`: revisions that wait for somebody to decide."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import orjson

from spanloom.commands.asking import ask, json_option, url_option
from spanloom.commands.terminal import printable

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject


@click.command()
@url_option
@json_option
def drafts(url: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List revisions that wait, who approved them, and how many more people must."""
    found = ask(url, lambda client: client.drafts())
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for each in found["drafts"]:
        click.echo(printable(_line(each)))
    if not found["drafts"]:
        click.echo("no revision waits", err=True)


@click.command()
@click.argument("revision")
@url_option
@json_option
def review(revision: str, url: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show what REVISION would change of the revision that is stable."""
    found = ask(url, lambda client: client.difference(revision))
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    else:
        _show(revision, found)


@click.command()
@click.argument("revision")
@url_option
@click.option("--yes", is_flag=True, help="Do not ask; show the difference and approve it.")
@click.option("--against", help="Approve only if this revision is still stable, and show nothing. For programs.")
@json_option
def approve(revision: str, url: str, yes: bool, against: str | None, as_json: bool) -> None:  # noqa: FBT001 - as above
    """Show what draft REVISION would change, and approve it. The last approval that it needs releases it."""
    if against is None:
        found = ask(url, lambda client: client.difference(revision))
        against = str(found["against"])
        if not as_json:
            _show(revision, found)
        if not yes:
            click.confirm(f"Approve revision {revision}?", abort=True, err=True)
    shown = against
    answer = ask(url, lambda client: client.approve(revision, shown))
    if as_json:
        click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
    elif answer["released"]:
        click.echo(f"revision {revision} is on its way; see `spanloom fleet waves`")
    else:
        click.echo(f"approved; revision {revision} waits for {answer['missing']} more")


@click.command()
@click.argument("revision")
@url_option
@click.option("--why", required=True, help="For its author, and the history.")
@json_option
def reject(revision: str, url: str, why: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """End draft REVISION, which then cannot be released. Its author may do so too."""
    answer = ask(url, lambda client: client.reject(revision, why))
    if as_json:
        click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
    else:
        click.echo(f"revision {revision} is rejected")


def _show(revision: str, found: JsonObject) -> None:
    for line in found["lines"]:
        click.echo(printable(line))
    if not found["lines"]:
        click.echo(f"revision {revision} changes nothing of revision {found['against']}")


def _line(draft: JsonObject) -> str:
    created, expires = (_time(draft[each]) for each in ("created", "expires"))
    approved = ", ".join(each["by"] for each in draft["approvals"])
    by = f"; approved by {approved}" if approved else ""
    waits = f"needs {draft['missing']} more until {expires}{by}"
    return f"{draft['number']}  {created}  {draft['author']}  {waits}  {draft['comment']}"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e9, UTC).isoformat(timespec="seconds")
