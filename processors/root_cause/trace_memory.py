"""A bounded, unbiased memory of recent traces, as visits, with the log templates of each visit."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processors.call_graph.visits import Visit, events_of
from telemetry.logs import ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAX_LOGS_PER_TRACE = 256
VISIT_BYTES, SPAN_BYTES, EVENT_BYTES = 700, 60, 120


def rank_of(trace_id: bytes) -> int:
    """Where a trace stands among others when only some can be kept: a digest, so that no kind of trace is preferred."""
    return int.from_bytes(hashlib.blake2b(trace_id, digest_size=8).digest(), "big")


@dataclass(slots=True)
class Remembered:
    """A trace of the memory."""

    trace_id: bytes
    visits: Sequence[Visit]

    @property
    def root(self) -> str:
        """The operation at the root."""
        return self.visits[0].operation


@dataclass(slots=True)
class _TimeBucket:
    traces: dict[bytes, tuple[int, Remembered]] = field(default_factory=dict)  # trace id -> (rank in the sample, trace)
    memory: int = 0  # bytes that they take

    def evict(self, trace_id: bytes) -> None:
        self.memory -= _memory(self.traces.pop(trace_id)[1].visits)

    def evict_last(self) -> None:
        """Let go of the trace that is the last of the sample."""
        self.evict(max(self.traces, key=lambda known: self.traces[known][0]))


class TraceMemory:
    """The traces of the last `max_buckets` buckets of `width` nanoseconds in which there were any.

    Of a bucket those `sample` traces are kept whose ids have the least digests: a sample that neither depends on order
    nor prefers a kind of trace. Logs are joined by trace and span id, before or after their trace came: the lines of
    `max_logged` traces, `max_lines` in all, those of the trace silent longest are evicted first. Traces that take more than
    `max_memory` bytes in all push out the oldest buckets, and in the only one the last of the sample.
    """

    def __init__(
        self,
        width: int,
        max_buckets: int = 90,
        sample: int = 60,
        max_logged: int = 20_000,
        max_lines: int = 200_000,
        max_memory: int = 128 << 20,
    ) -> None:
        self._max_memory = max_memory
        self.width = width
        self._max_buckets = max_buckets
        self._sample = sample
        self._max_logged, self._max_lines = max_logged, max_lines
        self._buckets: dict[int, _TimeBucket] = {}
        self._logs: OrderedDict[bytes, set[tuple[bytes, str, str, int]]] = (
            OrderedDict()
        )  # trace id -> (span id, kind, template, time)
        self._lines = 0  # of all traces, each about 200 bytes
        self.dropped = 0  # traces beyond the sample
        self.logs_dropped = 0  # logs beyond the bounds

    @property
    def memory(self) -> int:
        """Bytes of memory that the traces take."""
        return sum(bucket.memory for bucket in self._buckets.values())

    def add(self, trace_id: bytes, time: int, visits: Sequence[Visit]) -> None:
        """Remember a trace that began at `time`. Of one that is known already the version with more spans stays."""
        start = time - time % self.width
        for known in self._buckets.values():  # a late span may have moved its beginning into another bucket
            version = known.traces.get(trace_id)
            if version is not None:
                if _spans(version[1].visits) > _spans(visits):
                    return  # what grew came by another way, and first
                known.evict(trace_id)
        if start not in self._buckets and len(self._buckets) >= self._max_buckets:
            oldest = min(self._buckets)
            if start < oldest:
                self.dropped += 1
                return
            del self._buckets[oldest]
        bucket = self._buckets.setdefault(start, _TimeBucket())
        rank = rank_of(trace_id)
        bucket.traces[trace_id] = (rank, Remembered(trace_id, visits))
        bucket.memory += _memory(visits)
        if len(bucket.traces) > self._sample:
            bucket.evict_last()
            self.dropped += 1
        while self.memory > self._max_memory and len(self._buckets) > 1:
            self.dropped += len(self._buckets.pop(min(self._buckets)).traces)
        for bucket in self._buckets.values():  # of which only one is left where it is too large
            while bucket.memory > self._max_memory and len(bucket.traces) > 1:
                bucket.evict_last()
                self.dropped += 1

    def add_log(self, trace_id: bytes, span_id: bytes, template: str, time: int, severity: int) -> None:
        """Remember that a line of a template was written in a span."""
        lines = self._logs.setdefault(trace_id, set())
        known = len(lines)
        if known >= _MAX_LOGS_PER_TRACE:
            self.logs_dropped += 1
        else:
            lines.add((span_id, "error log" if severity >= ERROR else "log", template, time))
        self._lines += len(lines) - known
        self._logs.move_to_end(trace_id)
        while len(self._logs) > self._max_logged or self._lines > self._max_lines:
            evicted = len(self._logs.popitem(last=False)[1])
            self._lines -= evicted
            self.logs_dropped += evicted

    def buckets(self) -> Iterator[tuple[int, list[Remembered]]]:
        """The buckets by start, each with its traces in the order of the sample, logs joined."""
        for start in sorted(self._buckets):
            ranked = sorted(self._buckets[start].traces.values(), key=lambda item: item[0])
            yield start, [self._with_logs(trace) for _, trace in ranked]

    def _with_logs(self, trace: Remembered) -> Remembered:
        lines = self._logs.get(trace.trace_id)
        if not lines:
            return trace
        counts: dict[bytes, Counter[tuple[str, str]]] = {}
        for span_id, kind, template, _ in lines:
            counts.setdefault(span_id, Counter())[kind, template] += 1
        joined = []
        for visit in trace.visits:
            written = sum((counts[span_id] for span_id in visit.span_ids if span_id in counts), Counter())
            joined.append(visit._replace(events=visit.events.union(events_of(written))) if written else visit)
        return Remembered(trace.trace_id, joined)


def _memory(visits: Sequence[Visit]) -> int:
    """Bytes that the visits of a trace take, about. Measured, see docs/memory.md."""
    return sum(
        VISIT_BYTES
        + SPAN_BYTES * len(visit.span_ids)
        + len(visit.service) + len(visit.operation) + len(visit.instance) + len(visit.environment)
        + sum(EVENT_BYTES + len(event.kind) + len(event.name) for event in visit.events)
        for visit in visits
    )  # fmt: skip


def _spans(visits: Sequence[Visit]) -> int:
    return sum(len(visit.span_ids) for visit in visits)
