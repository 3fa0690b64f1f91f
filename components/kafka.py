"""Clients of Kafka beside those that Faust runs: started together, and ended together."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = ["KafkaClients", "KafkaError", "TopicPartition", "admin_client", "connected"]


@dataclass(frozen=True, slots=True)
class KafkaClients:
    """One of each kind, connected."""

    consumer: AIOKafkaConsumer
    producer: AIOKafkaProducer
    admin: AIOKafkaAdminClient


@asynccontextmanager
async def connected(settings: Mapping[str, object], group: str, max_request: int) -> AsyncIterator[KafkaClients]:
    """The three clients, from connecting to leaving.

    Args:
        settings: brokers, TLS and SASL.
        group: whose offsets the consumer commits, by hand; it begins at the earliest record.
        max_request: bytes of the largest request that the producer sends.

    Raises:
        KafkaError: no broker answers, or one refuses.
    """
    consumer = AIOKafkaConsumer(**settings, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(**settings, max_request_size=max_request)
    admin = AIOKafkaAdminClient(**settings)
    async with AsyncExitStack() as stack:
        for client, leave in ((consumer, consumer.stop), (producer, producer.stop), (admin, admin.close)):
            stack.push_async_callback(leave)
            await client.start()
        yield KafkaClients(consumer, producer, admin)


@asynccontextmanager
async def admin_client(settings: Mapping[str, object]) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for the administration alone.

    Raises:
        KafkaError: no broker answers, or one refuses.
    """
    admin = AIOKafkaAdminClient(**settings)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
