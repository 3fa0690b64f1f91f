"""Call graphs drawn by the native core from encoded spans. What it leaves to the reference is None here."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from processors.call_graph import call_graph
from processors.call_graph.database_systems import DEFAULT_PORTS, TODAY
from processors.call_graph.operations import normalised, of_proxy
from processors.call_graph.peers import host_of
from processors.kernels.drawn import DrawnHops, Later
from processors.kernels.protocol import DrawnTrace
from telemetry import attributes as names
from telemetry.call_graph import CallGraph, Hop, Node, NodeKind, Segment
from telemetry.documents.encoded_hop import EncodedHopDocument, HopRow
from telemetry.other_formats.zipkin import server_side_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.kernels.extension import Extension, ResourceNames
    from processors.kernels.protocol import HopPlace
    from telemetry.documents import Document
    from telemetry.otlp import PackedSpan, SpanGroup
    from telemetry.resource import Resource
    from telemetry.spans import Span

NAMES: Final = (
    names.SERVICE_PEER_NAME,
    names.SERVICE_PEER_NAMESPACE,
    names.SERVER_ADDRESS,
    names.SERVER_PORT,
    names.NETWORK_PEER_ADDRESS,
    names.NETWORK_PEER_PORT,
    names.NETWORK_PROTOCOL_NAME,
    names.HTTP_METHOD,
    names.HTTP_ROUTE,
    names.URL_FULL,
    names.URL_TEMPLATE,
    names.RPC_SYSTEM,
    names.DB_SYSTEM,
    names.DB_NAMESPACE,
    names.DB_OPERATION,
    names.DB_COLLECTION,
    names.DB_QUERY_SUMMARY,
    names.MESSAGING_SYSTEM,
    names.MESSAGING_DESTINATION,
    names.MESSAGING_DESTINATION_TEMPLATE,
    names.MESSAGING_DESTINATION_TEMPORARY,
    names.MESSAGING_DESTINATION_ANONYMOUS,
    names.MESSAGING_OPERATION_TYPE,
)
"""In the order of the constants in native/src/graph/vocabulary.rs."""

KNOWN_SENDERS = 512
"""Resources whose names are remembered."""

SENDER_BYTES = 4096
"""Characters of those names up to which they are: with all of them two megabytes, and as much in the core."""


class NativeGraphs:
    """Draws traces, and remembers their senders."""

    def __init__(self, extension: Extension) -> None:
        self._extension = extension
        self._senders: OrderedDict[SpanGroup, ResourceNames] = OrderedDict()
        self._row = partial(tuple.__new__, HopRow)
        self._graphs = extension.CallGraphs(
            (CallGraph, partial(tuple.__new__, Segment), partial(tuple.__new__, Hop), partial(tuple.__new__, Node)),
            tuple(NodeKind),
            NAMES,
            TODAY,
            DEFAULT_PORTS,
            (normalised, of_proxy, host_of, server_side_id),
        )

    def draw_trace(self, spans: Sequence[Span], packed: Sequence[PackedSpan | None], place: HopPlace) -> DrawnTrace | None:
        """See `Kernels.draw_trace`; None for a trace that is not usual.

        Raises:
            KernelPanic: an error of the core.
        """
        encoded, senders = [], []
        for span, one in zip(spans, packed, strict=True):
            if one is None:
                return None
            encoded.append(one.encoded)
            known = self._senders.get(one.group)
            senders.append(self._sender(one.group, span.resource) if known is None else known)
        both = lru_cache(1)(lambda: self._objects(encoded, senders, spans))
        hops, path = DrawnHops(lambda: both()[0]), Later(lambda: both()[1])
        drawn = self._graphs.draw(encoded, senders, place, (hops, path))
        if drawn is None:
            return None
        graph, json, rows, hops.counted = drawn
        documents: list[Document] = [
            EncodedHopDocument(hops, number, self._row(row), *place) for number, row in enumerate(rows)
        ]
        return DrawnTrace(graph, documents, json)

    def _objects(
        self, encoded: Sequence[bytes], senders: Sequence[ResourceNames], spans: Sequence[Span]
    ) -> tuple[Sequence[Hop], Sequence[Segment]]:
        """The hops and the critical path of a trace that was drawn before: drawn again, for that is seldom asked."""
        try:
            found = self._graphs.objects(encoded, senders)
        except self._extension.KernelPanic:
            found = None
        if found is None:
            graph = call_graph(spans)
            return graph.hops, graph.critical_path
        return found

    def _sender(self, group: SpanGroup, resource: Resource) -> ResourceNames:
        said = resource.service, resource.instance, resource.host, resource.environment
        sender = self._extension.ResourceNames(*said)
        if sum(map(len, said)) <= SENDER_BYTES:
            self._senders[group] = sender
            if len(self._senders) > KNOWN_SENDERS:
                self._senders.popitem(last=False)
        return sender
