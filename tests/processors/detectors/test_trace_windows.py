"""Traces wait for the end of their window, and only so many of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.call_graph.visits import Visit
from processors.detectors import trace_windows
from processors.detectors.detector import WholeTrace
from processors.detectors.trace_windows import TraceWindows

if TYPE_CHECKING:
    import pytest

NOW = 10**9


def trace(start: int, operation: str = "op") -> list[Visit]:
    return [Visit("shop", operation, "", -1, start, 1, 1, -1, frozenset(), (b"1",))]


def ids(windows: TraceWindows, until: int | None = None) -> list[tuple[int, list[bytes]]]:
    return [(start, [one.trace_id for one in traces]) for start, traces in windows.take(until)]


def test_windows_are_taken_once_they_have_ended_oldest_first_and_their_traces_by_id() -> None:
    windows = TraceWindows(10)
    for trace_id, start in ((b"c", 10), (b"b", 19), (b"a", 5), (b"d", 20)):
        windows.add(trace_id, trace(start), NOW)
    assert ids(windows, 9) == []
    assert ids(windows, 20) == [(0, [b"a"]), (10, [b"b", b"c"])]
    assert windows.sealed == 20
    assert ids(windows) == [(20, [b"d"])]
    assert (windows.sealed, ids(windows)) == (30, [])


def test_a_trace_of_a_window_that_was_taken_is_late() -> None:
    windows = TraceWindows(10)
    windows.add(b"a", trace(15), NOW)
    assert ids(windows) == [(10, [b"a"])]
    windows.add(b"b", trace(19), NOW)
    assert (windows.late, windows.dropped) == (1, 0)
    windows.add(b"c", trace(20), NOW)
    assert (ids(windows), windows.late) == ([(20, [b"c"])], 1)


def test_a_trace_from_the_future_began_now() -> None:
    windows = TraceWindows(10)
    windows.add(b"a", trace(10_000), 57)
    assert ids(windows) == [(50, [b"a"])]


def test_so_many_traces_wait_and_those_that_were_taken_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_windows, "MAX_TRACES", 5)
    windows = TraceWindows(10)
    for number in range(4):
        windows.add(b"a%d" % number, trace(number), NOW)
    windows.add(b"b0", trace(10), NOW)
    windows.add(b"b1", trace(11), NOW)
    assert windows.dropped == 1
    windows.add(b"b0", trace(10, "again"), NOW)
    assert windows.dropped == 1, "it needs no room of its own"
    assert ids(windows, 10) == [(0, [b"a0", b"a1", b"a2", b"a3"])]
    for number in range(2, 7):
        windows.add(b"b%d" % number, trace(12), NOW)
    assert windows.dropped == 2, "one waits, four more fit"
    ((_, traces),) = windows.take()
    assert traces[0] == WholeTrace(b"b0", trace(10, "again"))
    assert len(traces) == 5


def test_what_is_cleared_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_windows, "MAX_TRACES", 1)
    windows = TraceWindows(10)
    windows.add(b"a", trace(1), NOW)
    windows.clear()
    windows.add(b"b", trace(2), NOW)
    assert (windows.dropped, ids(windows)) == (0, [(0, [b"b"])])
