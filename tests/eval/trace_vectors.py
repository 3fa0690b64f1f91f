"""A whole trace as numbers, one vector for each root operation's layout: what models of many dimensions are trained on."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from processors.call_graph.visits import Visit

MOST_PLACES = 40
"""Places of a layout: those that most traces visit. All others are counted together."""

LEAST_SHARE = 0.05
"""Share of the traces that visit a place from which it has columns of its own."""

_PER_PLACE = ("self time", "gap", "visits", "failures")
_WHOLE = ("duration", "failures elsewhere", "visits elsewhere", "visits")


class TraceLayout(NamedTuple):
    """Which columns the vectors of a root operation have: those of each place (service and operation), then of the whole."""

    places: tuple[tuple[str, str], ...]

    @property
    def columns(self) -> list[tuple[str, str, str]]:
        """Of each column its service, operation and quantity; the former are empty of what belongs to the whole trace."""
        return [(*place, name) for place in self.places for name in _PER_PLACE] + [("", "", name) for name in _WHOLE]

    @classmethod
    def of(cls, traces: Sequence[Sequence[Visit]]) -> TraceLayout:
        """That of traces with one root operation."""
        seen = Counter(place for visits in traces for place in {(visit.service, visit.operation) for visit in visits})
        common = [place for place, count in seen.most_common(MOST_PLACES) if count >= LEAST_SHARE * len(traces)]
        return cls(tuple(sorted(common)))


def trace_vectors(layout: TraceLayout, traces: Iterable[Sequence[Visit]]) -> NDArray[np.float64]:
    """A row a trace, in the order of the layout's columns. Times are logarithms of microseconds, 0 for none."""
    number = {place: index * len(_PER_PLACE) for index, place in enumerate(layout.places)}
    width = len(layout.places) * len(_PER_PLACE) + len(_WHOLE)
    rows = []
    for visits in traces:
        row = [0.0] * width
        for visit in visits:
            failures = len({event.name for event in visit.events if event.is_failure})
            at = number.get((visit.service, visit.operation))
            if at is None:
                row[-3] += failures
                row[-2] += 1.0
                continue
            row[at] += visit.self_time
            row[at + 1] += max(visit.gap, 0)
            row[at + 2] += 1.0
            row[at + 3] += failures
        row[-4], row[-1] = visits[0].duration, len(visits)
        rows.append(row)
    found = np.array(rows, dtype=float).reshape(len(rows), width)
    times = [index for index, column in enumerate(layout.columns) if column[2] in {"self time", "gap", "duration"}]
    found[:, times] = np.log1p(found[:, times] / 1000.0)
    return found


def duration_of(visits: Sequence[Visit]) -> float:
    """Logarithm of the microseconds that a trace took at its root."""
    return math.log1p(visits[0].duration / 1000.0)
