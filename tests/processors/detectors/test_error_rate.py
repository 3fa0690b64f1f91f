"""The usual share of failures."""

from __future__ import annotations

import math

import pytest

from processors.detectors.error_rate import MEMORY, PRIOR, FailureRate


def test_the_spread_of_a_share_is_that_of_a_binomial_with_so_many_calls() -> None:
    expected = PRIOR[0] / PRIOR[1]
    for calls in (1, 4, 100):
        scored = FailureRate().update(0, calls)
        assert scored.expected == pytest.approx(expected)
        assert scored.spread == pytest.approx(math.sqrt(expected * (1 - expected) / calls))


def test_fewer_failures_than_usual_surprise_nobody_and_the_words_have_the_numbers() -> None:
    rate = FailureRate()
    for _ in range(200):
        rate.update(5, 50)
    scored = rate.update(0, 50)
    assert (scored.score, scored.surprise) == (0, 0)
    assert scored.why == "0 of 50 calls failed; usual is 10.0%"
    assert rate.update(40, 50).score > 0.9


def test_the_memory_is_bounded_and_keeps_the_share() -> None:
    rate = FailureRate()
    for _ in range(1000):
        rate.update(5, 50)
    saved = rate.snapshot()
    assert saved["calls"] == MEMORY
    assert saved["failures"] / saved["calls"] == pytest.approx(0.1, rel=0.01)
