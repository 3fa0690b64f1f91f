"""The kernels of the native core. What it hands back, and what it panics at, the reference does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processors.kernels import reference
from processors.kernels.protocol import KernelCounts, SplitSpans
from telemetry.errors import DecodeError
from telemetry.span_links import LinkQuery, SpanReference
from telemetry.spans import NONE_DROPPED, DroppedCounts, Span, SpanEvent, SpanKind, SpanLink, StatusCode

if TYPE_CHECKING:
    from collections.abc import Collection

    from processors.kernels.extension import Extension
    from processors.kernels.protocol import KnownGroups
    from telemetry.otlp import PackedSpan

_END: Final = 2**63
"""Times and numbers of partitions beyond are for the reference."""


class NativeKernels:
    """The kernels of the native core."""

    name = "native"

    def __init__(self, extension: Extension) -> None:
        self._extension = extension
        self.why = f"native core {extension.__version__}"
        self.counts = KernelCounts()
        self._spans = extension.SpanDecoder(
            Span, SpanEvent, SpanLink, DroppedCounts, NONE_DROPPED, tuple(SpanKind), tuple(StatusCode)
        )

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
