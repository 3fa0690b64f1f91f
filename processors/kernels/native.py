"""The kernels of the native core. What it hands back, and what it panics at, the reference does."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Final

import orjson

from processors.kernels import reference
from processors.kernels.native_graphs import NativeGraphs
from processors.kernels.protocol import KernelCounts, SplitSpans
from telemetry.documents.encoded_attributes import EncodedAttributes
from telemetry.documents.encoded_span import EncodedSpanDocument
from telemetry.documents.signals import around, span_document
from telemetry.errors import DecodeError
from telemetry.resource import STORED_AS_TEXT
from telemetry.span_links import LinkQuery, SpanReference
from telemetry.spans import NONE_DROPPED, DroppedCounts, Span, SpanEvent, SpanKind, SpanLink, StatusCode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from processors.kernels.counted import LabelTexts, ServiceGraphSums
    from processors.kernels.extension import Extension
    from processors.kernels.protocol import DrawnTrace, HopPlace, KnownGroups
    from telemetry.documents import Document
    from telemetry.otlp import PackedSpan, SpanGroup
    from telemetry.resource import Resource, Scope

_END: Final = 2**63
"""Times and numbers of partitions beyond are for the reference."""


KNOWN_GROUPS = 512
"""Resources and scopes whose JSON is remembered."""

KNOWN_GROUP_BYTES = 4096
"""Bytes of them up to which it is: with all of them, and their JSON, about six megabytes."""


class NativeKernels:
    """The kernels of the native core."""

    name = "native"

    def __init__(self, extension: Extension) -> None:
        self._extension = extension
        self.why = f"native core {extension.__version__}"
        self.counts = KernelCounts()
        self._around: OrderedDict[SpanGroup, tuple[bytes, bytes] | None] = OrderedDict()
        self._graphs = NativeGraphs(extension)
        attributes = partial(EncodedAttributes, extension.AttributeDecoder().of_span)
        classes = Span, SpanEvent, SpanLink, DroppedCounts, attributes
        self._spans = extension.SpanDecoder(classes, NONE_DROPPED, tuple(SpanKind), tuple(StatusCode))

    def split_spans(self, request: bytes, partitions: int, arrived: int) -> SplitSpans:
        """See `Kernels`."""
        way = "handed_back"
        if 0 < partitions < 2**32 and 0 <= arrived < _END:
            try:
                found = self._extension.split_spans(request, partitions, arrived)
            except self._extension.KernelPanic:
                way, found = "panicked", None
            if found is not None:
                self.counts.add("split_spans", "native")
                parts, queries, untimed = found
                return SplitSpans(
                    dict(parts),
                    [LinkQuery(SpanReference(trace, span), receiver, time) for trace, span, receiver, time in queries],
                    untimed,
                )
        self.counts.add("split_spans", way)
        return reference.split_spans(request, partitions, arrived)

    def unpack(self, spans: Collection[PackedSpan], known: KnownGroups) -> tuple[dict[bytes, Span], int]:
        """See `Kernels`."""
        around = [known.of(span.group) for span in spans]
        try:
            decoded = self._spans.decode([span.encoded for span in spans], around)
        except self._extension.KernelPanic:
            self.counts.add("unpack", "panicked", len(spans))
            return reference.unpack(spans, known)
        found: dict[bytes, Span] = {}
        invalid = handed_back = 0
        for packed, span, who in zip(spans, decoded, around, strict=True):
            if span is None:
                handed_back += 1
                try:
                    found[packed.span_id + packed.side] = packed.decoded(*who)
                except DecodeError:
                    invalid += 1
            else:
                found[packed.span_id + packed.side] = span
        self.counts.add("unpack", "native", len(spans) - handed_back)
        self.counts.add("unpack", "handed_back", handed_back)
        return found, invalid

    def span_documents(self, spans: Sequence[Span], packed: Sequence[PackedSpan | None]) -> list[Document]:
        """See `Kernels`."""
        usual = [
            (place, span, one, around)
            for place, (span, one) in enumerate(zip(spans, packed, strict=True))
            if one is not None and (around := self._members(one.group, span)) is not None
        ]
        try:
            written = self._extension.span_documents([one.encoded for _, _, one, _ in usual], [around for *_, around in usual])
        except self._extension.KernelPanic:
            self.counts.add("span_documents", "panicked", len(spans))
            return list(map(span_document, spans))
        documents: list[Document | None] = [None] * len(spans)
        for (place, span, one, (_, resource_and_scope)), found in zip(usual, written, strict=True):
            if found is not None:
                json, shape = found
                documents[place] = EncodedSpanDocument(span, json, one.side, shape, resource_and_scope)
        handed_back = documents.count(None)
        self.counts.add("span_documents", "native", len(spans) - handed_back)
        self.counts.add("span_documents", "handed_back", handed_back)
        return [document or span_document(span) for document, span in zip(documents, spans, strict=True)]

    def draw_trace(self, spans: Sequence[Span], packed: Sequence[PackedSpan | None], place: HopPlace) -> DrawnTrace:
        """See `Kernels`."""
        way = "handed_back"
        try:
            drawn = self._graphs.draw_trace(spans, packed, place)
        except self._extension.KernelPanic:
            way, drawn = "panicked", None
        self.counts.add("draw_trace", way if drawn is None else "native")
        return reference.draw_trace(spans, place) if drawn is None else drawn

    def service_graph_sums(self, bounds: Sequence[float], admit: Callable[[int, LabelTexts], bool]) -> ServiceGraphSums:
        """See `Kernels`."""
        return self._extension.ServiceGraphSums(bounds, admit)

    def _members(self, group: SpanGroup, span: Span) -> tuple[bytes, bytes] | None:
        """What a group adds to the documents of its spans, as JSON; None for one that is not usual."""
        if group in self._around:
            return self._around[group]
        members = _members(span.resource, span.scope)
        if group.memory <= KNOWN_GROUP_BYTES:
            self._around[group] = members
            if len(self._around) > KNOWN_GROUPS:
                self._around.popitem(last=False)
        return members


def _members(resource: Resource, scope: Scope) -> tuple[bytes, bytes] | None:
    if any(type(resource.attributes.get(name, "")) is not str for name in STORED_AS_TEXT):
        return None  # a value of another type than the layout's stands elsewhere in Elasticsearch
    try:
        about = orjson.dumps(around(resource, scope))
        environment = orjson.dumps({"environment": resource.environment})
    except (TypeError, RecursionError):
        return None
    # A null may stand for a number that JSON has not.
    return None if b"null" in about else (environment[1:-1], about[1:-1])
