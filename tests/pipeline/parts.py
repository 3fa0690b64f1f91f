"""What surrounds a stage, for its tests: events, topics that keep what was sent, a store in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pipeline.exchange.codec import HEADER, BatchKind
from pipeline.record import TP
from stores.store import Capabilities, Equals, OneOf, Retention, Usage, Written

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from stores.store import Aggregates, Aggregation, Query, Rejected, Totals
    from telemetry.documents import Body, Document, Kind

APP = SimpleNamespace(consumer_generation_id=1)


class Event:
    """A record as a stream gives it."""

    def __init__(self, topic: str, partition: int, offset: int, value: bytes = b"", batch: BatchKind | None = None) -> None:
        tp = TP(topic, partition)
        self.message: Any = SimpleNamespace(
            tp=tp,
            topic=topic,
            partition=partition,
            offset=offset,
            value=value,
            key=None,
            headers={},
            generation_id=1,
            timestamp=1.0,
        )
        self.value: bytes | None = value
        self.headers = {HEADER: batch.value.encode()} if batch else {}
        self.acked = False
        self.acknowledged = asyncio.Event()

    def ack(self) -> None:
        assert not self.acked
        self.acked = True
        self.acknowledged.set()


@dataclass
class Sent:
    """A record that was sent."""

    partition: int | None
    value: bytes
    headers: dict[str, bytes]
    key: bytes | None = None


@dataclass
class KeepingTopic:
    """Keeps what is sent."""

    partitions: int = 4
    sent: list[Sent] = field(default_factory=list)

    async def send(
        self,
        *,
        key: bytes | None = None,
        value: bytes | None = None,
        partition: int | None = None,
        headers: Mapping[str, bytes] | None = None,
    ) -> Awaitable[None]:
        self.sent.append(Sent(partition, value or b"", dict(headers or {}), key))
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        confirmed.set_result(None)
        return confirmed


class KilledError(Exception):
    """The process ended here."""


@dataclass
class MemoryStore:
    """A store that keeps documents in memory, and ends the process before or after its n-th write."""

    documents: dict[tuple[Kind, str], Document] = field(default_factory=dict)
    kill_at: int = -1
    after: bool = False
    writes: int = 0

    def capabilities(self) -> Capabilities:
        return Capabilities(immediate=True)

    async def write(self, documents: Sequence[Document]) -> Written:
        await asyncio.sleep(0)
        self.writes += 1
        if self.writes == self.kill_at and not self.after:
            raise KilledError
        before = len(self.documents)
        for document in documents:
            self.documents.setdefault((document.kind, document.id), document)
        if self.writes == self.kill_at:
            raise KilledError
        created = len(self.documents) - before
        return Written(created, len(documents) - created)

    async def find(self, query: Query) -> list[Body]:
        await asyncio.sleep(0)
        return [
            document.body | {"_id": document.id, "@timestamp": document.time}
            for document in self.documents.values()
            if document.kind is query.kind
            and all(_meets(document.body | {"_id": document.id}, condition) for condition in query.where)
        ]

    async def count(self, query: Query) -> int:
        return len(await self.find(query))

    @property
    def aggregates(self) -> Aggregates:
        raise NotImplementedError

    async def environments(self, query: Query) -> list[str]:
        return sorted({body.get("environment", "default") for body in await self.find(query)})

    async def values(self, query: Query, field: str) -> list[str]:
        return sorted({body[field] for body in await self.find(query)})

    async def totals(self, asked: Aggregation) -> list[Totals]:
        raise AssertionError(f"the pipeline adds up nothing: {asked}")

    async def refresh(self, kinds: Sequence[Kind]) -> None:
        pass

    async def retain(self, retention: Retention, now: int) -> int:
        raise NotImplementedError

    async def usage(self) -> Usage:
        raise NotImplementedError

    def counters(self) -> dict[str, int]:
        return {}

    async def close(self) -> None:
        pass


def _meets(body: Body, condition: Any) -> bool:
    match condition:
        case Equals(name, value):
            return bool(body[name] == value)
        case OneOf(name, values):
            return body[name] in values
    raise NotImplementedError(condition)


class NoRejects:
    """Takes rejected documents where there are none."""

    def count(self, kind: Kind, *, refused: bool) -> None:
        pass

    def objection(self, _: Sequence[Rejected]) -> str:
        return ""

    async def reject(self, rejected: Sequence[Rejected]) -> None:
        raise AssertionError(rejected)
