"""`spanloom traces`: stored traces, the slowest, the newest or those with errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from components.durations import SECOND, parse_duration
from spanloom import clock
from spanloom.commands.running import ask_list, json_option, url_option
from spanloom.commands.terminal import printable

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject

ORDERS = {"newest": "@timestamp", "slowest": "duration", "errors": "errors", "largest": "span_count"}


@click.command()
@click.option("--service", default="", help="Traces with a span of this service.")
@click.option("--operation", default="", help="Traces whose root is this operation.")
@click.option("--environment", default="", help="Only this environment; `default` is telemetry that names none.")
@click.option("--since", default="1h", show_default=True, help="How far back: 15m, 1d.")
@click.option("--by", type=click.Choice(list(ORDERS)), default="newest", show_default=True, help="Sort order.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@url_option
@json_option
def traces(service: str, operation: str, environment: str, since: str, by: str, limit: int, url: str, *, as_json: bool) -> None:
    """List stored traces: when, how long, spans, errors, root. `spanloom explain` and the console show one."""
    where = [f"services:{service}"] * bool(service) + [f"root.operation:{operation}"] * bool(operation)
    asked: dict[str, str | int | list[str]] = {
        "kind": "trace",
        "since": max(0, clock.system() - parse_duration(since)),
        "environment": environment,
        "where": where,
        "sort": ORDERS[by],
        "descending": "true",
        "limit": limit,
    }
    found = ask_list(url, "/api/v1/find", asked)
    if as_json:
        click.echo(json.dumps(found))
        return
    for body in found:
        click.echo(_line(body))
    if not found:
        click.echo(f"no trace in the last {since}" + (" that fits" if where or environment else ""))


def _line(body: JsonObject) -> str:
    start = datetime.fromtimestamp(body["start"] / SECOND, UTC).isoformat(sep=" ", timespec="milliseconds")[:23]
    errors = f"{body['errors']} errors" if body["errors"] else ""
    root = f"{body['root']['service']} {body['root']['operation']}"
    took, spans = body["duration"] / 1e6, body["span_count"]
    return printable(f"{body['trace_id']}  {start}Z {took:>10.1f} ms {spans:>5} spans  {errors:<9} {root}")
