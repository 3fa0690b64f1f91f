"""Makes the topics on Kafka, with their partitions, replicas and retention, and checks those that are there."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaError,
    NotControllerError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
    for_code,
)
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth, server_list

from telemetry.errors import ConfigError, SpanloomError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.app import PipelineApp

DEFAULT_PORT = 9092


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
class Made:
    """What became of a topic."""

    name: str
    partitions: int
    created: bool


def client_settings(app: PipelineApp) -> dict[str, Any]:
    """What every client of aiokafka is told of the brokers, their TLS and SASL."""
    conf = app.conf
    auth = credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context)
    return {"bootstrap_servers": server_list(conf.broker, DEFAULT_PORT), **auth}


async def make_topics(app: PipelineApp, topics: Iterable[Any]) -> list[Made]:
    """Create what is missing; what is there keeps its partitions and retention.

    Waits for START_SECONDS while Kafka cannot be reached.

    Raises:
        TopicsError: Kafka cannot be reached, or does not create a topic.
        ConfigError: a topic that is there has fewer partitions than the configuration says.
    """
    wanted = {topic.get_topic_name(): topic for topic in topics}
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return await _make(app, wanted)
        except (KafkaError, _NotYetError) as error:
            if time.monotonic() > deadline:
                raise TopicsError(
                    f"{app.conf.broker[0]}: {error}: is Kafka running, are its address and credentials right?"
                ) from error
            log.info("waiting_for_kafka", broker=str(app.conf.broker[0]), reason=str(error) or type(error).__name__)
            await asyncio.sleep(TRY_EVERY)


async def _make(app: PipelineApp, wanted: Mapping[str, Any]) -> list[Made]:
    admin = AIOKafkaAdminClient(**client_settings(app))
    try:
        await admin.start()
        answer = await admin.create_topics([_new(name, topic, app) for name, topic in wanted.items()])
        existing = _existing(answer.topic_errors)
        described = await admin.describe_topics(sorted(existing)) if existing else []
    finally:
        await admin.close()
    found = {item["topic"]: len(item["partitions"]) for item in described}
    for name, partitions in found.items():
        if partitions < wanted[name].partitions:
            raise ConfigError(
                f"topic {name} has {partitions} partitions and topics.partitions is {wanted[name].partitions}: "
                f"set it to {partitions}, or add partitions while nothing is in flight"
            )
    return [Made(name, found.get(name, topic.partitions), name not in existing) for name, topic in wanted.items()]


def _new(name: str, topic: Any, app: PipelineApp) -> NewTopic:
    config = {"retention.ms": str(int(topic.retention * 1000)), **(topic.config or {})}
    return NewTopic(name, topic.partitions, app.conf.topic_replication_factor, topic_configs=config)


def _existing(errors: Iterable[tuple[Any, ...]]) -> set[str]:
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
