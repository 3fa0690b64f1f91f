from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.detectors.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable


def exponential(rng: random.Random) -> float:
    return rng.expovariate(1.0)


def heavy(rng: random.Random) -> float:
    return rng.paretovariate(1.5)


@pytest.mark.parametrize("rarity", [1e-3, 1e-4])
@pytest.mark.parametrize(
    ("draw", "quantile"), [(exponential, lambda rarity: -math.log(rarity)), (heavy, lambda rarity: rarity ** (-1 / 1.5))]
)
def test_the_chance_of_a_rare_value_of_a_known_distribution_is_about_right(
    draw: Callable[[random.Random], float], quantile: Callable[[float], float], rarity: float
) -> None:
    """Oracle: the exponential distribution, and Pareto's without a variance, whose quantiles are known."""
    estimates = []
    for seed in range(20):
        rng, tail = random.Random(seed), Tail()
        for _ in range(2000):
            tail.add(draw(rng))
        estimates.append(tail.surprise(quantile(rarity)))
    assert sum(estimates) / len(estimates) == pytest.approx(-math.log(rarity), rel=0.2)


@given(st.lists(st.floats(0, 1e6), min_size=60, max_size=120), st.floats(0, 1e9))
def test_whatever_was_seen_a_surprise_is_a_number_from_nought(values: list[float], value: float) -> None:
    tail = Tail()
    for known in values:
        tail.add(known)
    assert tail.surprise(value) >= 0.0


def test_two_great_values_among_nothing_do_not_make_any_value_usual() -> None:
    """The shape of a tail of two says nothing: a tail that took it as it is would expect a hundred as well."""
    tail = Tail()
    for value in [0.0] * 300 + [1.0, 2.0]:
        tail.add(value)
    assert tail.surprise(40.0) > 14.0


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
