"""The way to stage 4."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from pipeline.exchange.batch_sender import send_values, values_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pipeline.exchange.codec import BatchKind, Item
    from pipeline.record import OutputTopic


class EnvironmentTopic:
    """Sends batches to stage 4, all to the partition that owns the environment."""

    def __init__(self, topic: OutputTopic, partition: int = 0) -> None:
        self._topic, self._partition = topic, partition
        self.dropped: Counter[str] = Counter()

    def send_all(
        self, batch: BatchKind, items: Sequence[Item], encode: Callable[[Sequence[Item]], bytes]
    ) -> list[Awaitable[None]]:
        """Send items in records of a size that every broker accepts; what is larger alone is dropped and counted."""
        return [self.send(batch, value) for value in values_of(batch, items, encode, self.dropped)]

    def send(self, batch: BatchKind, value: bytes) -> Awaitable[None]:
        """A future that ends when the batch is on the log."""
        return asyncio.ensure_future(send_values(self._topic, self._partition, batch, (value,)))
