"""The kernels in Python: what the native ones mean, and what runs where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processors.call_graph import call_graph
from processors.call_graph.span_links import link_queries
from processors.kernels.protocol import DrawnTrace, KernelCounts, SplitSpans
from processors.kernels.trace_partition import of_trace
from telemetry import otlp
from telemetry.documents import hop_document
from telemetry.documents.signals import span_document
from telemetry.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from processors.kernels.counted import LabelTexts
    from processors.kernels.protocol import HopPlace, KnownGroups
    from telemetry.documents import Document
    from telemetry.otlp import EncodedSpans, PackedSpan
    from telemetry.span_links import LinkQuery
    from telemetry.spans import Span

_YEAR: Final = 365 * 86_400 * 1_000_000_000


def split_spans(request: bytes, partitions: int, arrived: int) -> SplitSpans:
    """See `Kernels.split_spans`."""
    parts: dict[int, list[EncodedSpans]] = {}
    received: list[LinkQuery] = []
    untimed = 0
    for group in otlp.read_encoded(request):
        by_partition: dict[int, list[bytes]] = {}
        for encoded, head in otlp.heads_of(group):
            trace_id, start, end = head.trace_id, head.start_time_unix_nano, head.end_time_unix_nano
            span = encoded
            if not start or not end:
                untimed += 1
                start, end = times_of(start, end, arrived)
                span = otlp.with_times(encoded, start, end)
            by_partition.setdefault(of_trace(trace_id, partitions), []).append(span)
            if head.links:
                received += link_queries(trace_id, head.kind, start, head.links)
        for partition, spans in by_partition.items():
            parts.setdefault(partition, []).append(group._replace(spans=spans))
    return SplitSpans({partition: otlp.write_encoded(groups) for partition, groups in parts.items()}, received, untimed)


def times_of(start: int, end: int, arrived: int) -> tuple[int, int]:
    """The start and end of a span that lacks one or both: one stands for the other, and the time of arrival for both.

    An end without a start, within a year of 1970, is how long it took: so Zipkin says it.
    """
    if start:
        return start, end or start
    if end > _YEAR:
        return end, end
    return max(arrived - end, 1), max(arrived, 1)


def unpack(spans: Iterable[PackedSpan], known: KnownGroups) -> tuple[dict[bytes, Span], int]:
    """See `Kernels.unpack`. What cannot be decoded claimed to come from a collector, which would have refused it."""
    found: dict[bytes, Span] = {}
    invalid = 0
    for span in spans:
        try:
            found[span.span_id + span.side] = span.decoded(*known.of(span.group))
        except DecodeError:
            invalid += 1
    return found, invalid


def draw_trace(spans: Sequence[Span], place: HopPlace) -> DrawnTrace:
    """See `Kernels.draw_trace`."""
    graph = call_graph(spans)
    revision, partition, _ = place
    return DrawnTrace(graph, [hop_document(hop, revision, partition, place.window_of(hop.start)) for hop in graph.hops])


class PythonKernels:
    """The kernels in Python."""

    name = "python"

    def __init__(self, why: str = "") -> None:
        self.why = why
        self.counts = KernelCounts()

    def split_spans(self, request: bytes, partitions: int, arrived: int) -> SplitSpans:
        """See `Kernels`."""
        self.counts.add("split_spans", "python")
        return split_spans(request, partitions, arrived)

    def unpack(self, spans: Collection[PackedSpan], known: KnownGroups) -> tuple[dict[bytes, Span], int]:
        """See `Kernels`."""
        self.counts.add("unpack", "python", len(spans))
        return unpack(spans, known)

    def span_documents(self, spans: Sequence[Span], packed: Sequence[PackedSpan | None]) -> list[Document]:
        """See `Kernels`."""
        del packed
        self.counts.add("span_documents", "python", len(spans))
        return list(map(span_document, spans))

    def draw_trace(self, spans: Sequence[Span], packed: Sequence[PackedSpan | None], place: HopPlace) -> DrawnTrace:
        """See `Kernels`."""
        del packed
        self.counts.add("draw_trace", "python")
        return draw_trace(spans, place)

    def service_graph_sums(self, bounds: Sequence[float], admit: Callable[[int, LabelTexts], bool]) -> None:
        """See `Kernels`."""
        del bounds, admit
