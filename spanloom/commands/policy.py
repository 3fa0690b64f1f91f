"""`spanloom policy`: policies, from a file to a fleet and back."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from spanloom.commands.asking import ask, json_option, url_option
from spanloom.commands.policy_drafts import approve, drafts, reject, review
from spanloom.commands.policy_explain import explain
from spanloom.commands.terminal import printable
from spanloom.failure import Commands, Failure
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from spanloom.control_client import ControlClient
    from telemetry.json_object import JsonObject

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group(cls=Commands)
def policy() -> None:
    """Check, release and take back the policies of a fleet."""


for command in (explain, drafts, review, approve, reject):
    policy.add_command(command)


@policy.command()
@file_argument
@click.option("--url", help="Also have a control plane compile it for its fleet, and Envoy read it there.")
def check(file: Path, url: str | None) -> None:
    """Report every mistake in FILE with its place. Exit code 2 if there is one."""
    from governance.files import read_policies  # noqa: PLC0415 - RE2 and the models

    text = _read(file)
    try:
        policies = read_policies(text, str(file))
    except SpanloomError as error:
        raise Failure.of(error) from error
    if url is not None:
        ask(url, lambda client: client.check(text, str(file)))
    counts = [f"{len(found)} {section}" for section, found in policies.sections() if found]
    click.echo(f"{file}: {len(policies.services)} services, {', '.join(counts) or 'no policies'}")


@policy.command()
@file_argument
@url_option
@click.option("--comment", default="", help="Why, for the history.")
@click.option("--draft", is_flag=True, help="Keep it until somebody approves it, and release nothing now.")
@json_option
def push(file: Path, url: str, comment: str, draft: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Release FILE as a new revision: its first wave begins at once. `spanloom fleet waves` shows how far it is.

    With --draft, or where control.approvals.required is set, it waits: see `spanloom policy drafts`.
    """
    text = _read(file)
    found = ask(url, lambda client: client.publish(text, str(file), comment, draft=draft))
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    elif found["status"] == "draft":
        click.echo(f"revision {found['number']} waits for approval; see `spanloom policy review {found['number']}`")
    else:
        click.echo(f"revision {found['number']} is on its way; see `spanloom fleet waves`")


@policy.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(files: tuple[Path, ...]) -> None:
    """Print FILES of Envoy (route_config) or Istio (VirtualService, DestinationRule, PeerAuthentication) as policies.

    What cannot be carried over is an error with its place. Instances are added by hand, or found beside agents.
    """
    from governance.importers import import_policies  # noqa: PLC0415 - RE2 and the models

    text = "\n---\n".join(_read(file) for file in files)
    try:
        click.echo(import_policies(text, str(files[0]) if len(files) == 1 else "FILES"), nl=False)
    except SpanloomError as error:
        raise Failure.of(error) from error


@policy.command()
@file_argument
@url_option
def diff(file: Path, url: str) -> None:
    """What FILE would change of the revision that the fleet has. Exit code 1 if it changes something."""
    state = ask(url, lambda client: client.history(1))
    number = state["stable"]
    before = "" if number == "0" else ask(url, lambda client: client.document(number))["text"]
    lines = list(
        difflib.unified_diff(before.splitlines(), _read(file).splitlines(), f"revision {number}", str(file), lineterm="")
    )
    for line in lines:
        click.echo(printable(line))
    raise SystemExit(1 if lines else 0)


@policy.command()
@click.argument("revision", required=False)
@url_option
@click.option("--why", default="", help="For the history.")
def rollback(revision: str | None, url: str, why: str) -> None:
    """Take back what is on its way; or release the document of an earlier REVISION again."""
    found = ask(url, lambda client: client.roll_back(revision, why))
    if revision is None:
        click.echo(f"all agents get revision {found['stable']}")
    elif found["status"] == "draft":
        click.echo(f"revision {found['number']}, the document of revision {revision}, waits for approval")
    else:
        click.echo(f"revision {found['number']}, the document of revision {revision}, is on its way")


@policy.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="Show at most so many.")
@url_option
@json_option
def history(limit: int, url: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List the newest revisions with time, author and outcome."""
    found = ask(url, lambda client: client.history(limit))
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for each in found["revisions"]:
        time = datetime.fromtimestamp(each["created"] / 1e9, UTC).isoformat(timespec="seconds")
        comment = " ".join(part for part in (each["comment"], each["why"]) if part)
        here = "  <- stable" if each["number"] == found["stable"] else ""
        click.echo(printable(f"{each['number']}  {time}  {each['author']}  {each['status']}  {comment}{here}"))


@policy.command()
@url_option
def audit(url: str) -> None:
    """The audit trail of policies as JSON lines, as `spanloom audit verify FILE` reads it."""
    after = 0
    while records := ask(url, partial(_records, after=after))["records"]:
        for record in records:
            click.echo(orjson.dumps(record))
        after = records[-1]["sequence"]


async def _records(client: ControlClient, after: int) -> JsonObject:
    return await client.audit(after)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file}: {error}") from error
