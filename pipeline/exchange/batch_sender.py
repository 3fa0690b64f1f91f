"""The way from small records to few and large ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from pipeline.exchange import codec
from pipeline.exchange.codec import HEADER

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Sequence

    from pipeline.exchange.codec import BatchKind
    from pipeline.record import OutputTopic


Item = TypeVar("Item")


class BatchSender(Generic[Item]):
    """Gathers what small records led to, so that the next stage gets few and large records.

    Args:
        topic: where to.
        batch: which batch the values are.
        left_out: counts items that are too large for a record, by what they are.
        size: items at which a partition's batch is sent.
        linger: seconds after which a smaller one is.
    """

    def __init__(
        self,
        topic: OutputTopic,
        batch: BatchKind,
        encode: Callable[[Sequence[Item]], bytes],
        left_out: Counter[str],
        size: int = 1000,
        linger: float = 0.02,
    ) -> None:
        self._topic, self._batch, self._encode, self._left_out = topic, batch, encode, left_out
        self._size, self._linger = size, linger
        self._waiting: dict[int, list[Item]] = {}
        self._sent: dict[int, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, partition: int, items: Iterable[Item]) -> asyncio.Future[None]:
        """A future that ends when the items are on the log."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting.setdefault(partition, [])
        waiting.extend(items)
        future = self._sent.get(partition)
        if future is None:
            future = self._sent[partition] = loop.create_future()
        if len(waiting) >= self._size:
            self._send(partition)
        elif self._timer is None:
            self._timer = loop.call_later(self._linger, self._send_all)
        return future

    def _send_all(self) -> None:
        self._timer = None
        for partition in list(self._waiting):
            self._send(partition)

    def _send(self, partition: int) -> None:
        items, future = self._waiting.pop(partition), self._sent.pop(partition)
        task = asyncio.create_task(self._deliver(partition, items, future))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, partition: int, items: list[Item], future: asyncio.Future[None]) -> None:
        try:
            headers = {HEADER: self._batch.value.encode()}
            values, left_out = codec.within(items, self._encode)
            self._left_out[f"large_{self._batch}"] += left_out
            sent = [await self._topic.send(partition=partition, value=value, headers=headers) for value in values]
            await asyncio.gather(*sent)
        except BaseException as error:  # noqa: BLE001 - each caller gets it
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(None)
