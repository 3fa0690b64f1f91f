"""Gathers the telemetry items of each trace until the trace has been inactive for a while.

What is gathered here is all that decides a call graph; the graph itself is drawn once, when the trace closes. A signal
that comes after that opens the trace again, and whoever publishes compares it with what is already stored.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processors.call_graph.span_links import preferred_link_target
from processors.call_graph.span_tree import preferred
from processors.kernels.protocol import KnownGroups
from telemetry import otlp
from telemetry.errors import DecodeError
from telemetry.logs import ERROR, WARN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processors.kernels.protocol import Kernels
    from telemetry.otlp import PackedSpan
    from telemetry.span_links import LinkTarget, SpanReference
    from telemetry.spans import Span


MAX_EXEMPLARS = 16
"""Exemplars kept of a trace; a hot histogram could otherwise tie thousands to one trace."""


MAX_TELEMETRY_ITEMS = 20_000
"""Spans and log records up to which a trace grows. A service that gives all its spans one trace id would have the whole trace
read and built again each time that more of it comes; the largest traces that people can look at have a tenth of this."""


MAX_TRACE_BYTES = 16 << 20
"""Memory up to which a trace grows while it is open: it is drawn as a whole, and decoded it takes several times that."""

TRACE_BYTES, SOURCE_BYTES = 1300, 40
LOG_BYTES, EXEMPLAR_BYTES = 260, 340
"""Bytes of an open trace, of one of its records, and each of its signals beside spans, without their texts. Measured, see
docs/memory.md."""


def is_full(signals: int) -> bool:
    """Whether a trace with so many signals grows no further."""
    return signals >= MAX_TELEMETRY_ITEMS


@dataclass(frozen=True, slots=True, order=True)
class LogReference:
    """What a trace has to know of a log record: `id` is the record's document."""

    trace_id: bytes
    id: str
    time: int
    severity: int

    @property
    def memory(self) -> int:
        """Bytes of memory that it uses."""
        return LOG_BYTES + len(self.id)


@dataclass(frozen=True, slots=True, order=True)
class ExemplarReference:
    """What a trace has to know of an exemplar."""

    trace_id: bytes
    span_id: bytes
    time: int
    metric: str
    value: float

    @property
    def memory(self) -> int:
        """Bytes of memory that it uses."""
        return EXEMPLAR_BYTES + len(self.metric)


@dataclass(slots=True)
class OpenTrace:
    """The signals of one trace so far, each once. `sources` are the offsets of the records that they came in.

    Spans are `packed` while it is open, and decoded by `Span.key` when it is to be drawn: see `unpack`. They stay `encoded`
    beside that until they are stored.
    """

    trace_id: bytes
    spans: dict[bytes, Span] = field(default_factory=dict)
    logs: dict[str, LogReference] = field(default_factory=dict)
    exemplars: set[ExemplarReference] = field(default_factory=set)
    link_targets: dict[SpanReference, LinkTarget] = field(default_factory=dict)
    sources: set[int] = field(default_factory=set)
    opened: int = 0  # watermark when the trace was opened
    last: int = 0  # latest event time of its signals
    closed_early: bool = False  # closed by a limit, not because it was inactive
    early: bool = False  # closed to make room
    due: int = 0  # when to look at it again
    memory: int = TRACE_BYTES  # bytes that it uses, without the groups of its spans
    packed: dict[bytes, PackedSpan] = field(default_factory=dict)
    encoded: dict[bytes, PackedSpan] = field(default_factory=dict)  # by `Span.key`, of decoded spans

    @property
    def full(self) -> bool:
        """Whether it waits for nothing more."""
        return is_full(len(self.packed) + len(self.logs)) or self.is_large

    @property
    def is_large(self) -> bool:
        """Whether it takes as much memory as a trace may."""
        return self.memory >= MAX_TRACE_BYTES


