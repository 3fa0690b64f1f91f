"""The way to stage 4."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pipeline.records import HEADER, Batch

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from faust import Topic


class Signals:
    """Sends batches to stage 4, all to the partition that owns the environment."""

    def __init__(self, topic: Topic, partition: int = 0) -> None:
        self._topic, self._partition = topic, partition

    def send(self, batch: Batch, value: bytes) -> Awaitable[None]:
        """A future that ends when the batch is on the log."""
        return asyncio.ensure_future(self._send(batch, value))

    async def _send(self, batch: Batch, value: bytes) -> None:
        headers = {HEADER: batch.value.encode()}
        sent = await self._topic.send(partition=self._partition, value=value, headers=headers)
        await sent
