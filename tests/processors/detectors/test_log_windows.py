"""Windows of log lines: what they count, when they are given, and what bounds cost."""

from __future__ import annotations

import pytest

from processors.detectors.log_windows import MAX_OPEN, LogSource, LogWindows
from telemetry.errors import InputError
from telemetry.logs import ERROR

SECOND = 1_000_000_000
NOW = 10**15
SHOP = LogSource("shop")


def add(windows: LogWindows, seconds: float, text: str = "started", severity: int = 9, trace: int = 0) -> str:
    trace_id = trace.to_bytes(16, "big") if trace else b""
    return windows.add("shop", int(seconds * SECOND), severity, text, now=NOW, trace_id=trace_id)


def test_a_line_counts_by_source_and_template_in_the_window_of_its_time() -> None:
    windows = LogWindows()
    first = add(windows, 9.9, "user 1 left", ERROR, 1)
    assert add(windows, 0, "user 2 left", ERROR - 1, 2) == first
    add(windows, 10, "user 3 left")
    windows.add("shop", 5 * SECOND, 9, "user 4 left", now=NOW, environment="staging")
    one, two = windows.close()
    assert (one.start, two.start, one.width) == (0, 10 * SECOND, 10 * SECOND)
    staging = LogSource("shop", "staging")
    assert (one.lines[SHOP, first], two.lines[SHOP, first]) == (2, 1)
    assert sorted(source for source, _ in one.lines) == [SHOP, staging]
    assert (one.errors, one.error_lines) == ({SHOP: 1}, {(SHOP, first): 1})
    assert one.traces == {(SHOP, first): [(1).to_bytes(16, "big"), (2).to_bytes(16, "big")]}
    assert one.failed == {SHOP: [(1).to_bytes(16, "big")]}
    assert (two.errors, two.traces, two.failed) == ({}, {}, {})


def test_the_first_five_traces_of_a_template_are_kept_each_once() -> None:
    windows = LogWindows()
    for trace in (1, 1, 2, 3, 4, 5, 6, 7):
        add(windows, 0, severity=ERROR, trace=trace)
    (window,) = windows.close()
    expected = [trace.to_bytes(16, "big") for trace in range(1, 6)]
    assert list(window.traces.values()) == list(window.failed.values()) == [expected]


def test_a_window_is_given_when_its_end_and_the_lateness_have_passed() -> None:
    windows = LogWindows(width=10 * SECOND, allowed_lateness=5 * SECOND)
    add(windows, 3)
    add(windows, 14.999999999)
    assert (windows.advance(), windows.sealed) == ([], 0)
    add(windows, 15)
    assert [window.start for window in windows.advance()] == [0]
    assert windows.sealed == 10 * SECOND
    add(windows, 9.9)
    assert windows.dropped() == {"log_lines_late": 1, "log_templates": 0, "log_lines_unlike": 0}
    add(windows, 10)
    assert [sum(window.lines.values()) for window in windows.close()] == [3]
    assert (windows.sealed, windows.close()) == (20 * SECOND, [])


def test_windows_are_given_oldest_first_and_the_last_one_when_the_input_ends() -> None:
    windows = LogWindows()
    for seconds in (35, 5, 25):
        add(windows, seconds)
    assert [window.start // SECOND for window in windows.close()] == [0, 20, 30]


def test_time_passes_without_lines() -> None:
    windows = LogWindows()
    add(windows, 3)
    windows.elapse(11 * SECOND)
    assert windows.advance() == []
    windows.elapse(1 * SECOND)
    assert len(windows.advance()) == 1


def test_what_a_clock_dates_later_than_now_was_written_now() -> None:
    windows = LogWindows()
    windows.add("shop", 99 * SECOND, 9, "started", now=12 * SECOND)
    assert [window.start for window in windows.close()] == [10 * SECOND]


def test_open_windows_and_their_templates_are_bounded() -> None:
    windows = LogWindows(max_templates=2)
    for number in range(MAX_OPEN + 1):
        add(windows, 10 * number)
    assert windows.dropped()["log_lines_late"] == 1
    add(windows, 0)
    for text in ("two words", "now three words", "and here are five words"):
        add(windows, 0, text)
    assert windows.dropped() == {"log_lines_late": 1, "log_templates": 2, "log_lines_unlike": 2}
    first, *_ = windows.close()
    assert sorted(first.lines.values()) == [1, 2]


def test_a_snapshot_has_the_end_of_the_last_window_and_the_templates() -> None:
    windows = LogWindows()
    template = add(windows, 3, "user 1 left")
    windows.close()
    again = LogWindows()
    add(again, 0)
    again.restore(windows.snapshot())
    assert again.snapshot() == windows.snapshot()
    assert again.snapshot()["sealed"] == 10 * SECOND
    assert again.templates.text(template) == "user <*> left"
    assert again.close() == []
    add(again, 9)
    assert again.dropped()["log_lines_late"] == 1
    add(again, 16)
    assert again.advance() == []
    with pytest.raises(InputError, match="log templates"):
        again.restore({"sealed": 0, "templates": {}})
