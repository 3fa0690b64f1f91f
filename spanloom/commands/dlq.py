"""`spanloom dlq`: records and documents that could not be used."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipeline.dead_letter_topic import DeadLetter

_config = click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")


@click.group()
def dlq() -> None:
    """List and replay dead letters. Needs SPANLOOM_LOG=kafka://HOST:PORT."""


@dlq.command("list")
@_config
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
def list_(config: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Each dead letter: when, where it came from, why."""
    from pipeline.dead_letter_topic import read_dead_letters  # noqa: PLC0415 - Faust takes a second to import
    from pipeline.kafka_access import client_settings  # noqa: PLC0415
    from spanloom.config import load_config  # noqa: PLC0415
    from spanloom.roles import require_shared  # noqa: PLC0415
    from spanloom.wiring import Log  # noqa: PLC0415

    settings = load_config(config)
    require_shared(settings, "dlq", "log")

    async def run() -> None:
        log = Log(settings)
        await log.check_access()
        async for letter in read_dead_letters(client_settings(log.app)):
            click.echo(json.dumps(letter.describe()) if as_json else _line(letter))

    asyncio.run(run())


def _line(letter: DeadLetter) -> str:
    time = datetime.fromtimestamp(letter.time / 1e9, UTC).isoformat(timespec="seconds")
    place = letter.topic if letter.partition is None else f"{letter.topic}[{letter.partition}] offset {letter.offset}"
    return f"{letter.number}  {time}  {place}  {letter.reason}"


@dlq.command()
@_config
@click.option("--again", is_flag=True, help="Also what has been replayed before.")
def replay(config: Path | None, again: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Send dead letters, untouched, to where they came from. What is unusable still comes back as another."""
    from pipeline.dead_letter_topic import replay_dead_letters  # noqa: PLC0415 - Faust takes a second to import
    from pipeline.kafka_access import client_settings  # noqa: PLC0415
    from spanloom.config import load_config  # noqa: PLC0415
    from spanloom.roles import require_shared  # noqa: PLC0415
    from spanloom.wiring import Log, open_store  # noqa: PLC0415

    settings = load_config(config)
    require_shared(settings, "dlq", "log")

    async def run() -> dict[str, int]:
        log = Log(settings)
        await log.check_access()
        store = open_store(settings) if settings.store_url.startswith("http") else None
        try:
            return await replay_dead_letters(client_settings(log.app), store, again=again)
        finally:
            if store is not None:
                await store.close()

    sent = asyncio.run(run())
    for topic, count in sorted(sent.items()):
        click.echo(f"{topic}: {count} replayed")
    if not sent:
        click.echo("nothing to replay")
