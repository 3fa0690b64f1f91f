"""What a set of kernels can do, whichever language it is in: functions of bytes, without state that decides anything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from processors.kernels.counted import LabelTexts, ServiceGraphSums
    from telemetry.call_graph import CallGraph
    from telemetry.documents import Document
    from telemetry.otlp import PackedSpan, SpanGroup
    from telemetry.resource import Resource, Scope
    from telemetry.span_links import LinkQuery
    from telemetry.spans import Span


class SplitSpans(NamedTuple):
    """A request's spans by the partition of their trace.

    `untimed` counts the spans that had no times, and have got that of their arrival.
    """

    parts: dict[int, bytes]
    queries: list[LinkQuery]
    untimed: int


class HopPlace(NamedTuple):
    """Where the hops of a trace are stored and counted: revision, partition, and nanoseconds of a window."""

    revision: int
    partition: int
    width: int

    def window_of(self, time: int) -> int:
        """The start of the window that a time falls into."""
        return time - time % self.width


class DrawnTrace(NamedTuple):
    """The call graph of a trace, and the documents of its hops.

    `json` is the document of the trace, where the core wrote it: see `EncodedTraceDocument`.
    """

    graph: CallGraph
    hops: list[Document]
    json: bytes | None = None


@dataclass(frozen=True, slots=True)
class KnownGroups:
    """Resources and scopes decoded before, for the spans of other traces. It grows; each round of drawing has its own."""

    groups: dict[SpanGroup, tuple[Resource, Scope]] = field(default_factory=dict)
    resources: dict[tuple[bytes, str], Resource] = field(default_factory=dict)

    def of(self, group: SpanGroup) -> tuple[Resource, Scope]:
        """The resource and scope of a group."""
        known = self.groups.get(group)
        if known is None:
            known = self.groups[group] = group.unpack(self.resources)
        return known


class Kernels(Protocol):
    """The kernels of a process.

    Attributes:
        name: `python` or `native`.
        why: what it says of itself at start: its version, or why there is no native core.
        counts: inputs by kernel and by what did them: `python`, `native`, or, of those that the native core did not do,
            `handed_back` for what is unusual and `panicked` for an error of its own. The reference did these.
    """

    name: str
    why: str
    counts: KernelCounts

    def split_spans(self, request: bytes, partitions: int, arrived: int) -> SplitSpans:
        """An export request as one request for each partition, and link queries to other traces.

        Spans stay encoded: what is within their attributes and events is not looked at.

        Args:
            request: a protobuf ExportTraceServiceRequest.
            partitions: of the topic.
            arrived: when, in nanoseconds.

        Raises:
            DecodeError: names the field.
        """
        ...

    def unpack(self, spans: Collection[PackedSpan], known: KnownGroups) -> tuple[dict[bytes, Span], int]:
        """Spans by their keys, decoded, and how many could not be."""
        ...

    def span_documents(self, spans: Sequence[Span], packed: Sequence[PackedSpan | None]) -> list[Document]:
        """The documents of spans, given of each how it was encoded, where that is known."""
        ...

    def draw_trace(self, spans: Sequence[Span], packed: Sequence[PackedSpan | None], place: HopPlace) -> DrawnTrace:
        """The call graph of a trace that no other trace sent a message to, and the documents of its hops.

        Args:
            spans: of the trace, each key once, and at least one.
            packed: how each was encoded, where that is known.
            place: of its hops.
        """
        ...

    def service_graph_sums(self, bounds: Sequence[float], admit: Callable[[int, LabelTexts], bool]) -> ServiceGraphSums | None:
        """Counters of hops by the labels of the service graph; None: Python counts.

        Args:
            bounds: of the histograms, in seconds.
            admit: decides whether a series may begin, given its number (requests, failed, unpaired, then times of clients, of
                servers and in queues) and its labels.
        """
        ...


class KernelCounts(Counter[tuple[str, str]]):
    """Inputs by kernel and by what did them."""

    def add(self, kernel: str, way: str, inputs: int = 1) -> None:
        """Count inputs."""
        self[kernel, way] += inputs
