"""Whole traces by the window of event time in which they began, until the window is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.assembly.watermark import SECOND
from processors.detectors.detector import WholeTrace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from processors.call_graph.visits import Visit

WIDTH = 10 * SECOND

LATENESS = 15 * SECOND
"""How long after its end a window is judged: traces are known only when they have closed."""

MAX_TRACES = 5000
"""Traces of all open windows; further ones are dropped and counted."""


class TraceWindows:
    """Traces that wait for their window to be complete.

    Args:
        width: of a window, nanoseconds of event time; a trace belongs to the one in which it began.

    Attributes:
        sealed: the time up to which windows were taken; it may be set to what a snapshot says.
        dropped: traces over the bound.
        late: traces of windows that were taken already.
    """

    def __init__(self, width: int = WIDTH) -> None:
        self.width = width
        self.sealed = self.dropped = self.late = 0
        self._windows: dict[int, dict[bytes, Sequence[Visit]]] = {}
        self._open = 0

    def add(self, trace_id: bytes, visits: Sequence[Visit], now: int) -> None:
        """Take a whole trace; the same one again replaces what was added before. One from later than `now` began now."""
        time = min(visits[0].start, now)
        start = time - time % self.width
        if start < self.sealed:
            self.late += 1
            return
        window = self._windows.setdefault(start, {})
        if trace_id not in window:
            if self._open >= MAX_TRACES:
                self.dropped += 1
                return
            self._open += 1
        window[trace_id] = visits

    def take(self, until: int | None = None) -> Iterator[tuple[int, list[WholeTrace]]]:
        """The windows that end by then (all, without a time), oldest first.

        Traces are ordered by id, so that what is learned does not depend on the order of arrival.
        """
        for start in sorted(start for start in self._windows if until is None or start + self.width <= until):
            self.sealed = start + self.width
            traces = [WholeTrace(*item) for item in sorted(self._windows.pop(start).items())]
            self._open -= len(traces)
            yield start, traces

    def clear(self) -> None:
        """Drop the traces that wait."""
        self._windows.clear()
        self._open = 0
