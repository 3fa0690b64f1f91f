"""Sends items to another stage: encoded, in records that every broker takes, at once or gathered into larger batches."""

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


def values_of(
    kind: BatchKind, items: Sequence[Item], encode: Callable[[Sequence[Item]], bytes], dropped: Counter[str]
) -> list[bytes]:
    """Values of a size that every broker accepts; an item that is larger alone is dropped, and counted under `large_`."""
    values, large = codec.within(items, encode)
    dropped[f"large_{kind}"] += large
    return values


async def send_values(topic: OutputTopic, partition: int, kind: BatchKind, values: Iterable[bytes]) -> None:
    """Return when the values, which hold a kind of batch, are on the log, in their order."""
    headers = {HEADER: kind.value.encode()}
    sent = [await topic.send(partition=partition, value=value, headers=headers) for value in values]
    await asyncio.gather(*sent)


async def send_everywhere(topic: OutputTopic, kind: BatchKind, value: bytes) -> None:
    """Return when the value, which holds a kind of batch, is on the log of every partition."""
    await asyncio.gather(*(send_values(topic, partition, kind, (value,)) for partition in range(topic.partitions)))


class BatchSender(Generic[Item]):
    """Sends items of one kind to the partitions of a topic.

    Args:
        topic: where to.
        kind: of batch that the values are.
        encode: makes the value of a record of items.
        dropped: counts items that are too large for a record alone, under `large_` and the kind.
        size: items at which the batch gathered for a partition is sent.
        linger: seconds after which a smaller one is.
    """

    def __init__(
        self,
        topic: OutputTopic,
        kind: BatchKind,
        encode: Callable[[Sequence[Item]], bytes],
        dropped: Counter[str],
        size: int = 1000,
        linger: float = 0.02,
    ) -> None:
        self._topic, self._kind, self._encode, self._dropped = topic, kind, encode, dropped
        self._size, self._linger = size, linger
        self._waiting: dict[int, list[Item]] = {}
        self._sent: dict[int, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, partition: int, items: Sequence[Item]) -> None:
        """Return when the items are on the log, sent at once."""
        values = values_of(self._kind, items, self._encode, self._dropped)
        await send_values(self._topic, partition, self._kind, values)

    def add(self, partition: int, items: Iterable[Item]) -> asyncio.Future[None]:
        """A future that ends when the items are on the log, gathered with others so that records are few and large."""
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
            await self.send(partition, items)
        except BaseException as error:  # noqa: BLE001 - each caller gets it
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(None)
