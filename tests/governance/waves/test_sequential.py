"""The test keeps its promise under continuous looking, by simulation, and its factors have expectation 1 at most, exactly."""

from __future__ import annotations

from math import comb, exp, log
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.waves.sequential import ENOUGH, RISK, Comparison, RateTest, Side

if TYPE_CHECKING:
    from numpy.typing import NDArray


def blocks(random: np.random.Generator, old: float, new: float, count: int, share: float = 0.3) -> list[tuple[Side, Side]]:
    """Of 20 calls each, so many of them new."""
    sizes = random.binomial(20, share, count)
    return [(Side(20 - int(n), int(random.binomial(20 - n, old))), Side(int(n), int(random.binomial(n, new)))) for n in sizes]


@given(
    rate=st.floats(0.0, 1.0), old=st.integers(0, 6), new=st.integers(0, 6), more=st.tuples(st.integers(0, 3), st.integers(0, 3))
)
def test_with_equal_rates_a_block_adds_no_evidence_on_average(rate: float, old: int, new: int, more: tuple[int, int]) -> None:
    def grown(bad_old: int, bad_new: int) -> NDArray[np.float64]:
        test = RateTest()
        test.add(Side(6, min(more[0], 6)), Side(6, min(more[1], 6)))
        before = test._logs.copy()
        test.add(Side(old, bad_old), Side(new, bad_new))
        return np.exp(test._logs - before)

    def probability(bad: int, calls: int) -> float:
        return float(comb(calls, bad) * rate**bad * (1 - rate) ** (calls - bad))

    expected = sum(probability(a, old) * probability(b, new) * grown(a, b) for a in range(old + 1) for b in range(new + 1))
    assert np.all(expected <= 1 + 1e-9)


@pytest.mark.parametrize("rate", [0.002, 0.05, 0.4])
def test_equal_sides_are_hardly_ever_called_different_though_one_looks_all_the_time(rate: float) -> None:
    random, wrong, runs = np.random.default_rng(7), 0, 400
    for _ in range(runs):
        test = RateTest()
        for old, new in blocks(random, rate, rate, 150):
            test.add(old, new)
            if test.evidence() >= log(1 / RISK):
                wrong += 1
                break
    assert wrong <= runs * RISK * 3


def test_what_both_sides_suffer_at_once_is_no_difference() -> None:
    random, test = np.random.default_rng(3), RateTest()
    for rate in (0.01, 0.6, 0.02, 0.9, 0.01) * 20:
        for old, new in blocks(random, rate, rate, 1):
            test.add(old, new)
            assert test.evidence() < log(1 / RISK)


@pytest.mark.parametrize(("old", "new", "calls"), [(0.001, 0.5, 60), (0.01, 0.2, 400), (0.05, 0.15, 2_000)])
def test_a_worse_side_is_found_within_some_calls(old: float, new: float, calls: int) -> None:
    random, needed = np.random.default_rng(5), []
    for _ in range(50):
        test = RateTest()
        for block in blocks(random, old, new, 1_000):
            test.add(*block)
            if test.evidence() >= log(1 / RISK):
                break
        needed.append(test.old.calls + test.new.calls)
    assert np.quantile(needed, 0.9) <= calls


def test_a_better_side_is_no_reason_to_go_back() -> None:
    test = RateTest()
    for old, new in blocks(np.random.default_rng(1), 0.3, 0.01, 300):
        test.add(old, new)
    assert test.evidence() < 0


def test_a_side_without_calls_says_nothing() -> None:
    test = RateTest()
    test.add(Side(100, 50), Side())
    test.add(Side(), Side(100, 100))
    assert exp(test.evidence()) == pytest.approx(1)


def test_latency_is_compared_by_the_share_of_calls_beyond_what_was_usual() -> None:
    comparison = Comparison(range(100))
    assert comparison.bound == 89
    for _ in range(20):
        comparison.add([(False, 50.0)] * 10, [(False, 500.0)] * 3)
        if comparison.worse():
            break
    assert (
        comparison.worse()
        == f"{comparison.latency.new} calls of what is new were slow, and {comparison.latency.old} of the rest"
    )
    assert comparison.errors.new.bad == 0


def test_without_calls_before_the_release_only_errors_are_compared() -> None:
    comparison = Comparison([1.0] * (ENOUGH - 1))
    for _ in range(30):
        comparison.add([(False, 1.0)] * 10, [(False, 1e9)] * 3)
    assert comparison.worse() == ""
    comparison.add([(False, 1.0)] * 50, [(True, 1.0)] * 20)
    assert comparison.worse() == "20 of 110 calls of what is new failed, and 0 of 350 of the rest"
