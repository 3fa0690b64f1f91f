"""`spanloom status`: what a running pipeline does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import httpx2

from spanloom.commands.running import NotAnsweredError, ask, json_option, url_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.json_object import JsonObject


@click.command()
@url_option
@json_option
def status(url: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show whether a pipeline is ready, what it received and stored, and what is waiting. Exit code 1 if it is not ready."""
    reasons = not_ready(url)
    found = ask(url, "/api/v1/status")
    if as_json:
        click.echo(json.dumps({"ready": not reasons, "reasons": reasons, **found}))
    else:
        click.echo(f"{url}: {'ready' if not reasons else 'not ready: ' + '; '.join(reasons)}")
        for line in lines(found):
            click.echo(line)
    if reasons:
        raise click.exceptions.Exit(1)


def not_ready(url: str) -> list[str]:
    """Why it is not ready; empty if it is.

    Raises:
        NotAnsweredError: it does not answer.
    """
    address = url.rstrip("/") + "/readyz"
    try:
        answer = httpx2.get(address, timeout=10, trust_env=False)
        reasons: list[str] = answer.json()["reasons"]
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise NotAnsweredError(
            f"{address}: {str(error) or type(error).__name__}; start `spanloom up`, or name its console with --url"
        ) from error
    return reasons


def lines(found: JsonObject) -> Iterator[str]:
    """The counters that say whether it works. Those of a stage that the process does not run are not there."""
    if "spans_received" in found:
        yield f"received  {found['spans_received']:,} spans, {found['logs_joined']:,} log records of traces"
        spans, traces, documents = found["spans_stored"], found["traces_stored"], found["documents_created"]
        yield f"stored    {spans:,} spans in {traces:,} traces; {documents:,} documents"
    if "points_scored" in found:
        yield f"scored    {found['points_scored']:,} points, {found['anomalies']:,} anomalies"
    waiting = [f"{topic} {count:,}" for topic, count in found["lag"].items() if count]
    yield f"waiting   {', '.join(waiting) or 'nothing'}; {found['held_records']:,} records not committed yet"
    lost = {
        name: found[name] for name in ("dead_letters", "documents_rejected", "spans_truncated", "traces_cut") if found.get(name)
    }
    if lost:
        counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in lost.items())
        yield f"not whole {counts}" + (": spanloom dlq list" if "dead_letters" in lost else "")
    for stall in found["stalled"]:
        yield f"stands    {stall['topic']}[{stall['partition']}] at offset {stall['offset']}: {stall['cause']}"
