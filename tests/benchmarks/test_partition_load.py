"""The simulation against what is known of the distributions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.partition_load import GREATEST, Traffic, edge_load, sizes, skew, span_load


def test_no_span_is_lost_and_one_seed_has_one_answer() -> None:
    traffic = Traffic(12_000, tail=0, seconds=20)
    load = span_load(traffic, 16, 1)
    assert load.sum() == 12_000 * 20
    assert np.array_equal(load, span_load(traffic, 16, 1))
    assert not np.array_equal(load, span_load(traffic, 16, 2))


def test_equal_traces_are_as_uneven_as_a_multinomial_says() -> None:
    """A partition's traces are binomial: 20,000 of 16 partitions vary by sqrt(20,000 * 15) / 16 about 1,250 of them."""
    whole = span_load(Traffic(12_000, tail=0, seconds=20), 16, 1).sum(axis=0) / 12
    assert whole.mean() == 1250
    assert 0.4 < whole.std() / (np.sqrt(20_000 * 15) / 16) < 1.8


def test_sizes_have_the_mean_and_the_tail_that_was_asked_for() -> None:
    drawn = sizes(np.random.default_rng(3), 400_000, 12.0, 2.5)
    assert drawn.mean() == pytest.approx(12, rel=0.03)
    assert drawn.max() <= GREATEST
    least = 12 * 1.5 / 2.5
    assert (drawn > 10 * least).mean() == pytest.approx(10**-2.5, rel=0.1)  # of a Pareto distribution: x ** -tail


def test_a_heavier_tail_and_more_partitions_are_more_uneven() -> None:
    even, heavy = (skew(span_load(Traffic(60_000, tail=tail, seconds=20), 32, 5)) for tail in (0.0, 1.2))
    more = skew(span_load(Traffic(60_000, tail=1.2, seconds=20), 128, 5))
    assert 1 < even.whole <= even.second < heavy.second < more.second
    assert heavy.usual <= heavy.second


def test_a_partition_sees_an_edge_as_often_as_chance_says() -> None:
    """Two edges of four calls each, two partitions: two calls of each in each, and none at all with a chance of exp(-2)."""
    load, share = edge_load(8, 2, 0.0, 2, 1)
    assert share == pytest.approx(1 - np.exp(-2))
    assert load.sum() == pytest.approx(2 * 2 * (1 - np.exp(-2)))
    rare, _ = edge_load(0.001, 2, 0.0, 4, 1)
    assert rare.sum() == pytest.approx(0.001, rel=0.01)
