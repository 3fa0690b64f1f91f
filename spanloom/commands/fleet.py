"""`spanloom fleet`: agents, and how far a revision is."""

from __future__ import annotations

from collections import Counter

import click
import orjson

from spanloom.commands.policy import ask, json_option, url_option
from spanloom.commands.terminal import printable


@click.group()
def fleet() -> None:
    """List agents, and how far a revision is among them."""


@fleet.command("list")
@url_option
@json_option
def list_(url: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Each agent: its service, whether it is connected, which revision it has, and what it refused last."""
    found = ask(url, lambda client: client.fleet())
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for each in found["agents"]:
        labels = ",".join(f"{key}={value}" for key, value in sorted(each["labels"].items()))
        has = each["revision"] or "none"
        state = "connected" if each["connected"] else "away"
        behind = "" if each["revision"] == each["wanted"] or not each["connected"] else f" (wants {each['wanted']})"
        click.echo(printable(f"{each['id']}  {each['service']}  {state}  revision {has}{behind}  {labels}"))
        if (refusals := [entry for entry in each["history"] if entry["refusal"]]) and refusals[-1] == each["history"][-1]:
            click.echo(printable(f"  refuses revision {refusals[-1]['revision']}: {refusals[-1]['refusal']}"))
    if not found["agents"]:
        click.echo("no agent is known", err=True)


@fleet.command()
@url_option
@json_option
def waves(url: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """How far the newest revision is, and why it stands there. Exit code 1 if it was rolled back."""
    found = ask(url, lambda client: client.fleet())
    rollout = found["rollout"]
    if as_json:
        click.echo(orjson.dumps({"stable": found["stable"], "rollout": rollout}, option=orjson.OPT_INDENT_2))
    elif rollout is None:
        click.echo(f"nothing is on its way; revision {found['stable']} is stable")
    else:
        number, of = rollout["wave"] + 1, len(rollout["waves"])
        click.echo(printable(f"revision {rollout['revision']}: {rollout['state']}, wave {number} of {of}: {rollout['why']}"))
        have = Counter(each["revision"] or "none" for each in found["agents"])
        for revision, count in sorted(have.items()):
            click.echo(printable(f"  revision {revision}: {count} agents"))
    raise SystemExit(1 if rollout is not None and rollout["state"] == "rolled-back" else 0)
