"""The parts of a deployment that are services: topics on Kafka, templates and data streams of Elasticsearch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pipeline.runtime.kafka_access import client_settings
from pipeline.runtime.kafka_contents import GROUP_PREFIX, kafka_contents
from pipeline.state.saved import SavedTable
from spanloom.process.stores import open_store
from spanloom.upgrade.identity import SPANS, identities
from spanloom.upgrade.in_flight import INNER, Waiting, check_in_flight
from spanloom.upgrade.item import Outcome, UpgradeItem
from spanloom.upgrade.state import check_alerting, check_models
from spanloom.wiring import SCORES, STAGES, STATE, Log, changelog
from stores.elasticsearch.client import connect
from stores.elasticsearch.component import ELASTICSEARCH
from stores.elasticsearch.templates import InstallResult, install
from stores.store import Query
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from pipeline.runtime.kafka_contents import KafkaContents
    from spanloom.config import Config

MOST_IN_FLIGHT = 1000
"""Records of a partition that are tried: those behind them are of the same release, or were written meanwhile."""


async def check_kafka(config: Config, now: int) -> AsyncIterator[UpgradeItem]:
    """Topics, records in flight and the saved state of every kind of worker.

    Raises:
        SpanloomError: Kafka cannot be reached, or refuses.
    """
    async with kafka_contents(client_settings(Log(config).app)) as kafka:
        for item in _topics(Log(config, _stages(kafka.partitions)).wanted_topics(), kafka.partitions):
            yield item
        for topic in INNER:
            if topic in kafka.partitions:
                found = [
                    (record.partition, Waiting(record.offset, dict(record.headers), record.value))
                    async for record in kafka.waiting(topic, MOST_IN_FLIGHT)
                ]
                yield check_in_flight(topic, found)
        for saved in kafka.partitions:
            for name, check in ((SCORES, check_models), (STATE, partial(check_alerting, now=now))):
                if saved.startswith(GROUP_PREFIX) and saved.endswith(f"-{name}-changelog"):
                    for item in check(config, await _table(kafka, saved)):
                        yield item


async def _table(kafka: KafkaContents, topic: str) -> SavedTable:
    return SavedTable(topic, [(record.key, record.value) async for record in kafka.all_of(topic)])


def _topics(wanted: Mapping[str, int], partitions: Mapping[str, int]) -> list[UpgradeItem]:
    found = []
    for name, count in wanted.items():
        known = partitions.get(name)
        if known is None:
            found.append(UpgradeItem("log", name, Outcome.CHANGES, f"the topic is made, with {count} partitions"))
        elif known < count:
            way_out = f"configure {known}, or add partitions while nothing is in flight"
            text = f"it has {known} partitions, and {count} are configured: {way_out}"
            found.append(UpgradeItem("log", name, Outcome.REFUSED, text))
        else:
            found.append(UpgradeItem("log", name, Outcome.KEPT, f"{known} partitions"))
    return found


def _stages(partitions: Mapping[str, int]) -> Sequence[str]:
    """Stages whose changelogs have to be there: none where workers of some stages alone have theirs, which they make."""
    of_all = {changelog(SCORES), changelog(STATE)}
    others = [topic for topic in partitions if topic.startswith(GROUP_PREFIX) and topic.endswith("-changelog")]
    return STAGES if of_all.issuperset(others) else ()


async def change_kafka(config: Config) -> None:
    """Make the topics that are missing."""
    async with kafka_contents(client_settings(Log(config).app)) as kafka:
        stages = _stages(kafka.partitions)
    await Log(config, stages).make_topics()


async def check_elasticsearch(config: Config) -> AsyncIterator[UpgradeItem]:
    """Templates, and whom the newest spans name.

    Raises:
        StoreError: it cannot be reached, or refuses.
    """
    client = connect(config.store_url, config.of(ELASTICSEARCH))
    try:
        planned = await install(client, _days(config), dry_run=True)
    finally:
        await client.close()
    for part in planned:
        outcome, text = _TEMPLATES[part.outcome]
        yield UpgradeItem("store", part.name, outcome, f"{text}{f': {part.reason}' if part.reason else ''}")
    store = open_store(config)
    try:
        spans = await store.find(Query(Kind.SPAN, descending=True, limit=SPANS))
    finally:
        await store.close()
    for item in identities(spans):
        yield item


_TEMPLATES = {
    InstallResult.CREATED: (Outcome.CHANGES, "the template is made"),
    InstallResult.UPDATED: (
        Outcome.CHANGES,
        "the template is replaced; its data streams begin a new index with their next document, older ones stay",
    ),
    InstallResult.UNCHANGED: (Outcome.KEPT, "the template is of this release"),
    InstallResult.NEWER: (Outcome.NOTE, "the template is of a later release, and is left: that release's workers go on"),
    InstallResult.SKIPPED: (Outcome.NOTE, "the server does not offer it"),
}


async def change_elasticsearch(config: Config) -> None:
    """Install the templates. A kill in between leaves some older: the next run goes on.

    Raises:
        StoreError: it cannot be reached, or refuses.
    """
    client = connect(config.store_url, config.of(ELASTICSEARCH))
    try:
        await install(client, _days(config))
    finally:
        await client.close()


def _days(config: Config) -> int:
    return max(1, round(config.retention.days))
