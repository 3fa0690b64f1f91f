"""Against sums of the probabilities themselves, in whole numbers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from processors.detectors.rarity.surprise import surprise_of_count, surprise_of_share


def beta(a: int, b: int) -> Fraction:
    return Fraction(math.factorial(a - 1) * math.factorial(b - 1), math.factorial(a + b - 1))


@pytest.mark.parametrize(
    ("failures", "calls", "a", "b"), [(8, 16, 1, 50), (2, 2, 1, 20), (9, 40, 3, 60), (40, 60, 9, 5), (300, 300, 1, 400)]
)
def test_the_surprise_of_a_share_is_that_of_a_beta_binomial(failures: int, calls: int, a: int, b: int) -> None:
    chance = sum(math.comb(calls, k) * beta(k + a, calls - k + b) / beta(a, b) for k in range(failures, calls + 1))
    nats = math.log(chance.denominator) - math.log(chance.numerator)
    assert surprise_of_share(failures, calls, a, b) == pytest.approx(nats, rel=1e-6)


def test_what_is_all_but_impossible_is_not_cut_off() -> None:
    assert surprise_of_share(5000, 5000, 0.5, 5000) > 1000


@pytest.mark.parametrize(("count", "shape", "windows"), [(1, 1, 10), (4, 3, 50), (8, 7, 5)])
def test_the_surprise_of_a_count_is_that_of_a_negative_binomial(count: int, shape: int, windows: int) -> None:
    chance = 1 - sum(
        math.comb(number + shape - 1, number) * Fraction(windows**shape, (windows + 1) ** (shape + number))
        for number in range(count)
    )
    assert surprise_of_count(count, shape, windows) == pytest.approx(-math.log(chance), rel=1e-3)
