"""What is remembered of a trace to learn from: per place (service and operation) its times, visits and failures."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from processors.call_graph.visits import Visit

Place = tuple[str, str]
"""Service and operation of a visit."""

MAX_PLACES = 200
"""Places known of one root operation: more are names with ids in them. All others are one place, `OTHERS`."""

OTHERS: Place = ("", "")

WIDTH = 5
"""Numbers of a place in a row: its number, self time, gap (-1 where unknown), visits, failures. Times in nanoseconds."""


MAX_NUMBER = 1 << 60
"""Nanoseconds at which a time is cut off, 36 years: wrong clocks make longer ones, and they shall fit a machine's number."""


class TraceRow(NamedTuple):
    """A trace as numbers: `WIDTH` for each place that it visits, each place once.

    The first place is that of the root. 40 bytes a place, and 300 for the row.
    """

    trace_id: bytes
    time: int
    duration: int
    places: array[int]

    def table(self) -> NDArray[np.int64]:
        """A row a place."""
        return np.frombuffer(self.places, dtype=np.int64).reshape(-1, WIDTH)


class Places:
    """The numbers of the places of one root operation; 0 is `OTHERS`."""

    def __init__(self, names: Sequence[Place] = (OTHERS,)) -> None:
        self.names = list(names)
        self._numbers = {place: number for number, place in enumerate(self.names)}
        self.overflow = 0

    def row(self, trace_id: bytes, visits: Sequence[Visit]) -> TraceRow:
        """The row of a trace. Visits of places beyond the bound are counted as `overflow`."""
        found: dict[int, list[int]] = {}
        for visit in visits:
            place = visit.service, visit.operation
            number = self._numbers.get(place)
            if number is None:
                number = self._new(place)
            own = found.get(number)
            failures = sum(event.times == 1 and event.is_failure for event in visit.events) if visit.events else 0
            if own is None:
                found[number] = [number, visit.self_time, visit.gap, 1, failures]
                continue
            own[1] += visit.self_time
            if visit.gap >= 0:
                own[2] = max(own[2], 0) + visit.gap
            own[3] += 1
            own[4] += failures
        flat = array("q")
        for own in found.values():
            flat.extend(min(number, MAX_NUMBER) for number in own)
        return TraceRow(trace_id, visits[0].start, min(visits[0].duration, MAX_NUMBER), flat)

    def _new(self, place: Place) -> int:
        if len(self.names) > MAX_PLACES:
            self.overflow += 1
            return 0
        number = self._numbers[place] = len(self.names)
        self.names.append(place)
        return number
