"""`spanloom setup`: prepares Kafka and Elasticsearch; safe to run again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spanloom.commands.worker import stages_option
from spanloom.failure import Commands

if TYPE_CHECKING:
    from pipeline.runtime.kafka_topics import TopicChange
    from stores.elasticsearch.templates import Installed

_config = click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")


@click.group(cls=Commands)
def setup() -> None:
    """Prepare Elasticsearch or Kafka. Safe to run again."""


@setup.command()
@_config
@stages_option
def kafka(config: Path | None, stages: tuple[str, ...]) -> None:
    """Create missing topics as configured; existing topics keep their settings.

    Workers of some stages alone keep what they know on topics of their own: once for each kind of worker.
    """
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.roles.needs import require_shared  # noqa: PLC0415
    from spanloom.wiring import Log  # noqa: PLC0415

    settings = load_config(config)
    require_shared(settings, "setup kafka", "log")

    async def run() -> list[TopicChange]:
        return await Log(settings, stages).make_topics()

    for topic in asyncio.run(run()):
        click.echo(f"{topic.name:42} {topic.partitions:3} partitions  {'created' if topic.created else 'unchanged'}")


@setup.command()
@_config
@click.option(
    "--keep-days", type=click.IntRange(0), help="Days until Elasticsearch deletes; 0 keeps all.  [default: retention.days]"
)
@click.option("--ilm-policy", default="", metavar="NAME", help="This lifecycle policy of the cluster decides it instead.")
def elasticsearch(config: Path | None, keep_days: int | None, ilm_policy: str) -> None:
    """Install the index templates and the lifecycle, of data streams that are there too.

    What the server does not offer is named and skipped.
    """
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.roles.needs import require_shared  # noqa: PLC0415
    from stores.elasticsearch.client import connect  # noqa: PLC0415
    from stores.elasticsearch.component import ELASTICSEARCH  # noqa: PLC0415
    from stores.elasticsearch.templates import install  # noqa: PLC0415

    settings = load_config(config)
    require_shared(settings, "setup elasticsearch", "store")
    days = max(1, round(settings.retention.days)) if keep_days is None else keep_days

    async def run() -> list[Installed]:
        client = connect(settings.store_url, settings.of(ELASTICSEARCH))
        try:
            return await install(client, days, ilm_policy)
        finally:
            await client.close()

    for part in asyncio.run(run()):
        click.echo(f"{part.name:32} {part.outcome}{f' ({part.reason})' if part.reason else ''}")
