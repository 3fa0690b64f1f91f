"""`spanloom fleet`: agents, and how far a revision is."""

from __future__ import annotations

from collections import Counter

import click
import orjson

from spanloom.commands.asking import ask, json_option, url_option
from spanloom.commands.terminal import printable
from spanloom.failure import Commands


@click.group(cls=Commands)
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
    """How far the newest revision and each delivery is, and why. Exit code 1 if the revision was rolled back."""
    found = ask(url, lambda client: client.fleet())
    rollout = found["rollout"]
    if as_json:
        shown = {key: found[key] for key in ("stable", "rollout", "deliveries")}
        click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2))
    elif rollout is None:
        click.echo(f"nothing is on its way; revision {found['stable']} is stable")
    else:
        number, of = rollout["wave"] + 1, len(rollout["waves"])
        click.echo(printable(f"revision {rollout['revision']}: {rollout['state']}, wave {number} of {of}: {rollout['why']}"))
        have = Counter(each["revision"] or "none" for each in found["agents"])
        for revision, count in sorted(have.items()):
            click.echo(printable(f"  revision {revision}: {count} agents"))
    for each in () if as_json else found["deliveries"]:
        click.echo(printable(f"delivery of {each['service']}: {each['state']} at {each['share']:g} %: {each['why']}"))
    raise SystemExit(1 if rollout is not None and rollout["state"] == "rolled-back" else 0)


@fleet.command()
@click.argument("action", type=click.Choice(["pause", "resume", "promote", "abort"]))
@click.argument("service")
@url_option
@click.option("--why", default="", help="For the audit trail.")
def deliver(action: str, service: str, url: str, why: str) -> None:
    """Pause the delivery of SERVICE, resume it, promote it to its last step, or abort it: new instances get no calls.

    `resume` begins one that was rolled back again at its first step.
    """
    found = ask(url, lambda client: client.deliver(service, action, why))
    click.echo(printable(f"delivery of {found['service']}: {found['state']} at {found['share']:g} %"))
