"""The ends of partitions as a real Kafka tells them, of which nothing was fetched."""

from __future__ import annotations

import asyncio
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from pipeline.record import TP
from pipeline.runtime import lag
from pipeline.runtime.lag import Lag

pytestmark = pytest.mark.system


class Consumer:
    """One that owns two partitions and a changelog, and has paused since it fetched a little of one of them."""

    def __init__(self, topic: str) -> None:
        self.fetched = TP(topic, 0)
        self._committed_offset = {self.fetched: 1}
        self.topic = topic

    def assignment(self) -> set[TP]:
        return {TP(self.topic, 0), TP(self.topic, 1), TP("a-changelog", 0)}

    def highwater(self, tp: TP) -> int | None:
        return 2 if tp == self.fetched else None


async def test_lag_grows_while_nothing_is_fetched_and_outlives_a_broker_that_is_away(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "ASK_EVERY", 0.05)
    topic = f"lag-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
    app: Any = SimpleNamespace(consumer=Consumer(topic))
    behind = Lag(app, {topic})
    assert behind.by_topic() == {topic: 1}
    nowhere = {"bootstrap_servers": "127.0.0.1:1"}
    watching = asyncio.create_task(behind.watch(nowhere))
    await asyncio.sleep(0.2)
    assert not watching.done()
    watching.cancel()
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for partition in (0, 0, 0, 1, 1):
            await producer.send_and_wait(topic, b"x", partition=partition)
    watching = asyncio.create_task(behind.watch({"bootstrap_servers": kafka}))
    async with asyncio.timeout(20):
        while behind.by_topic() != {topic: 2 + 2}:  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.02)
    watching.cancel()
    await asyncio.wait({watching})
