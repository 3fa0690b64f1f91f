"""State of stage 2 for one partition."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processors.assembly.watermark import Watermark
from telemetry.otlp import SpanPacker

if TYPE_CHECKING:
    from pipeline.assembling.span_links import SpanLinkResolver
    from pipeline.assembling.trace_telemetry import TraceTelemetry
    from pipeline.record import TP
    from processors.assembly.assembler import TraceAssembler
    from processors.assembly.edge_windows import EdgeWindows


@dataclass(slots=True)
class Partition:
    """Open traces, and open windows of edges, with what they wait for."""

    tp: TP
    assembler: TraceAssembler
    windows: EdgeWindows
    trace_telemetry: TraceTelemetry
    messages: SpanLinkResolver
    last_record: int  # that moves event time; by the wall clock
    last_tick: int
    packer: SpanPacker = field(default_factory=SpanPacker)
    closing: int = 0  # memory of traces that are closed and not stored yet
    watermark: Watermark = field(default_factory=Watermark)
    fresh: bool = True  # its last owner may have stored what is not findable yet
    recent: OrderedDict[bytes, None] = field(default_factory=OrderedDict)  # closed not long ago, so perhaps not yet findable

    @property
    def others(self) -> int:
        """Memory that is freed by storing what is due, and not by closing traces."""
        return self.closing + self.windows.memory + self.messages.memory
