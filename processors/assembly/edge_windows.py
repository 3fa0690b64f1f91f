"""Edges of the open windows of one partition: hops are gathered until the window is sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processors.assembly.edges import EdgeSum, key_of
from telemetry.documents import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.call_graph import Edge, EdgeKey, Hop


SOURCE_BYTES = 90
"""Bytes of a record that a window refers to. Measured, see docs/memory.md."""


@dataclass(slots=True)
class EdgeWindow:
    """One window [start, start + width).

    `hops` is the sum of the digests of the counted hops: equal for the same hops in any order, and the name of what
    was counted. `recount` says that a stored trace has changed, so that only the store knows what to publish.
    """

    start: int
    sums: dict[EdgeKey, EdgeSum] = field(default_factory=dict)
    hops: dict[EdgeKey, int] = field(default_factory=dict)
    sources: set[int] = field(default_factory=set)
    recount: bool = False
    begun: int | None = None  # its start, or the watermark when it was first looked at, if that was earlier
    memory: int = 0  # bytes that it uses

    def edges(self) -> list[Edge]:
        """The edges so far, by key."""
        return [self.sums[key].edge() for key in sorted(self.sums)]


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

    def add(self, hops: Iterable[Hop], revision: int, sources: set[int]) -> list[int]:
        """Count the hops of a trace that was not stored before.

        Returns the sources that a window has to hold from now on, once for each window.
        """
        added: list[int] = []
        for hop in hops:
            window = self._window(self.window_of(hop.start), sources, added)
            key = key_of(hop)
            known = window.sums.get(key)
            if known is None:
                known = window.sums[key] = EdgeSum(key, window.start, self.width)
                window.memory += known.memory
            window.memory += known.add(hop)
            mark = int(digest(hop.trace_id, hop.id, str(revision)), 16)
            window.hops[key] = (window.hops.get(key, 0) + mark) % (1 << 128)
        return added

    def recount(self, starts: Iterable[int], sources: set[int]) -> list[int]:
        """Note that a stored trace may have changed in these windows; returns what `add` returns."""
        added: list[int] = []
        for start in starts:
            self._window(start, sources, added).recount = True
        return added

    def _window(self, start: int, sources: set[int], added: list[int]) -> EdgeWindow:
        window = self._open.get(start)
        if window is None:
            window = self._open[start] = EdgeWindow(start)
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
