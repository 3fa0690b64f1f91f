"""The edges of a sealed window: stored, counted again where a stored trace has changed, and sent to where they are scored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pipeline.delivery.retry import RevokedError
from pipeline.exchange import codec, partitions
from pipeline.exchange.batch_sender import BatchSender
from pipeline.exchange.codec import BatchKind
from processors.assembly.reconcile import corrections
from stores.store import NO_LIMIT, Equals, Query
from telemetry.documents import Kind, edge_document
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.assembling.counts import AssembleCounts
    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.record import OutputTopic
    from processors.assembly.edge_windows import EdgeWindow
    from stores.store import Store
    from telemetry.documents import Body, Document


MAX_SENT = 10_000
"""Windows that are known to be sent: of others the edges are sent once more when they are counted again."""


class SealedEdgeWindows:
    """The way of edges out of stage 2.

    Args:
        store: has the hops and edges of windows that are counted again.
        writer: takes the documents.
        series: the topic of stage 3.
        counts: of the stage.
    """

    def __init__(self, store: Store, writer: DocumentWriter, series: OutputTopic, counts: AssembleCounts) -> None:
        self._store, self._writer, self._series, self._counts = store, writer, series, counts
        self._edges = BatchSender(series, BatchKind.EDGES, codec.encode_bodies, counts.dropped)
        self._sent: dict[tuple[int, int], None] = {}  # windows by partition and start, oldest first

    async def seal(self, partition: int, window: EdgeWindow, width: int, is_owned: Callable[[], bool]) -> None:
        """Return when the window's edges are stored and on the log.

        Raises:
            RevokedError: the partition was revoked meanwhile.
        """
        again: list[Body] = []
        if window.recount:
            documents, again = await self._recount(partition, window, width, is_owned)
        else:
            documents = [edge_document(edge, partition, f"{hops:032x}") for edge, hops in window.edges()]
        if documents:
            await self._writer.write(documents, is_owned)
            if not is_owned():
                raise RevokedError(f"partition {partition} was revoked")
        await self._send([*again, *(document.body | {"id": document.id} for document in documents)])
        self._sent[partition, window.start] = None
        if len(self._sent) > MAX_SENT:
            del self._sent[next(iter(self._sent))]

    def drop(self, partition: int) -> None:
        """Another worker owns the partition from now on."""
        self._sent = {place: None for place in self._sent if place[0] != partition}

    async def _recount(
        self, partition: int, window: EdgeWindow, width: int, is_owned: Callable[[], bool]
    ) -> tuple[list[Document], list[Body]]:
        """What the hops in the store say of a window, less what was published of it; and that, where it may not be sent.

        A crash may have come between storing and sending.
        """
        ask = self._writer.availability.ask
        await ask("refresh", lambda: self._store.refresh([Kind.HOP, Kind.EDGE]), is_owned)
        where = [Equals("partition", partition), Equals("window", window.start)]
        hops = await ask("find", lambda: self._store.find(Query(Kind.HOP, where, limit=NO_LIMIT)), is_owned)
        edges = await ask("find", lambda: self._store.find(Query(Kind.EDGE, where, limit=NO_LIMIT)), is_owned)
        documents = corrections(hops, edges, width, partition)
        self._counts.corrections += sum(document.body["correction"] for document in documents)
        if (partition, window.start) in self._sent:
            return documents, []
        return documents, [_stored(body) | {"id": body["_id"], "again": True} for body in edges]

    async def _send(self, bodies: Iterable[Body]) -> None:
        """Send the edges to the partitions in which their callees are scored."""
        edges: dict[int, list[Body]] = {}
        for body in bodies:
            environment = body.get("environment", DEFAULT_ENVIRONMENT)  # 0.2.0 wrote none
            partition = partitions.of_service(body["callee"]["name"], environment, self._series.partitions)
            edges.setdefault(partition, []).append(body)
        await asyncio.gather(*(self._edges.send(partition, part) for partition, part in edges.items()))


def _stored(body: Body) -> Body:
    return {name: value for name, value in body.items() if name not in {"_id", "@timestamp"}}
