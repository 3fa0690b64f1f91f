"""`spanloom alerts`: what fires."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from alerting.promql.matchers import Matcher, parse_matchers
from spanloom.commands.running import ask_list, json_option, url_option
from spanloom.commands.terminal import printable

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject


@click.command()
@click.argument("matchers", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="Also those that are silenced or inhibited.")
@url_option
@json_option
def alerts(matchers: tuple[str, ...], all_: bool, url: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List the alerts that fire, or those of them that fit all MATCHERS, such as `service=cart` or `alertname=~Slow.*`."""
    found = matching(url, parsed(matchers), all_=all_)
    if as_json:
        click.echo(json.dumps(found))
        return
    for alert in found:
        click.echo(line(alert))
    if not found:
        click.echo("no alert fires" + (" that fits" if matchers else ""))


def parsed(texts: tuple[str, ...]) -> list[Matcher]:
    """Matchers as amtool takes them.

    Raises:
        ConfigError: names the one that is none.
    """
    return [matcher for text in texts for matcher in parse_matchers(text)]


def matching(url: str, matchers: list[Matcher], *, all_: bool) -> list[JsonObject]:
    """The alerts that fit, the longest first.

    Raises:
        NotAnsweredError: the console does not answer.
    """
    asked: dict[str, str | int | list[str]] = {"filter": [str(matcher) for matcher in matchers]}
    if not all_:
        asked |= {"silenced": "false", "inhibited": "false"}
    return sorted(ask_list(url, "/api/v2/alerts", asked), key=lambda alert: alert["startsAt"])


def line(alert: JsonObject) -> str:
    """State, since when, labels, summary."""
    labels = dict(alert["labels"])
    name, severity = labels.pop("alertname", ""), labels.pop("severity", "")
    rest = " ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    state = "silenced" if alert["status"]["silencedBy"] else "inhibited" if alert["status"]["inhibitedBy"] else "firing"
    summary = alert["annotations"].get("summary") or alert["annotations"].get("description") or ""
    return printable(f"{state:<9} {alert['startsAt'][:19]}Z  {name} {severity}  {rest}  {summary}".rstrip())
