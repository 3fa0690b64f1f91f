"""Link queries and link targets between traces, on their way between the owners of the traces.

See processors/call_graph/span_links.py for what they are.

Exact as the rest: the record of a link query stays in flight until its answer is on the log or it is stored, and a stored
one is answered before the sender's span is stored. So whatever a crash interrupts is done again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pipeline.delivery.retry import RevokedError
from pipeline.exchange import codec, partitions
from pipeline.exchange.batch_sender import BatchSender
from pipeline.exchange.codec import BatchKind
from processors.call_graph.span_links import OpenLinkQueries, link_target, links_ignored, message_from
from stores.store import NO_LIMIT, OneOf, Query
from telemetry.documents import Kind, link_query_document
from telemetry.documents.read_back import span_from_body
from telemetry.span_links import LinkQuery, SpanReference

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.delivery.offset_tracker import OffsetTracker
    from pipeline.record import TP, OutputTopic
    from processors.assembly.assembler import TraceAssembler
    from stores.store import Store
    from telemetry.documents import Body
    from telemetry.span_links import LinkTarget
    from telemetry.spans import Span

MAX_WAITING = 50_000
"""Link queries that wait in memory, of each partition; the oldest of more are stored early."""

Answer = TypeVar("Answer")

QUERY_CHUNK = 10_000
"""Spans that the store is asked for in one query: Elasticsearch takes 65,536 terms."""

FAR_FUTURE = 1 << 63
"""Past every event time."""


@dataclass(slots=True)
class SpanLinkCounts:
    """What became of link queries."""

    answered: int = 0
    unseen: int = 0  # stored, for the sender was not seen in time
    ignored: int = 0  # links that name no other span
    dropped: Counter[str] = field(default_factory=Counter)  # answers too large for a record


class SpanLinkResolver:
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
        topic: OutputTopic,
        store: Store,
        writer: DocumentWriter,
        offsets: OffsetTracker,
        counts: SpanLinkCounts,
        wait: int,
        is_owned: Callable[[], bool],
    ) -> None:
        self._tp, self._topic = tp, topic
        self._store, self._writer, self._offsets = store, writer, offsets
        self._is_owned = is_owned
        self._open = OpenLinkQueries(wait, MAX_WAITING)
        self._counts = counts
        self._answers = BatchSender(topic, BatchKind.LINK_TARGETS, codec.encode_link_targets, counts.dropped)
        # Kinds of which not all may be findable yet; at first that is what the last owner stored.
        self._stale = {Kind.SPAN, Kind.RECEIPT}
        # Traces of which we stored something of that kind since it was made findable.
        self._unfindable: dict[Kind, set[bytes]] = {Kind.SPAN: set(), Kind.RECEIPT: set()}

    @property
    def memory(self) -> int:
        """Memory of the link queries that wait."""
        return self._open.memory

    def add(self, source: int, watermark: int, link_queries: Collection[LinkQuery]) -> int:
        """Add the link queries of one record; returns how many times it will be released."""
        return self._open.add(source, watermark, link_queries)

    async def resolve(self, assembler: TraceAssembler, watermark: int, *, everything: bool = False) -> None:
        """Answer those whose sender is open or stored, and store those that have waited long enough.

        Args:
            assembler: has the open traces of the partition.
            watermark: event time of the partition.
            everything: none may wait longer, but for what comes meanwhile.
        """
        if not self._open:
            return
        await self._answer(*self._open.answered(assembler.span))
        new = sorted(self._open.new())
        if new:
            for first in range(0, len(new), QUERY_CHUNK):
                await self._answer(*self._open.answered_by(await self._stored(new[first : first + QUERY_CHUNK])))
        unanswered = self._open.overdue(FAR_FUTURE if everything else watermark)
        if unanswered:
            documents = [link_query_document(*item.message, item.receiver, item.time) for item, _, _ in unanswered]
            await self._writer.write(documents, self._is_owned)
            self._counts.unseen += sum(not answered for _, _, answered in unanswered)
            self._stores(Kind.RECEIPT, (item.message.trace_id for item, _, _ in unanswered))
            self._release(source for _, sources, _ in unanswered for source in sources)

    async def answer(self, spans: Sequence[Span]) -> None:
        """Answer the link queries for these spans, which are about to be stored for the first time."""
        if not spans:
            return
        self._counts.ignored += links_ignored(spans)
        spans = sorted(spans, key=_side, reverse=True)
        await self._answer(*self._open.answered_by(reversed(spans)))
        senders = {message_from(span): span for span in spans}  # of spans that share an id, the client's
        messages = list(senders)
        for first in range(0, len(messages), QUERY_CHUNK):
            link_queries = map(_link_query, await self._find(Kind.RECEIPT, messages[first : first + QUERY_CHUNK]))
            await self._send([link_target(item, senders[item.message]) for item in link_queries if item.message in senders])
        self._stores(Kind.SPAN, (span.trace_id for span in spans))

    async def _stored(self, messages: Sequence[SpanReference]) -> list[Span]:
        return sorted((span_from_body(body) for body in await self._find(Kind.SPAN, messages)), key=_side)

    def _stores(self, kind: Kind, trace_ids: Iterable[bytes]) -> None:
        self._unfindable[kind].update(trace_ids)
        if len(self._unfindable[kind]) > MAX_WAITING:
            self._unfindable[kind].clear()
            self._stale.add(kind)

    async def _find(self, kind: Kind, messages: Sequence[SpanReference]) -> list[Body]:
        """Documents of a kind that name one of these traces and one of these spans."""
        traces, stored = {message.trace_id for message in messages}, self._unfindable[kind]
        if kind in self._stale or not traces.isdisjoint(stored):
            if not self._store.capabilities().immediate:
                await self._ask("refresh", lambda: self._store.refresh([kind]))
            self._stale.discard(kind)
            stored.clear()
        spans = {message.span_id for message in messages}
        where = [OneOf("trace_id", sorted(id_.hex() for id_ in traces)), OneOf("span_id", sorted(id_.hex() for id_ in spans))]
        return await self._ask("find", lambda: self._store.find(Query(kind, where, limit=NO_LIMIT)))

    async def _answer(self, link_targets: Sequence[LinkTarget], sources: Sequence[int]) -> None:
        await self._send(link_targets)
        self._release(sources)

    def _release(self, sources: Iterable[int]) -> None:
        if not self._is_owned():  # these offsets may be in flight again by now, for what is to be done again
            raise RevokedError(f"{self._tp.topic}[{self._tp.partition}] was revoked")
        self._offsets.release(self._tp, sources)

    async def _send(self, link_targets: Sequence[LinkTarget]) -> None:
        """Return when they are on the log."""
        by_owner: dict[int, list[LinkTarget]] = {}
        for item in link_targets:
            by_owner.setdefault(partitions.of_trace(item.trace_id, self._topic.partitions), []).append(item)
        await asyncio.gather(*(self._answers.send(partition, items) for partition, items in by_owner.items()))
        self._counts.answered += len(link_targets)

    async def _ask(self, operation: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        return await self._writer.availability.ask(operation, ask, self._is_owned)


def _side(span: Span) -> bytes:
    return span.side


def _link_query(body: Body) -> LinkQuery:
    message = SpanReference(bytes.fromhex(body["trace_id"]), bytes.fromhex(body["span_id"]))
    return LinkQuery(message, bytes.fromhex(body["receiver"]), body["@timestamp"])
