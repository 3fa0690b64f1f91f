"""The way to stage 4: each item to the partition that owns its environment."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from pipeline.exchange import codec, learning, partitions
from pipeline.exchange.batch_sender import send_values, values_of
from pipeline.exchange.by_environment import by_environment
from pipeline.exchange.codec import BatchKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pipeline.record import OutputTopic
    from telemetry.metrics import Point

GLOBAL_PARTITION = 0
"""The partition whose owner evaluates the rules over all environments: that of the default one."""

_ENCODE: dict[BatchKind, Callable[[Sequence[Any]], bytes]] = {
    BatchKind.POINTS: codec.encode_points,
    BatchKind.TRACES: learning.encode_traces,
    BatchKind.LOG_TEMPLATES: learning.encode_lines,
    BatchKind.EDGES: codec.encode_bodies,
    BatchKind.ANOMALIES: codec.encode_bodies,
}


class EnvironmentTopic:
    """Sends batches to stage 4."""

    def __init__(self, topic: OutputTopic) -> None:
        self._topic = topic
        self.dropped: Counter[str] = Counter()

    def partition_of(self, environment: str) -> int:
        """The partition that owns an environment."""
        return partitions.of_environment(environment, self._topic.partitions)

    def send_all(self, batch: BatchKind, items: Sequence[Any]) -> list[asyncio.Future[None]]:
        """Send items in records of a size that every broker accepts; what is larger alone is dropped and counted."""
        return [
            self._send(partition, batch, value)
            for partition, own in self._by_partition(batch, items).items()
            for value in values_of(batch, own, _ENCODE[batch], self.dropped)
        ]

    def pass_on(self, batch: BatchKind, items: Sequence[Any], value: bytes) -> list[asyncio.Future[None]]:
        """Send the items of a record on; as it came where they all belong to one partition."""
        found = self._by_partition(batch, items)
        if len(found) == 1:
            return [self._send(next(iter(found)), batch, value)]
        return self.send_all(batch, items)

    def send_everywhere(self, batch: BatchKind, value: bytes) -> Awaitable[object]:
        """Send what concerns every environment to all partitions; ends when it is on the log of each."""
        return asyncio.gather(*(self._send(partition, batch, value) for partition in range(self._topic.partitions)))

    def send_global(self, points: Sequence[Point]) -> list[asyncio.Future[None]]:
        """Send points to where the rules over all environments are evaluated."""
        values = values_of(BatchKind.GLOBAL_POINTS, points, codec.encode_points, self.dropped)
        return [self._send(GLOBAL_PARTITION, BatchKind.GLOBAL_POINTS, value) for value in values]

    def _by_partition(self, batch: BatchKind, items: Sequence[Any]) -> dict[int, Sequence[Any]]:
        if self._topic.partitions == 1:
            return {0: items}
        found: dict[int, list[Any]] = {}
        for environment, own in by_environment(batch, items).items():
            found.setdefault(self.partition_of(environment), []).extend(own)
        return dict(found)

    def _send(self, partition: int, batch: BatchKind, value: bytes) -> asyncio.Future[None]:
        return asyncio.ensure_future(send_values(self._topic, partition, batch, (value,)))