def unpack(traces: Iterable[OpenTrace], kernels: Kernels) -> int:
    """Decode the spans of closed traces, which are about to be drawn. Returns how many were none, and are dropped."""
    known = KnownGroups()
    dropped = 0
    for trace in traces:
        trace.spans, invalid = kernels.unpack(trace.packed.values(), known)
        trace.encoded = {span.span_id + span.side: span for span in trace.packed.values()}
        trace.packed = {}
        dropped += invalid
    return dropped


def _unpacked(packed: otlp.PackedSpan) -> Span | None:
    try:
        return packed.unpack()
    except DecodeError:
        return None  # counted when its trace is drawn


def revision(spans: int, logs: int, exemplars: int, link_targets: int) -> int:
    """The revision of a trace: how many signals are known of it. Sets only grow, so a later one is greater."""
    return spans + logs + min(exemplars, MAX_EXEMPLARS) + link_targets


def log_summary(logs: Iterable[LogReference], exemplars: Iterable[ExemplarReference]) -> dict[str, object]:
    """The part of a trace document that logs and exemplars make."""
    severities = [log.severity for log in logs]
    return {
        "logs": {
            "count": len(severities),
            "errors": sum(severity >= ERROR for severity in severities),
            "warnings": sum(WARN <= severity < ERROR for severity in severities),
        },
        "exemplars": [
            {"span_id": item.span_id.hex(), "time": item.time, "metric": item.metric, "value": item.value}
            for item in sorted(exemplars)[:MAX_EXEMPLARS]
        ],
    }


@dataclass(frozen=True, slots=True)
class AssemblyLimits:
    """When a trace closes. Durations in nanoseconds of event time."""

    inactivity_gap: int
    max_open: int
    max_traces: int
    max_signals: int


