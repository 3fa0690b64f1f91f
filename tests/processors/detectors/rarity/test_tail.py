from __future__ import annotations

import json
import math
import random
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.detectors.rarity.distances import COMMON, MOST, Distances
from processors.detectors.rarity.tail import Tail

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


def light(rng: random.Random) -> float:
    return abs(rng.gauss(0.0, 1.0))


def claims(draw: Callable[[random.Random], float], value: float, known: int, *, seeds: int = 20) -> list[float]:
    """What is claimed of a value after so many drawn ones, by seed."""
    found = []
    for seed in range(seeds):
        rng, tail, body = random.Random(seed), Tail(), Distances()
        for drawn in (draw(rng) for _ in range(known)):
            tail.add(drawn)
            body.add(drawn)
        likely = body.likely(COMMON)
        found.append(tail.claim(value, partial(np.copy, likely)))
    return found


def test_what_is_claimed_of_a_heavy_tail_is_right_on_average_not_only_in_the_middle() -> None:
    """Oracle: of Pareto's distribution with 1.5 a value of 10,000 comes once in a million. Chances are averaged, not nats."""
    chances = [math.exp(-claim) for claim in claims(heavy, 1e4, 500, seeds=40)]
    assert 0.2e-6 < sum(chances) / len(chances) < 10e-6


def test_what_has_a_light_body_has_a_light_tail_until_extremes_say_otherwise() -> None:
    assert min(claims(light, 50.0, 500)) > 14.0
    assert max(claims(lambda rng: light(rng) if rng.random() < 0.9 else 10.0 * heavy(rng), 1000.0, 500)) < 11.0


def test_more_can_be_claimed_the_longer_nothing_happened() -> None:
    shorter, longer = claims(light, 30.0, 100), claims(light, 30.0, 5000)
    assert all(more > less for less, more in zip(shorter, longer, strict=True))


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=120), st.floats(0, 1e300), st.floats(1e-12, 1e6))
def test_whatever_was_seen_a_claim_is_a_number_from_nought(values: list[float], value: float, least: float) -> None:
    tail, body = Tail(), Distances()
    for known in values:
        tail.add(known)
        body.add(known)
    assert 0.0 <= tail.claim(value, lambda: body.likely(COMMON)) < math.inf
    assert 0.0 <= tail.early_claim(value, lambda: body.likely(COMMON), least) < math.inf


def test_the_body_is_bounded_and_restored_as_it_was() -> None:
    rng, body, again = random.Random(1), Distances(), Distances()
    for _ in range(5000):
        body.add(rng.lognormvariate(0.0, 3.0))
    again.restore(json.loads(json.dumps(body.snapshot())))
    assert sum(count for _, count in body.snapshot()) <= MOST
    assert again.likely(COMMON).tolist() == pytest.approx(body.likely(COMMON).tolist())
