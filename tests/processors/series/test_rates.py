from __future__ import annotations

from processors.series.rates import rate
from telemetry.metrics import Point, Series

TOTAL = Series("requests_total", ())


def test_a_rate_is_growth_by_the_second_however_short_the_time() -> None:
    assert rate(Point(TOTAL, 0, 10.0), Point(TOTAL, 4_000_000_000, 30.0)) == Point(TOTAL, 4_000_000_000, 5.0)
    assert rate(Point(TOTAL, 7, 0.0), Point(TOTAL, 8, 1.0)) == Point(TOTAL, 8, 1e9)


def test_there_is_none_where_time_stands_still_or_the_counter_began_again() -> None:
    assert rate(Point(TOTAL, 8, 0.0), Point(TOTAL, 8, 1.0)) is None
    assert rate(Point(TOTAL, 8, 0.0), Point(TOTAL, 7, 1.0)) is None
    assert rate(Point(TOTAL, 7, 2.0), Point(TOTAL, 8, 1.0)) is None
