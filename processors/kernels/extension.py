"""The native core as Python sees it; the only place that imports it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from processors.kernels.counted import CountedTrace, LabelTexts, ServiceGraphSums
    from telemetry.call_graph import CallGraph, Hop, Node, NodeKind, Segment
    from telemetry.resource import AttributeValue, Resource, Scope
    from telemetry.spans import DroppedCounts, Span, SpanEvent, SpanKind, SpanLink, StatusCode

INTERFACE: Final = 7
"""Of the functions below. The same number stands in native/src/python.rs: a core that was built for others is not used."""

INSTALL: Final = "`make setup` builds it where it finds cargo"


class SpanDecoder(Protocol):
    """Makes spans, and remembers attribute names."""

    def decode(self, spans: Sequence[bytes], around: Sequence[tuple[Resource, Scope]]) -> Sequence[Span | None]:
        """Each of the encoded spans, given the resource and scope of each."""
        ...


class AttributeDecoder(Protocol):
    """Makes attributes, and remembers their names."""

    def of_span(self, encoded: bytes) -> dict[str, AttributeValue]:
        """Of an encoded span that a `SpanDecoder` decoded."""
        ...


class ResourceNames(Protocol):
    """What is asked of a resource, as the core keeps it."""


class CallGraphs(Protocol):
    """Draws call graphs, and remembers texts and nodes."""

    def draw(
        self,
        spans: Sequence[bytes],
        senders: Sequence[ResourceNames],
        place: tuple[int, int, int],
        later: tuple[Sequence[Hop], Sequence[Segment]],
    ) -> tuple[CallGraph, bytes, Sequence[tuple[object, ...]], CountedTrace] | None:
        """The call graph of encoded spans, the trace's document, those of its hops, and these to be counted.

        Args:
            spans: encoded.
            senders: of each span.
            place: of the hops: revision, partition, and nanoseconds of a window.
            later: the hops and the critical path of that call graph.

        Returns:
            Of the trace's document its JSON without what is known of logs and without the brace at its end; of each hop's the
            fields of a `HopRow`.
        """
        ...

    def objects(
        self, spans: Sequence[bytes], senders: Sequence[ResourceNames]
    ) -> tuple[Sequence[Hop], Sequence[Segment]] | None:
        """The hops and the critical path of encoded spans."""
        ...


class Extension(Protocol):
    """The functions of `native/src/python.rs`. Each function returns None for an input that it leaves to the reference."""

    __version__: str
    INTERFACE: int
    KernelPanic: type[Exception]

    def split_spans(
        self, request: bytes, partitions: int, arrived: int
    ) -> tuple[Sequence[tuple[int, bytes]], Sequence[tuple[bytes, bytes, bytes, int]], int] | None:
        """Parts by partition, link queries as trace, span, receiver and time, and how many spans had no times."""
        ...

    def span_documents(
        self, spans: Sequence[bytes], around: Sequence[tuple[bytes, bytes]]
    ) -> Sequence[tuple[bytes, int] | None]:
        """The document of each encoded span as JSON, given members of it: its environment, and its resource and scope.

        With it the shape of its attributes: see `EncodedSpanDocument`.
        """
        ...

    def AttributeDecoder(self) -> AttributeDecoder:  # noqa: N802 - it is a class
        """A decoder of attributes alone."""
        ...

    def SpanDecoder(  # noqa: N802 - it is a class
        self,
        classes: tuple[
            type[Span], type[SpanEvent], type[SpanLink], type[DroppedCounts], Callable[[bytes], Mapping[str, AttributeValue]]
        ],
        none_dropped: DroppedCounts,
        kinds: Sequence[SpanKind],
        statuses: Sequence[StatusCode],
    ) -> SpanDecoder:
        """A decoder that makes spans of these classes; kinds and status codes by their numbers from 0.

        The last of the classes is asked for the attributes of an encoded span.
        """
        ...

    def ResourceNames(  # noqa: N802 - it is a class
        self, service: str, instance: str, host: str, environment: str
    ) -> ResourceNames:
        """What call graphs ask of a resource."""
        ...

    def CallGraphs(  # noqa: N802 - it is a class
        self,
        makers: tuple[type[CallGraph], Callable[[object], Segment], Callable[[object], Hop], Callable[[object], Node]],
        kinds: Sequence[NodeKind],
        names: Sequence[Sequence[str]],
        systems: Mapping[str, str],
        ports: Mapping[str, str],
        asked: tuple[Callable[[str], str], Callable[[str, str, str], str], Callable[[str], str], Callable[[bytes], bytes]],
    ) -> CallGraphs:
        """See native/src/drawing.rs."""
        ...

    def ServiceGraphSums(  # noqa: N802 - it is a class
        self, bounds: Sequence[float], admit: Callable[[int, LabelTexts], bool]
    ) -> ServiceGraphSums:
        """Without series. Bounds of the histograms, seconds; `admit` decides about a new series, by its number and labels."""
        ...

    def panic(self, message: str) -> None:
        """Raise KernelPanic, as a kernel does that panics."""
        ...


def load() -> Extension | str:
    """The native core, or why there is none."""
    try:
        module = importlib.import_module("spanloom_native")
    except ModuleNotFoundError:
        return f"the native core is not installed; {INSTALL}"
    except ImportError as error:  # of another platform
        return f"the native core cannot be loaded: {error}; {INSTALL}"
    if getattr(module, "INTERFACE", None) != INTERFACE:
        return f"the native core is of another release; {INSTALL}"
    return cast("Extension", module)
