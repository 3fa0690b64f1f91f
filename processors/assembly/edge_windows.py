"""Edges of the open windows of one partition: hops are gathered until the window is sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from processors.assembly.edges import BUCKET_BYTES, EDGE_BYTES, MAX_EXEMPLARS, EdgeSum, key_of, merge
from processors.kernels.drawn import DrawnHops
from processors.series.histogram import MAX_SCALE, STEPS, of_counts
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.documents import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processors.kernels.counted import CountedTrace, EdgeSums
    from processors.kernels.counted import Edge as CountedEdge
    from telemetry.call_graph import Hop


_MARKS = 1 << 128
_KINDS = tuple(NodeKind)

SOURCE_BYTES = 90
"""Bytes of a record that a window refers to. Measured, see docs/memory.md."""


@dataclass(slots=True)
class EdgeWindow:
    """One window [start, start + width).

    `hops` is the sum of the digests of the counted hops: equal for the same hops in any order, and the name of what
    was counted. `recount` says that a stored trace has changed, so that only the store knows what to publish.
    """

    start: int
    width: int
    sums: dict[EdgeKey, EdgeSum] = field(default_factory=dict)
    hops: dict[EdgeKey, int] = field(default_factory=dict)
    sources: set[int] = field(default_factory=set)
    recount: bool = False
    begun: int | None = None  # its start, or the watermark when it was first looked at, if that was earlier
    memory: int = 0  # bytes that it uses
    counted: EdgeSums | None = None  # what the native core counts of it

    def edges(self) -> list[tuple[Edge, int]]:
        """The edges so far, by key, each with the name of its hops: see `hops`."""
        found = {key: (known.edge(), self.hops[key]) for key, known in self.sums.items()}
        for edge, mark in map(partial(_edge, self.start, self.width), self.counted.edges() if self.counted else ()):
            if edge.key in found:
                other, more = found[edge.key]
                found[edge.key] = merge(edge, other), (mark + more) % _MARKS
            else:
                found[edge.key] = edge, mark
        return [found[key] for key in sorted(found)]


class EdgeWindows:
    """Windows of `width` nanoseconds, sealed when the watermark has passed their end by `allowed_lateness`."""

    def __init__(self, width: int, allowed_lateness: int) -> None:
        self.width = width
        self._allowed_lateness = allowed_lateness
        self._open: dict[int, EdgeWindow] = {}

    @property
    def memory(self) -> int:
        """Memory that the open windows take."""
        return sum(window.memory for window in self._open.values())

    def __len__(self) -> int:
        """How many windows are open."""
        return len(self._open)

    def window_of(self, time: int) -> int:
        """The start of the window that a time falls into."""
        return time - time % self.width

    def add(self, hops: Sequence[Hop], revision: int, sources: set[int]) -> list[int]:
        """Count the hops of a trace that was not stored before.

        Returns the sources that a window has to hold from now on, once for each window.
        """
        added: list[int] = []
        if isinstance(hops, DrawnHops):
            for start in hops.counted.windows(self.width):
                self._add_counted(self._window(start, sources, added), hops.counted)
            return added
        for hop in hops:
            window = self._window(self.window_of(hop.start), sources, added)
            key = key_of(hop)
            known = window.sums.get(key)
            if known is None:
                known = window.sums[key] = EdgeSum(key, window.start, self.width)
                window.memory += known.memory
            window.memory += known.add(hop)
            mark = int(digest(hop.trace_id, hop.id, str(revision)), 16)
            window.hops[key] = (window.hops.get(key, 0) + mark) % _MARKS
        return added

    def _add_counted(self, window: EdgeWindow, trace: CountedTrace) -> None:
        if window.counted is None:
            window.counted = trace.edge_sums(STEPS, MAX_EXEMPLARS)
        edges, characters, buckets = window.counted.add(trace, window.start, self.width)
        window.memory += EDGE_BYTES * edges + characters + BUCKET_BYTES * buckets

    def recount(self, starts: Iterable[int], sources: set[int]) -> list[int]:
        """Note that a stored trace may have changed in these windows; returns what `add` returns."""
        added: list[int] = []
        for start in starts:
            self._window(start, sources, added).recount = True
        return added

    def _window(self, start: int, sources: set[int], added: list[int]) -> EdgeWindow:
        window = self._open.get(start)
        if window is None:
            window = self._open[start] = EdgeWindow(start, self.width)
        new = sources - window.sources
        added.extend(new)
        window.sources |= new
        window.memory += SOURCE_BYTES * len(new)
        return window

    def seal(self, watermark: int) -> list[EdgeWindow]:
        """Close and give the windows that are due, oldest first.

        One that has not begun, which a wrong clock made, is due as if it had begun when it was first looked at: its records
        cannot be held until then. What is counted for it later is another window of the same start.
        """
        due = []
        for start, window in self._open.items():
            if window.begun is None:
                window.begun = min(start, watermark)
            if window.begun + self.width + self._allowed_lateness <= watermark:
                due.append(start)
        return [self._open.pop(start) for start in sorted(due)]

    def seal_all(self) -> list[EdgeWindow]:
        """Close and give every window, oldest first."""
        return [self._open.pop(start) for start in sorted(self._open)]


def _edge(start: int, width: int, counted: CountedEdge) -> tuple[Edge, int]:
    """An edge of a window as the native core has it, and the name of its hops."""
    (caller_kind, callee_kind), (caller, callee, *rest), sums, (zeros, buckets), (slowest, failed), mark = counted
    calls, failures, total, self_time, critical_path = sums
    return Edge(
        EdgeKey(Node(_KINDS[caller_kind], caller), Node(_KINDS[callee_kind], callee), *rest),
        start,
        width,
        calls,
        failures,
        total,
        of_counts(MAX_SCALE, zeros, dict(buckets)),
        self_time,
        critical_path,
        tuple(trace_id for _, trace_id in slowest),
        tuple(duration for duration, _ in slowest),
        tuple(failed),
    ), mark
