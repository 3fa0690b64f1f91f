"""What the native core counts of the hops that it drew. Nothing there can fail: what could is left to the reference before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

LabelTexts = tuple[str, str, str, str, str]
"""Of the service graph: client, connection type, server, environment, and which side is virtual."""

Edge = tuple[
    tuple[int, int],  # kinds of caller and callee, by their places in `NodeKind`
    tuple[str, str, str, str, str],  # their names, operation, protocol, environment
    tuple[int, int, int, int, int],  # calls, failures, and the sums of duration, self time and critical path, ns
    tuple[int, list[tuple[int, int]]],  # durations of zero, and counts by bucket
    tuple[list[tuple[int, bytes]], list[bytes]],  # slowest first: duration and trace; traces that failed
    int,  # the name of what was counted: see `EdgeWindow.hops`
]
"""An edge of a window as the core has it."""

Shown = tuple[int, float, bytes, bytes]
"""A span that a bucket counted: its end, the value, and its ids."""

Series = tuple[LabelTexts | None, Sequence[int], float, Sequence[tuple[int, Shown]]]
"""A histogram: its labels (None: those beyond the bounds), counts of buckets, their sum, and the last span by bucket."""


class CountedTrace(Protocol):
    """The hops of a trace that the core drew."""

    def windows(self, width: int) -> Sequence[int]:
        """The starts of the windows in which they count, each once, in the order of the hops."""
        ...

    def edge_sums(self, steps: Sequence[float], exemplars: int) -> EdgeSums:
        """Without edges; buckets of an octave and traces of an edge as in `processors.assembly.edges`."""
        ...

    def clocks(self) -> Sequence[tuple[int, str, str, int, int]]:
        """What they say of clocks: start of the hop, caller's host, callee's, and two bounds of how far this is behind, ns."""
        ...


class EdgeSums(Protocol):
    """The edges of a window."""

    def add(self, trace: CountedTrace, start: int, width: int) -> tuple[int, int, int]:
        """Count the hops that start in it. Returns how many edges are new, characters of their texts, and new buckets."""
        ...

    def edges(self) -> Sequence[Edge]:
        """In no order."""
        ...


class ServiceGraphSums(Protocol):
    """Counters and histograms by the labels of the service graph."""

    def add(self, trace: CountedTrace) -> None:
        """Count the hops of a trace."""
        ...

    def count(
        self,
        labels: LabelTexts,
        flags: tuple[bool, bool],
        seconds: tuple[float | None, float | None, float | None],
        end: int,
        ids: tuple[bytes, bytes],
    ) -> None:
        """Count a hop that Python drew.

        Args:
            labels: its labels.
            flags: whether one side is unknown, and whether it failed.
            seconds: of the client, of the server, and in a queue.
            end: of the hop, ns.
            ids: of its trace, and of the span that shows it.
        """
        ...

    def counters(self) -> Sequence[Sequence[tuple[LabelTexts | None, int]]]:
        """Requests, failed ones and unpaired spans, by labels."""
        ...

    def histograms(self) -> Sequence[Sequence[Series]]:
        """Of clients, of servers and of queues."""
        ...
