"""The kernels of the native core. What it hands back, and what it panics at, the reference does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processors.kernels import reference
from processors.kernels.protocol import KernelCounts, SplitSpans
from telemetry.span_links import LinkQuery, SpanReference

if TYPE_CHECKING:
    from processors.kernels.extension import Extension

_END: Final = 2**63
"""Times and numbers of partitions beyond are for the reference."""


class NativeKernels:
    """The kernels of the native core."""

    name = "native"

    def __init__(self, extension: Extension) -> None:
        self._extension = extension
        self.why = f"native core {extension.__version__}"
        self.counts = KernelCounts()

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
