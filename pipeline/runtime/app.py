"""The Faust application and the topics that it reads and writes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import faust
from faust.transport.drivers import aiokafka

from pipeline.exchange.limits import MAX_REQUEST
from pipeline.exchange.topics import Topic
from pipeline.runtime.in_order import KafkaConsumer
from pipeline.runtime.kafka_headers import read_any_header_names
from pipeline.runtime.skips import Skips

if TYPE_CHECKING:
    from pathlib import Path

    from faust.types import TP, TopicT

DEAD_LETTER_SECONDS = 14 * 86_400
"""How long dead letters are kept at least: until a person has fixed the cause and replays them."""

RAW = {"key_type": bytes, "key_serializer": "raw", "value_type": bytes, "value_serializer": "raw"}


class PipelineApp(faust.App):  # type: ignore[misc] # Faust's types are not read
    """A Faust application that gets every record in turn, and commits what was acknowledged before it stops."""

    logger = logging.getLogger("faust.app")  # what Faust says of it is no news of ours

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.skips = Skips()
        self.changelogs: dict[tuple[TP, bytes], int] = {}  # of each key of a table the offset of its newest record
        super().__init__(*args, **kwargs)

    def _new_transport(self) -> Any:
        transport = super()._new_transport()
        if isinstance(transport, aiokafka.Transport):
            transport.Consumer = KafkaConsumer
            read_any_header_names()
        return transport

    async def on_stop(self) -> None:
        """Faust commits on a timer that has ended by now; a commit under way knows nothing of what was acknowledged since."""
        if self.consumer is not None and not self.crashed:
            await self.consumer.maybe_wait_for_commit_to_finish()
            await self.consumer.commit()
        await super().on_stop()


@dataclass(frozen=True, slots=True)
class TopicLayout:
    """How topics are made where they do not exist. An existing topic keeps its partitions."""

    partitions: int = 4
    signal_partitions: int = 1
    replicas: int = 1
    retention_seconds: int = 86_400
    retention_bytes: int = 1 << 30


def build_app(
    name: str, broker: str, data_dir: Path, sizes: TopicLayout, session_seconds: float = 20.0, **settings: Any
) -> PipelineApp:
    """The application, without stream agents.

    Args:
        name: the consumer group too.
        broker: URL of the log.
        data_dir: for Faust's own files.
        sizes: of topics that it makes.
        session_seconds: a worker that is silent for this long loses its partitions.
        settings: Faust's own, for TLS, SASL and compression.
    """
    return PipelineApp(
        name,
        broker=broker,
        datadir=str(data_dir),
        store="memory://",
        topic_partitions=sizes.partitions,
        topic_replication_factor=sizes.replicas,
        topic_disable_leader=True,
        table_standby_replicas=0,
        # Faust would wait at a rebalance for records that we hold on purpose.
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        stream_buffer_maxsize=16,
        # How long a crashed worker's partitions wait for another, and how many records are read twice.
        broker_session_timeout=session_seconds,
        broker_heartbeat_interval=session_seconds / 6,
        # A worker that takes part in a rebalance has nothing to finish first: what is in flight is read again.
        broker_rebalance_timeout=session_seconds,
        broker_commit_interval=0.5,
        consumer_max_fetch_size=MAX_REQUEST,
        producer_max_request_size=MAX_REQUEST,
        web_enabled=False,
        worker_redirect_stdouts=False,
        **settings,
    )


def declare_topics(app: PipelineApp, sizes: TopicLayout) -> dict[Topic, TopicT]:
    """Every topic by its name."""
    topics = {}
    partitions = {Topic.SIGNALS: sizes.signal_partitions, Topic.DEAD_LETTERS: 1}
    for topic in Topic:
        topics[topic] = app.topic(
            topic.value,
            partitions=partitions.get(topic, sizes.partitions),
            retention=max(sizes.retention_seconds, DEAD_LETTER_SECONDS if topic is Topic.DEAD_LETTERS else 0),
            config={"retention.bytes": str(sizes.retention_bytes), "max.message.bytes": str(MAX_REQUEST)},
            **RAW,
        )
    return topics
