"""Receipts and origins of messages between traces, on their way between the owners of the traces: see processors/messages.py.

Exact as the rest: a receipt's record is held until its answer is on the log or it is stored, and a stored one is answered
before the sender's span is stored. So whatever a crash cuts short is done again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import partitions, records
from pipeline.patience import RevokedError, patiently
from pipeline.records import HEADER, Batch
from processors.messages import Message, OpenReceipts, Receipt, message_from, origin
from stores.store import NO_LIMIT, OneOf, Query
from telemetry.documents import Kind, receipt_document
from telemetry.stored import span_from_body

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Sequence
    from typing import Any

    from faust import Topic
    from faust.types import TP

    from pipeline.offsets import Offsets
    from pipeline.writer import DocumentWriter
    from processors.assemble import TraceAssembler
    from processors.messages import Origin
    from stores.store import Store
    from telemetry.documents import Body
    from telemetry.spans import Span

MOST = 50_000
"""Receipts that wait in memory, of each partition; the oldest of more are stored early."""

AT_ONCE = 1000
"""Senders that the store is asked for in one query."""

LATER = 1 << 63
"""Past every event time."""


@dataclass(slots=True)
class MessageCounts:
    """What became of receipts."""

    answered: int = 0
    unseen: int = 0  # stored, for the sender was not seen in time
    large: int = 0  # answers too large for a record


class Messages:
    """What the owner of a partition does for the messages that its traces sent.

    Args:
        tp: the partition.
        topic: to whose partitions the answers go.
        wait: event time in nanoseconds for which a sender that was not seen is waited for in memory.
        is_owned: whether the partition is still ours.
    """

    def __init__(
        self,
        tp: TP,
        topic: Topic,
        store: Store,
        writer: DocumentWriter,
        offsets: Offsets,
        counts: MessageCounts,
        wait: int,
        is_owned: Callable[[], bool],
    ) -> None:
        self._tp, self._topic = tp, topic
        self._store, self._writer, self._offsets = store, writer, offsets
        self._is_owned = is_owned
        self._open = OpenReceipts(wait, MOST)
        self._counts = counts
        # Kinds of which not all may be findable yet; at first that is what the last owner stored.
        self._stale = {Kind.SPAN, Kind.RECEIPT}
        self._unfindable: set[bytes] = set()  # traces whose receipts may not be, either

    def take(self, source: int, watermark: int, receipts: Collection[Receipt]) -> int:
        """Add the receipts of one record; gives how many times it will be released."""
        return self._open.add(source, watermark, receipts)

    async def resolve(
        self, assembler: TraceAssembler, watermark: int, recent: Container[bytes], *, everything: bool = False
    ) -> None:
        """Answer those whose sender is open or stored, and store those that have waited long enough.

        Args:
            assembler: has the open traces of the partition.
            watermark: event time of the partition.
            recent: traces closed not long ago, so that their spans may not be findable yet.
            everything: none may wait longer.
        """
        if not self._open:
            return
        await self._answer(*self._open.answered(assembler.span))
        new = sorted(self._open.new())
        if new:
            for first in range(0, len(new), AT_ONCE):
                await self._answer(*self._open.answered_by(await self._stored(new[first : first + AT_ONCE], recent)))
        given_up = self._open.overdue(LATER if everything else watermark)
        if given_up:
            documents = [receipt_document(*item.message, item.receiver, item.time) for item, _ in given_up]
            await self._writer.write(documents, self._is_owned)
            self._counts.unseen += len(documents)
            self._unfindable.update(item.message.trace_id for item, _ in given_up)
            self._release(source for _, sources in given_up for source in sources)

    async def answer(self, spans: Sequence[Span]) -> None:
        """Answer the receipts of these spans, which are about to be stored for the first time."""
        if not spans:
            return
        await self._answer(*self._open.answered_by(spans))
        ids = {span.trace_id for span in spans}
        if len(self._unfindable) > MOST or not ids.isdisjoint(self._unfindable):
            self._stale.add(Kind.RECEIPT)
        if await self._findable(Kind.RECEIPT):
            self._unfindable.clear()
        query = Query(Kind.RECEIPT, [OneOf("trace_id", sorted(id_.hex() for id_ in ids))], limit=NO_LIMIT)
        bodies: list[Body] = await self._ask(lambda: self._store.find(query))
        if bodies:
            senders = {message_from(span): span for span in spans}
            receipts = map(_receipt, bodies)
            await self._send([origin(item, senders[item.message]) for item in receipts if item.message in senders])

    async def _stored(self, messages: Sequence[Message], recent: Container[bytes]) -> list[Span]:
        if any(message.trace_id in recent for message in messages):
            self._stale.add(Kind.SPAN)
        await self._findable(Kind.SPAN)
        where = [
            OneOf("trace_id", sorted({message.trace_id.hex() for message in messages})),
            OneOf("span_id", sorted({message.span_id.hex() for message in messages})),
        ]
        bodies: list[Body] = await self._ask(lambda: self._store.find(Query(Kind.SPAN, where, limit=NO_LIMIT)))
        return [span_from_body(body) for body in bodies]

    async def _findable(self, kind: Kind) -> bool:
        """Make what was stored of a kind findable, where it may not be; whether that was done."""
        if kind not in self._stale:
            return False
        if not self._store.capabilities().immediate:
            await self._ask(lambda: self._store.refresh([kind]))
        self._stale.discard(kind)
        return True

    async def _answer(self, origins: Sequence[Origin], sources: Sequence[int]) -> None:
        await self._send(origins)
        self._release(sources)

    def _release(self, sources: Iterable[int]) -> None:
        if not self._is_owned():  # these offsets may be held again by now, for what is to be done anew
            raise RevokedError(f"{self._tp.topic}[{self._tp.partition}] was taken away")
        self._offsets.release(self._tp, sources)

    async def _send(self, origins: Sequence[Origin]) -> None:
        """Return when they are on the log."""
        by_owner: dict[int, list[Origin]] = {}
        for item in origins:
            by_owner.setdefault(partitions.of_trace(item.trace_id, self._topic.partitions), []).append(item)
        headers = {HEADER: Batch.ORIGINS.value.encode()}
        sent = []
        for partition, items in by_owner.items():
            values, left_out = records.within(items, records.encode_origins)
            self._counts.large += left_out
            sent += [await self._topic.send(partition=partition, value=value, headers=headers) for value in values]
        await asyncio.gather(*sent)
        self._counts.answered += len(origins)

    async def _ask(self, ask: Callable[[], Any]) -> Any:
        return await patiently(ask, self._is_owned)


def _receipt(body: Body) -> Receipt:
    message = Message(bytes.fromhex(body["trace_id"]), bytes.fromhex(body["span_id"]))
    return Receipt(message, bytes.fromhex(body["receiver"]), body["@timestamp"])
