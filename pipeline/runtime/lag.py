"""Consumer lag of this process, also while it consumes nothing: a fetch returns the end of a partition only when it is made."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pipeline.runtime.app import PipelineApp
    from telemetry.json_object import JsonObject

ASK_EVERY, ANSWER_SECONDS = 5.0, 10.0
"""Seconds between two questions to Kafka for the ends of partitions, and how long it may take to answer."""


FRESH_SECONDS = 3 * ASK_EVERY
"""How long an answer of Kafka counts: without one nobody knows whether telemetry waits there."""


class Lag:
    """Records of the partitions that this process owns which the group has not committed.

    Args:
        app: whose consumer owns them.
        topics: those that count; changelogs do not.
    """

    def __init__(self, app: PipelineApp, topics: Collection[str]) -> None:
        self._app, self._topics = app, topics
        self._ends: dict[TP, int] = {}
        self._answered_at: float | None = None  # by the loop's clock; None: nobody has to be asked

    def by_topic(self) -> dict[str, int]:
        """By topic, as of now or of the last answer."""
        found: dict[str, int] = {}
        consumer = self._app.consumer
        for tp in self._owned():
            end = self.end_of(tp)
            done = consumer._committed_offset.get(tp) or 0  # noqa: SLF001 - Faust has no public name for it
            found[tp.topic] = found.get(tp.topic, 0) + max(0, end - done)
        return found

    def end_of(self, tp: TP) -> int:
        """The offset that the next record of a partition will get, as of now or of the last answer."""
        return max(self._app.consumer.highwater(tp) or 0, self._ends.get(tp, 0))  # whichever is newer: ends only grow

    def read_to_end(self, next_of: Callable[[TP], int]) -> bool:
        """Whether this process has read every record of its partitions, as of now or of an answer that is still fresh.

        Args:
            next_of: the offset after the last record of a partition that was given to a stage; 0 for none yet.
        """
        if self._answered_at is not None and self._loop_time() - self._answered_at > FRESH_SECONDS:
            return False
        committed = self._app.consumer._committed_offset  # noqa: SLF001 - as above
        return all(max(next_of(tp), committed.get(tp) or 0) >= self.end_of(tp) for tp in self._owned())

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    def _owned(self) -> list[TP]:
        return [TP(*tp) for tp in self._app.consumer.assignment() if tp.topic in self._topics]

    async def watch(self, settings: JsonObject) -> None:
        """Ask Kafka for the ends, until cancelled, by a connection of its own: Faust's is busy while it is wanted most.

        Args:
            settings: of the client, see `kafka_access.client_settings`.
        """
        self._answered_at = -FRESH_SECONDS
        while True:
            client = AIOKafkaConsumer(**settings)
            with contextlib.suppress(KafkaError, OSError, TimeoutError):  # it is away: what was known stays
                try:
                    await client.start()
                    while True:
                        places = [TopicPartition(*tp) for tp in self._owned()]
                        ends = await asyncio.wait_for(client.end_offsets(places), ANSWER_SECONDS) if places else {}
                        self._ends = {TP(place.topic, place.partition): end for place, end in ends.items()}
                        self._answered_at = self._loop_time()
                        await asyncio.sleep(ASK_EVERY)
                finally:
                    await client.stop()
            await asyncio.sleep(ASK_EVERY)
