from __future__ import annotations

import pytest

from dashboards.console.format import ago, amount, date_time, duration, share
from dashboards.console.pages.traces import conditions
from stores.store import Contains, Equals, Range

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (None, "—"),
        (0, "0 µs"),
        (950, "0.95 µs"),
        (41_234_567, "41.2 ms"),
        (999_600_000, "1000 ms"),
        (400 * 1_000_000, "400 ms"),
        (-5 * 1_000_000, "-5 ms"),
        (1.5 * SECOND, "1.5 s"),
        (60 * SECOND, "1 min"),
        (70 * SECOND, "1 min 10 s"),
        (3_600 * SECOND, "1 h"),
        (90_000 * SECOND, "1 d 1 h"),
    ],
)
def test_durations_have_three_digits_and_a_unit(nanoseconds: float | None, text: str) -> None:
    assert duration(nanoseconds) == text


def test_shares_never_hide_that_there_is_something() -> None:
    assert [share(*pair) for pair in ((0, 10), (1, 100_000), (1, 16), (5, 5), (0, 0))] == ["0%", "<0.1%", "6.25%", "100%", "0%"]


def test_amounts_and_times() -> None:
    assert [amount(value) for value in (12_345, 0.1, 3.14159, 1234.5)] == ["12,345", "0.1", "3.14", "1,234"]
    assert date_time(1_800_000_000_123_456_789) == "2027-01-15 08:00:00.123"
    assert [ago(100 * SECOND, now * SECOND) for now in (90, 100, 112, 300)] == ["just now", "just now", "12 s ago", "3 min ago"]


def test_a_search_becomes_filters_and_half_a_number_none() -> None:
    asked = {"service": "cart", "operation": "GET /x", "min_ms": "1.5", "errors": "yes"}
    assert conditions(asked) == [
        Equals("services", "cart"),
        Contains("root.operation", "GET /x"),
        Range("errors", at_least=1),
        Range("duration", at_least=1_500_000),
    ]
    for typed in ("", "1.", "-", "abc", "nan", "inf", "-5", "1e300"):
        filters = conditions({"service": "", "operation": "", "min_ms": typed, "errors": ""})
        assert filters == ([Range("duration", at_least=1_000_000)] if typed == "1." else [])
