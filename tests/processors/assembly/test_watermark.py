from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from processors.assembly.watermark import SECOND, Watermark


@given(st.lists(st.integers(1, 500 * SECOND), min_size=1))
def test_without_jumps_it_is_the_greatest_time_seen(times: list[int]) -> None:
    watermark = Watermark()
    assert [watermark.observe(time) for time in times][-1] == max(times)


@given(st.lists(st.integers(0, 10**19)))
def test_it_never_goes_back(times: list[int]) -> None:
    watermark = Watermark()
    seen = [watermark.observe(time) for time in times]
    assert seen == sorted(seen)


def test_one_wrong_clock_does_not_close_everything() -> None:
    watermark = Watermark()
    watermark.observe(1000 * SECOND)
    assert watermark.observe(9_000_000 * SECOND) == 1000 * SECOND
    assert watermark.observe(9_000_001 * SECOND) == 1000 * SECOND
    assert watermark.observe(1001 * SECOND) == 1001 * SECOND


def test_time_that_has_really_jumped_is_believed_when_enough_records_agree() -> None:
    watermark = Watermark()
    watermark.observe(1000 * SECOND)
    for second in (5000, 5002, 5001):
        moment = watermark.observe(second * SECOND)
    assert moment == 5000 * SECOND
    assert watermark.observe(5003 * SECOND) == 5003 * SECOND


def test_a_clock_far_ahead_stays_doubted_when_time_jumps_less_far() -> None:
    watermark = Watermark()
    watermark.observe(1000 * SECOND)
    watermark.observe(10**6 * SECOND)
    watermark.observe(5000 * SECOND)
    assert watermark.observe(5001 * SECOND) == 5000 * SECOND
    assert watermark.ahead == [10**6 * SECOND]


def test_time_passes_without_records_once_there_was_one() -> None:
    watermark = Watermark()
    assert watermark.elapse(SECOND) == 0
    watermark.observe(100 * SECOND)
    assert watermark.elapse(SECOND) == 101 * SECOND
