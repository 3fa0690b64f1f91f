from __future__ import annotations

import math
import random

import pytest

from processors.tail import Tail


@pytest.mark.parametrize("rarity", [1e-3, 1e-4])
def test_the_chance_of_a_rare_value_of_a_known_distribution_is_about_right(rarity: float) -> None:
    """Oracle: the exponential distribution, whose quantiles are known."""
    estimates = []
    for seed in range(20):
        rng, tail = random.Random(seed), Tail()
        for _ in range(2000):
            tail.add(rng.expovariate(1.0))
        estimates.append(tail.surprise(-math.log(rarity)))
    assert sum(estimates) / len(estimates) == pytest.approx(-math.log(rarity), rel=0.2)


def test_nothing_is_judged_before_the_warm_up() -> None:
    tail = Tail()
    tail.add(1.0)
    assert tail.surprise(1e9) == 0.0


def test_a_greater_value_is_never_less_surprising() -> None:
    rng, tail = random.Random(5), Tail()
    for _ in range(500):
        tail.add(rng.paretovariate(2.0))
    surprises = [tail.surprise(value / 10) for value in range(1, 2000)]
    assert surprises == sorted(surprises)