class TraceAssembler:
    """Open traces of one partition, closed in the order in which they became inactive.

    The order of closing is a function of the records and their order alone.
    """

    def __init__(self, limits: AssemblyLimits) -> None:
        self._limits = limits
        self._open: OrderedDict[bytes, OpenTrace] = OrderedDict()  # least recently touched first
        # When to look at each, so that a round costs what is due and not what is open. A signal puts the end of its trace
        # off; that is found out when the trace is looked at.
        self._due: list[tuple[int, bytes]] = []
        self._signals = self._memory = 0
        self.closed_early = 0  # traces closed by a limit

    def __len__(self) -> int:
        """How many traces are open."""
        return len(self._open)

    @property
    def signals(self) -> int:
        """How many signals are held."""
        return self._signals

    @property
    def memory(self) -> int:
        """Memory that the open traces take."""
        return self._memory

    def span(self, message: SpanReference) -> Span | None:
        """A span of an open trace; of those that share an id, the client's."""
        trace = self._open.get(message.trace_id)
        packed = trace.packed.get(message.span_id) if trace is not None else None
        return _unpacked(packed) if packed is not None else None

    def add(
        self, source: int, watermark: int, signals: Iterable[PackedSpan | LogReference | ExemplarReference | LinkTarget]
    ) -> set[bytes]:
        """Add the telemetry items of one record; returns the traces that they belong to."""
        touched = set()
        for signal in signals:
            trace_id = signal.trace_id
            trace = self._open.get(trace_id)
            if trace is None:
                trace = self._open[trace_id] = OpenTrace(trace_id, opened=watermark)
                self._memory += TRACE_BYTES
            touched.add(trace_id)
            if isinstance(signal, otlp.PackedSpan):
                self._add_span(trace, signal)
                time = signal.end
            else:
                self._add_reference(trace, signal)
                time = signal.time
            trace.last = max(trace.last, time)
        for trace_id in touched:
            trace = self._open[trace_id]
            if source not in trace.sources:
                trace.sources.add(source)
                self._count(trace, 0, SOURCE_BYTES)
            self._open.move_to_end(trace_id)
            if not trace.due or trace.full:
                self._reschedule(trace)
        return touched

    def _add_reference(self, trace: OpenTrace, signal: LogReference | ExemplarReference | LinkTarget) -> None:
        if isinstance(signal, LogReference):
            known = signal.id in trace.logs
            trace.logs[signal.id] = signal
        elif isinstance(signal, ExemplarReference):
            known = signal in trace.exemplars
            trace.exemplars.add(signal)
        else:
            before = trace.link_targets.get(signal.message)
            known = before is not None
            trace.link_targets[signal.message] = signal if before is None else preferred_link_target(before, signal)
        if not known:
            self._count(trace, 1, signal.memory)

    def _add_span(self, trace: OpenTrace, span: PackedSpan) -> None:
        key = span.span_id
        before = trace.packed.get(key)
        if before is not None and before.side != span.side:  # they share an id: the client's, or the least, is under it alone
            if span.side < before.side:
                trace.packed[key + before.side], before = before, None
            else:
                key += span.side
                before = trace.packed.get(key)
        if before is not None:
            if span.is_the_same_as(before):
                return
            one, other = _unpacked(before), _unpacked(span)
            if other is None or (one is not None and preferred(one, other) is one):
                return
            self._release(before)
            self._count(trace, 0, -before.memory)
        span.trace_id = trace.trace_id  # the same bytes, once
        trace.packed[key] = span
        span.group.users += 1
        if span.group.users == 1:
            self._memory += span.group.memory
        self._count(trace, before is None, span.memory)

    def _release(self, span: PackedSpan) -> None:
        span.group.users -= 1
        if not span.group.users:
            self._memory -= span.group.memory

    def _count(self, trace: OpenTrace, signals: int, size: int) -> None:
        self._signals += signals
        self._memory += size
        trace.memory += size

    def advance(self, watermark: int) -> list[OpenTrace]:
        """Close what has been inactive, what has been open too long, and the oldest where there are too many."""
        limits = self._limits
        due = []
        while self._due and self._due[0][0] <= watermark:
            closes_at, trace_id = heapq.heappop(self._due)
            trace = self._open.get(trace_id)
            if trace is None or trace.due != closes_at:
                continue  # it was closed by a limit
            if self._end(trace) > watermark:
                self._reschedule(trace)
                continue
            trace.closed_early = trace.full or max(trace.last, trace.opened) + limits.inactivity_gap > watermark
            self._remove(trace)
            due.append(trace)
        self.closed_early += sum(trace.closed_early for trace in due)
        while self._open and (len(self._open) > limits.max_traces or self._signals > limits.max_signals):
            due.append(self._close_oldest())
        return due

    def shed(self, limit: int) -> list[OpenTrace]:
        """Close the oldest until the others take no more than `limit` bytes."""
        closed = []
        while self._open and self._memory > limit:
            closed.append(self._close_oldest())
        if not self._open:
            self._due.clear()
        return closed

    def _close_oldest(self) -> OpenTrace:
        oldest = next(iter(self._open.values()))
        oldest.closed_early = oldest.early = True
        self._remove(oldest)
        self.closed_early += 1
        return oldest

    def close_all(self) -> list[OpenTrace]:
        """Close everything: the input has ended."""
        due = list(self._open.values())
        for trace in due:
            self._remove(trace)
        self._due.clear()
        return due

    def _end(self, trace: OpenTrace) -> int:
        """The watermark that closes a trace as it is."""
        if trace.full:
            return trace.opened
        return min(max(trace.last, trace.opened) + self._limits.inactivity_gap, trace.opened + self._limits.max_open)

    def _reschedule(self, trace: OpenTrace) -> None:
        trace.due = self._end(trace)
        heapq.heappush(self._due, (trace.due, trace.trace_id))

    def _remove(self, trace: OpenTrace) -> None:
        del self._open[trace.trace_id]
        self._signals -= len(trace.packed) + len(trace.logs) + len(trace.exemplars) + len(trace.link_targets)
        self._memory -= trace.memory
        for span in trace.packed.values():
            self._release(span)
