"""Traces for the search for culprits, written down as their visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.call_graph.visits import Event, Visit
from processors.root_cause.trace_memory import Remembered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MILLISECOND = 1_000_000
SECOND = 1_000_000_000


def visit(
    service: str,
    own: float = 10.0,
    *,
    parent: int = -1,
    gap: float | None = None,
    pod: str = "1",
    events: Iterable[Event] = (),
) -> Visit:
    """A visit of the operation `<service>.do` by `<service>-<pod>`; `own` and `gap` are in milliseconds."""
    between = -1 if gap is None else round(gap * MILLISECOND)
    spent = round(own * MILLISECOND)
    return Visit(
        service, f"{service}.do", f"{service}-{pod}", parent, 0, spent, spent, between, frozenset(events), (service.encode(),)
    )


def trace(number: int, visits: Sequence[Visit]) -> Remembered:
    """A trace whose id is this number."""
    return Remembered(number.to_bytes(16, "big"), visits)


def bucket(first: int, count: int, visits: Sequence[Visit]) -> list[Remembered]:
    """As many traces that are alike, with the numbers from `first` on."""
    return [trace(number, visits) for number in range(first, first + count)]


def numbers(trace_ids: Iterable[bytes]) -> list[int]:
    """The numbers of traces."""
    return [int.from_bytes(trace_id, "big") for trace_id in trace_ids]
