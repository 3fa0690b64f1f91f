"""Makes the topics on Kafka, with their partitions, replicas and retention, and checks those that are there."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiokafka.admin import NewTopic
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaError,
    NotControllerError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
    for_code,
)

from components.kafka import admin_client
from pipeline.exchange.topics import Topic
from pipeline.runtime.kafka_access import UnreachableError, check_access, client_settings
from telemetry.errors import ConfigError, SpanloomError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka.admin import AIOKafkaAdminClient
    from faust.types import TopicT

    from pipeline.runtime.app import PipelineApp
    from telemetry.json_object import JsonObject

START_SECONDS, TRY_EVERY = 60.0, 1.0
"""How long Kafka may take to be there; a broker that has just started listens seconds before it can make topics."""

_NOT_YET = {error.errno for error in (InvalidReplicationFactorError, NotControllerError, RequestTimedOutError)}
"""What a cluster says whose brokers have not all registered yet."""

log = structlog.get_logger(__name__)


class _NotYetError(Exception):
    pass


class TopicsError(SpanloomError):
    """Kafka cannot be reached, or refuses a topic."""


@dataclass(frozen=True, slots=True)
class TopicChange:
    """What became of a topic."""

    name: str
    partitions: int
    created: bool


async def make_topics(app: PipelineApp, topics: Iterable[TopicT]) -> list[TopicChange]:
    """Create what is missing; what is there keeps its partitions and retention.

    Waits for START_SECONDS while Kafka cannot be reached. What is there needs no right to create topics.

    Raises:
        AccessRefusedError: Kafka does not let us in, or we do not trust it.
        TopicsError: Kafka cannot be reached, or does not create a topic.
        ConfigError: a topic that is there has fewer partitions than the configuration says.
    """
    wanted = {topic.get_topic_name(): topic for topic in topics}
    settings = client_settings(app)
    deadline = time.monotonic() + START_SECONDS
    reason = ""
    while True:
        try:
            return await _make(settings, wanted, app.conf.topic_replication_factor)
        except (KafkaError, UnreachableError, _NotYetError) as error:
            if time.monotonic() > deadline:
                raise TopicsError(f"{error} (waited for {START_SECONDS:.0f} s)") from error
            if str(error) != reason:
                reason = str(error)
                log.info("waiting_for_kafka", reason=reason, at_most_seconds=START_SECONDS)
            await asyncio.sleep(TRY_EVERY)


async def _make(settings: JsonObject, wanted: JsonObject, replicas: int) -> list[TopicChange]:
    await check_access(settings)
    async with admin_client(settings) as admin:
        present = await count_partitions(admin)
        found = {name: present[name] for name in wanted if name in present}
        missing = [_new(name, topic, replicas) for name, topic in wanted.items() if name not in found]
        if missing:
            raced = _existing((await admin.create_topics(missing)).topic_errors)
            if raced:
                present = await count_partitions(admin)
                found |= {name: present[name] for name in raced if name in present}
    for name, partitions in found.items():
        if partitions < wanted[name].partitions:
            of_stage_4 = name == Topic.SIGNALS or name.endswith("spanloom-state-changelog")
            setting = "topics.signal_partitions" if of_stage_4 else "topics.partitions"
            raise ConfigError(
                f"topic {name} has {partitions} partitions and {setting} is {wanted[name].partitions}: "
                f"set it to {partitions}, or add partitions while nothing is in flight"
            )
    return [TopicChange(name, found.get(name, topic.partitions), name not in found) for name, topic in wanted.items()]


async def count_partitions(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """How many partitions each topic has. Asking for all of them is no order to create those that are not there."""
    return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


def _new(name: str, topic: TopicT, replicas: int) -> NewTopic:
    kept = {"cleanup.policy": "compact"} if topic.compacting else {"retention.ms": str(int(topic.retention * 1000))}
    config = {**kept, **(topic.config or {})}
    return NewTopic(name, topic.partitions, replicas, topic_configs=config)


def _existing(errors: Iterable[tuple[str, int, str]]) -> set[str]:
    """Those that another made in the meantime."""
    existing = set()
    for name, code, *message in errors:
        if code == TopicAlreadyExistsError.errno:
            existing.add(name)
        elif code in _NOT_YET:
            raise _NotYetError(f"topic {name}: {for_code(code).__name__}")
        elif code:
            reason = next((text for text in message if text), for_code(code).__name__)
            raise TopicsError(f"topic {name}: Kafka does not create it: {reason}")
    return existing
