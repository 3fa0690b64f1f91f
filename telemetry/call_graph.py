"""A trace as a graph of calls: nodes, hops between them, and hops gathered into edges by window."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.metrics import ExponentialBuckets


class NodeKind(StrEnum):
    """What a node is. Only a service sends spans; the others are known from what their callers or callees say."""

    SERVICE = "service"
    DATABASE = "database"
    QUEUE = "queue"
    EXTERNAL = "external"
    USER = "user"
    UNKNOWN = "unknown"  # there is another side, but nothing says which: its span is missing or has no peer attributes


class Node(NamedTuple):
    """One end of a hop."""

    kind: NodeKind
    name: str


class Segment(NamedTuple):
    """A piece of the critical path: span `span_id` of `service` held up the trace from `start` to `end`."""

    span_id: bytes
    service: str
    operation: str
    start: int
    end: int


class Hop(NamedTuple):
    """One call between two nodes. Durations in nanoseconds; None where that side did not send its span.

    `id` is unique in the trace and a function of the spans alone: the callee's span where there is one, else the caller's.
    Two cases have a longer one, because a span can take part in several hops: a link adds the linked trace and span, and
    a call inferred into a span that itself makes a call puts the parent's span before it.

    `start` and `end` are the client span's where there is one, else the callee's, by their clock.
    """

    trace_id: bytes
    id: bytes
    caller: Node
    callee: Node
    operation: str
    protocol: str
    start: int
    end: int
    client_span_id: bytes = b""
    server_span_id: bytes = b""
    client_duration: int | None = None
    server_duration: int | None = None
    gap: int | None = None  # client minus server: network and queueing; None where the two do not nest
    self_time: int | None = None  # callee's time in which no call of it ran
    queue_wait: int | None = None  # producer's end to consumer's start
    blocked_sequential: int | None = None  # callee's time with exactly one call running
    blocked_parallel: int | None = None  # callee's time with two or more calls running
    critical_path_time: int = 0  # this hop's part of the trace's critical path
    critical_path_share: float = 0.0  # the same as a share of the trace's duration, 0..1
    skew: int | None = None  # how far the callee's clock is behind the caller's, at least
    failed: bool = False
    inferred: bool = False  # drawn from a change of service, not from span kinds
    link: bool = False  # consumer to producer by span link
    caller_instance: str = ""
    callee_instance: str = ""
    server_start: int | None = None  # by the callee's clock; with `start` and `gap` it bounds the skew of the two clocks
    caller_host: str = ""  # whose clock: see `Resource.host`
    callee_host: str = ""
    environment: str = DEFAULT_ENVIRONMENT
    """The caller's; the callee's where the caller sends no spans, or is known by a link into another trace alone."""

    @property
    def duration(self) -> int:
        """What the caller waited, else what the callee took."""
        known = self.client_duration if self.client_duration is not None else self.server_duration
        return known if known is not None else max(0, self.end - self.start)


@dataclass(frozen=True, slots=True)
class CallGraph:
    """What is known of one trace. Equal for the same set of spans, whatever their order of arrival."""

    trace_id: bytes
    start: int
    end: int
    span_count: int
    root_span_id: bytes  # empty when the root is missing
    root_service: str
    root_operation: str
    services: tuple[str, ...]  # sorted
    hops: Sequence[Hop]  # a tuple, or what is equal to one, sorted by (start, id)
    critical_path: Sequence[Segment]  # the same
    missing_parents: tuple[bytes, ...]  # span ids named as parent but not seen, sorted
    orphans: tuple[bytes, ...]  # spans whose parent is missing, sorted
    errors: int  # spans with status error
    completeness: float  # 0..1: seen spans over seen plus known missing, and 0.5 at most without a root
    environment: str = DEFAULT_ENVIRONMENT  # of the root; of the earliest span where the root is missing

    @property
    def duration(self) -> int:
        """Nanoseconds from the first start to the last end."""
        return max(0, self.end - self.start)


class EdgeKey(NamedTuple):
    """Which hops belong together."""

    caller: Node
    callee: Node
    operation: str
    protocol: str
    environment: str = DEFAULT_ENVIRONMENT


@dataclass(frozen=True, slots=True)
class Edge:
    """The hops of one key in one window [start, start + width). A correction has differences, and they may be negative."""

    key: EdgeKey
    start: int
    width: int
    calls: int
    failures: int
    latency_sum: int  # nanoseconds
    latency: ExponentialBuckets  # of seconds
    self_time_sum: int = 0
    critical_path_sum: int = 0
    exemplars: tuple[bytes, ...] = field(default=())  # trace ids: slowest first, a few
    exemplar_durations: tuple[int, ...] = ()  # of each exemplar's hop, nanoseconds: so that edges merge in any order
    failed_traces: tuple[bytes, ...] = ()  # trace ids of failed hops: a few, the least, so that edges merge in any order
