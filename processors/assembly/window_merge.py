"""Joins what the partitions saw of an edge window, and passes it on when all have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.assembly.edges import edge_from_body, merge

if TYPE_CHECKING:
    from telemetry.call_graph import Edge, EdgeKey
    from telemetry.documents import Body

BEHIND = 3
"""Windows that a partition may lag before it is not waited for: it may have no traffic."""


class WindowMerge:
    """Windows of edges by their start.

    Left aside and counted: a correction and what comes after its window was given (`late`), for it cannot be scored any
    more, and a window that has not begun (`ahead`), which a wrong clock made.
    """

    def __init__(self) -> None:
        self._windows: dict[int, dict[EdgeKey, Edge]] = {}
        self._sealed: dict[int, int] = {}  # partition -> the last window that it sealed
        self._emitted = -1
        self.late = 0
        self.ahead = 0

    def add(self, bodies: list[Body], now: int) -> list[list[Edge]]:
        """Add what a partition published of a window; returns the windows that are complete, oldest first."""
        for body in bodies:
            if body.get("again"):  # sent once more after a restart, for who counts by its id
                continue
            start = body["window"]
            if start > now:
                self.ahead += 1
                continue
            partition = body["partition"]
            self._sealed[partition] = max(start, self._sealed.get(partition, start))
            if body["correction"] or start <= self._emitted:
                self.late += 1
                continue
            edge = edge_from_body(body)
            window = self._windows.setdefault(start, {})
            known = window.get(edge.key)
            window[edge.key] = edge if known is None else merge(known, edge)
        if not self._windows:
            return []
        newest = max(self._sealed.values())
        width = next(iter(next(iter(self._windows.values())).values())).width
        waited_for = [start for start in self._sealed.values() if start >= newest - BEHIND * width]
        return self._emit(min(waited_for))

    def close(self) -> list[list[Edge]]:
        """Every window that is left: the input has ended."""
        return self._emit(max(self._windows, default=self._emitted))

    def _emit(self, until: int) -> list[list[Edge]]:
        due = sorted(start for start in self._windows if start <= until)
        if due:
            self._emitted = due[-1]
        return [[edge for _, edge in sorted(self._windows.pop(start).items())] for start in due]
