"""Counters of sliding windows, against a log of every request that was let in."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from governance.limits.windows import Ask, LimitAnswer, Windows

PER = 1000
STEPS = st.lists(st.tuples(st.integers(0, 3 * PER), st.sampled_from(["a", "b", "c"]), st.integers(1, 3)), max_size=60)


@given(steps=STEPS, most=st.integers(1, 8))
def test_what_is_let_in_is_what_a_log_of_all_requests_says(steps: list[tuple[int, str, int]], most: int) -> None:
    windows, log, now = Windows(10), defaultdict[str, list[int]](list), 12_345
    for gap, key, hits in steps:
        now += gap // 7
        window = now // PER
        here = sum(at // PER == window for at in log[key])
        before = sum(at // PER == window - 1 for at in log[key])
        left = PER - now % PER
        expected = here + before * left / PER + hits <= most
        (answer,) = windows.ask([Ask((key,), most, PER, hits)], now)
        assert answer.let_in is expected
        assert answer.reset == left
        log[key] += [now] * hits * expected
    for times in log.values():
        assert all(sum(at // PER == window for at in times) <= most for window in {at // PER for at in times})
        assert all(sum(0 <= other - at < PER for other in times) <= 2 * most for at in times)


def test_a_request_counts_only_where_all_its_limits_let_it_in() -> None:
    windows = Windows(10)
    wide, narrow = Ask(("wide",), 5, PER), Ask(("narrow",), 1, PER)
    assert [each.let_in for each in windows.ask([wide, narrow], 0)] == [True, True]
    for _ in range(10):
        assert [each.let_in for each in windows.ask([wide, narrow], 1)] == [True, False]
    assert windows.ask([wide], 2) == [LimitAnswer(let_in=True, remaining=3, reset=PER - 2)]


def test_past_the_bound_the_counter_used_longest_ago_goes_and_is_counted() -> None:
    windows = Windows(2)
    once = [Ask((name,), 1, PER) for name in ("a", "b", "c")]
    for each in once:
        assert windows.ask([each], 0)[0].let_in
    assert (len(windows), windows.evicted) == (2, 1)
    assert not windows.ask([once[1]], 0)[0].let_in
    assert windows.ask([once[0]], 0)[0].let_in  # it begins anew
    assert windows.ask([Ask(("d",), 1, PER)], 5 * PER)[0].let_in
    assert windows.evicted == 2  # what had passed is no loss


def test_a_changed_window_and_a_clock_that_is_set_back_begin_anew() -> None:
    windows = Windows(2)
    assert windows.ask([Ask(("a",), 1, PER)], 5 * PER)[0].let_in
    assert not windows.ask([Ask(("a",), 1, PER)], 5 * PER)[0].let_in
    assert windows.ask([Ask(("a",), 1, 2 * PER)], 5 * PER)[0].let_in
    assert windows.ask([Ask(("a",), 1, 2 * PER)], PER)[0].let_in
