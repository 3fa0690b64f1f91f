"""What is kept of a trace, and which traces are."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from processors.call_graph.visits import Event, Visit
from processors.detectors.whole_trace.reservoir import PER_WINDOW, SIZE, Reservoir
from processors.detectors.whole_trace.rows import MAX_NUMBER, MAX_PLACES, Places, TraceRow

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTHING: frozenset[Event] = frozenset()
FAILED = frozenset({Event("error", "refused"), Event("error", "refused", 2), Event("error log", "lost"), Event("log", "paid")})


def visit(service: str, self_time: int, gap: int, events: frozenset[Event] = NOTHING, duration: int = 90) -> Visit:
    return Visit(service, "do", "", -1, 70, duration, self_time, gap, events, ())


def test_a_place_has_the_sums_of_its_visits_and_a_gap_where_any_is_known() -> None:
    places = Places()
    visits = [
        visit("shop", 5, -1, duration=90),
        visit("db", 1, -1, FAILED, duration=999),
        visit("db", 2, 0),
        visit("db", 4, -1, FAILED),
        visit("db", 8, 3),
        visit("bank", 1, 0),
    ]
    row = places.row(b"t", visits)
    assert (row.trace_id, row.time, row.duration) == (b"t", 70, 90)
    # Place, self time, gap, visits, failures: two kinds a failed visit, each counted once.
    assert row.table().tolist() == [[1, 5, -1, 1, 0], [2, 15, 3, 4, 4], [3, 1, 0, 1, 0]]
    assert places.names == [("", ""), ("shop", "do"), ("db", "do"), ("bank", "do")]
    assert places.row(b"u", [visit("bank", 1, 1)]).table()[0, 0] == 3, "it is known"


def test_longer_than_any_trace_is_cut_off() -> None:
    row = Places().row(b"t", [visit("shop", 2**70, 2**70, duration=2**70)])
    assert row.duration == MAX_NUMBER
    assert row.table().tolist() == [[1, MAX_NUMBER, MAX_NUMBER, 1, 0]]


def test_places_beyond_the_bound_are_one() -> None:
    places = Places()
    row = places.row(b"t", [visit(f"s{number}", 1, -1) for number in range(MAX_PLACES + 3)])
    assert (len(places.names), places.overflow) == (MAX_PLACES + 1, 3)
    assert row.table()[-1].tolist() == [0, 3, -1, 3, 0]
    assert row.table()[-2].tolist() == [MAX_PLACES, 1, -1, 1, 0]


def rows(numbers: Iterable[int]) -> list[TraceRow]:
    return [TraceRow(number.to_bytes(16, "big"), 0, 0, array("q")) for number in numbers]


def test_a_reservoir_takes_every_trace_until_it_is_full() -> None:
    reservoir = Reservoir(rows(range(3)))
    reservoir.take(rows(range(3, SIZE - 1)))
    assert sorted(reservoir.rows) == rows(range(SIZE - 1))
    before = list(reservoir.rows)
    reservoir.take(rows(range(SIZE, SIZE + 50)))
    assert len(reservoir.rows) == SIZE
    assert reservoir.rows[:-1] == before, "what fills it pushes nothing out"


def test_a_full_reservoir_takes_a_few_of_each_window_whatever_their_order() -> None:
    one, other = Reservoir(rows(range(SIZE))), Reservoir(rows(range(SIZE)))
    fresh = rows(range(SIZE, SIZE + 100))
    one.take(fresh)
    other.take(fresh[::-1])
    assert one.rows == other.rows
    assert len(one.rows) == SIZE
    assert len([row for row in one.rows if row in fresh]) == PER_WINDOW
    for window in range(1, 2000):
        one.take(rows(range(SIZE + 100 * window, SIZE + 100 * window + 5)))
    assert not [row for row in one.rows if row in rows(range(SIZE))], "older ones fade"
