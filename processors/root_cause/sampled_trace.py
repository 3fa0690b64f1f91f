"""What shapes and culprits are learned from: a trace as its visits, and a log line as its template."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from processors.call_graph.visits import Visit, visits_of
from processors.detectors.trace_shapes import is_whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from telemetry.spans import Span


class SampledTrace(NamedTuple):
    """A closed trace: when it began and ended, ns, whether no part of it is missing, and its visits, callers before callees."""

    trace_id: bytes
    start: int
    end: int
    is_whole: bool
    visits: tuple[Visit, ...]

    def by_environment(self) -> Iterator[SampledTrace]:
        """What each environment has of it: nearly always one has all."""
        names = dict.fromkeys(visit.environment for visit in self.visits)
        if len(names) == 1:
            yield self
            return
        parts: dict[str, list[Visit]] = {name: [] for name in names}
        places: list[int] = []  # in its part, of each visit
        for visit in self.visits:
            own = parts[visit.environment]
            is_called_here = visit.parent >= 0 and self.visits[visit.parent].environment == visit.environment
            places.append(len(own))
            own.append(visit._replace(parent=places[visit.parent] if is_called_here else -1))
        for own in parts.values():
            start = min(visit.start for visit in own)
            end = max(visit.start + visit.duration for visit in own)
            yield SampledTrace(self.trace_id, start, end, self.is_whole, tuple(own))


def sampled_trace(spans: Collection[Span]) -> SampledTrace:
    """The trace that has these spans, of which there is at least one."""
    first = min(spans, key=lambda span: span.start)
    end = max(span.end for span in spans)
    return SampledTrace(first.trace_id, first.start, end, is_whole(spans), tuple(visits_of(spans)))


class TemplatedLine(NamedTuple):
    """A log line in a trace: the id of its template, and how evidence quotes that."""

    environment: str
    trace_id: bytes
    span_id: bytes
    template: str
    quoted: str
    time: int
    severity: int
