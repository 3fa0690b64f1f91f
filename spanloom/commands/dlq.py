"""`spanloom dlq`: records and documents that could not be used."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spanloom import clock
from spanloom.commands.terminal import printable
from spanloom.failure import Commands
from spanloom.logging import set_up_logging

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject

_config = click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")


@click.group(cls=Commands)
def dlq() -> None:
    """List, replay and skip dead letters: of Kafka, or of the embedded log, whether `spanloom up` runs or not."""
    set_up_logging()  # to the standard error


@dlq.command("list")
@_config
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
def list_(config: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Each dead letter: when, where it came from, why."""
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.dead_letters import list_dead_letters  # noqa: PLC0415

    settings = load_config(config)

    async def run() -> None:
        found = 0
        async for letter in list_dead_letters(settings, clock.system):
            found += 1
            click.echo(json.dumps(letter) if as_json else printable(_line(letter)))

        if not found and not as_json:
            click.echo("no dead letter")

    asyncio.run(run())


def _line(letter: JsonObject) -> str:
    time = datetime.fromtimestamp(letter["time"] / 1e9, UTC).isoformat(timespec="seconds")
    topic, partition, offset = letter["topic"], letter["partition"], letter["offset"]
    place = topic if partition is None else f"{topic}[{partition}] offset {offset}"
    cut = "" if letter["whole"] else f" (only the beginning of {letter['bytes']} bytes was kept)"
    return f"{letter['number']}  {time}  {place}  {letter['reason']}{cut}"


@dlq.command()
@_config
@click.option("--again", is_flag=True, help="Include records that were replayed before.")
def replay(config: Path | None, again: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Send dead letters, untouched, to where they came from. What is unusable still comes back as another."""
    from pipeline.exchange.topics import Topic  # noqa: PLC0415
    from spanloom import dead_letters  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.config import load_config  # noqa: PLC0415

    sent = asyncio.run(dead_letters.replay(load_config(config), clock.system, again=again))
    for topic, count in sorted(sent.items()):
        became = "refused again, see spanloom dlq list" if topic == Topic.DEAD_LETTERS else "replayed"
        click.echo(f"{topic}: {count} {became}")
    if not sent:
        click.echo("nothing to replay")


@dlq.command()
@click.argument("topic")
@click.argument("partition", type=click.IntRange(0))
@click.argument("offset", type=click.IntRange(0))
@_config
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object; needs --yes.")
def skip(topic: str, partition: int, offset: int, config: Path | None, yes: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Pass over one record that ends every worker, or that the dead letters do not take.

    It is left among the dead letters, or a note where it does not fit there. `spanloom up` knows of it at once, workers on
    Kafka at their next start. Of a -changelog topic the state under the record's key is given up, for the next start.
    """
    from spanloom import dead_letters  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.config import load_config  # noqa: PLC0415

    if as_json and not yes:
        raise click.UsageError("--json needs --yes: nobody can be asked")
    settings = load_config(config)
    if not yes:
        found = asyncio.run(dead_letters.skip(settings, clock.system, topic, partition, offset, dry_run=True))
        click.echo(printable(_found(found)))
        state = topic.endswith("-changelog")
        given_up = "The state that it holds is given up" if state else "What it holds is not analysed and not stored"
        click.confirm(f"Skip it? {given_up}", abort=True)
    found = asyncio.run(dead_letters.skip(settings, clock.system, topic, partition, offset, dry_run=False))
    click.echo(json.dumps(found | {"skipped": True}) if as_json else printable(f"skipped: {_found(found)}"))
    if not as_json and settings.log_url.startswith("kafka://"):
        click.echo("restart the workers of this topic: they learn of it at their start")


def _found(found: JsonObject) -> str:
    time = datetime.fromtimestamp(found["time"] / 1e9, UTC).isoformat(timespec="seconds")
    headers = ", ".join(f"{name}={value}" for name, value in found["headers"].items()) or "none"
    place = f"{found['topic']}[{found['partition']}] offset {found['offset']}"
    return f"{place}, {found['bytes']} bytes, of {time}, key {found['key'] or 'none'}, headers {headers}"
