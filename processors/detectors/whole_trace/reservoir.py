"""The traces of one root operation that a model is fitted to: some of each stretch of time, of all kinds alike."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processors.detectors.whole_trace.rows import TraceRow

SIZE = 400
"""Traces of a reservoir. Half of them fit, half calibrate."""

PER_WINDOW = 4
"""Traces that a full reservoir takes of a window of ten seconds: it holds the traffic of some twenty minutes at least."""


class Reservoir:
    """Takes every trace until it is full, then a few of each window, each in the place of another.

    Which ones depends on trace ids alone, so that neither order nor kind plays a part. Older traces fade: of those that were
    in it, each further one pushes out one in `SIZE`.
    """

    def __init__(self, rows: Iterable[TraceRow] = ()) -> None:
        self.rows = list(rows)

    def take(self, rows: Iterable[TraceRow]) -> None:
        """Take traces of one window."""
        ordered = sorted(rows, key=lambda row: (crc32(row.trace_id), row.trace_id))
        free = max(0, SIZE - len(self.rows))
        self.rows += ordered[:free]
        for row in ordered[free:][:PER_WINDOW] if not free else ():
            self.rows[crc32(row.trace_id, 2) % SIZE] = row
