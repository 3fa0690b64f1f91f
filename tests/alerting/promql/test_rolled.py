"""Functions over ranges that are kept as a few numbers, by hand."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from alerting.promql.rolled import Reduced, RolledRange, over_rolled
from components.durations import SECOND

FULL, BARE = [(("__name__", "x"), ("n", "a")), (("__name__", "x"), ("n", "b"))], [(("n", "a"),), (("n", "b"),)]
NUMBERS = {"count": [4, 1], "total": [10, 7], "first": [1, 7], "last": [4, 7], "first_time": [10, 40], "last_time": [40, 40]}


def two() -> RolledRange:
    """A series with the samples 1 to 4 every ten seconds from 10 s on, and one with a 7 at 40 s; asked for is 0 to 50 s."""
    numbers = {name: np.array(values, dtype=float) for name, values in NUMBERS.items()}
    numbers["first_time"] *= SECOND
    numbers["last_time"] *= SECOND
    none = np.zeros(2)
    reduced = Reduced(**{field.name: numbers.get(field.name, none) for field in fields(Reduced)})
    return RolledRange(FULL, BARE, 0, 50 * SECOND, 50 * SECOND, reduced)


def test_a_function_of_two_samples_says_nothing_of_a_series_with_one() -> None:
    assert over_rolled("count_over_time", two()) == [(BARE[0], 4.0), (BARE[1], 1.0)]
    assert over_rolled("avg_over_time", two()) == [(BARE[0], 2.5), (BARE[1], 7.0)]
    ((labels, value),) = over_rolled("delta", two())
    assert labels == BARE[0]
    assert value == pytest.approx(5.0), "3 in 30 s, and so on to both edges"
    empty = replace(two(), reduced=replace(two().reduced, count=np.array([1.0, 0.0])))
    assert over_rolled("sum_over_time", empty) == [(BARE[0], 10.0)]


def test_the_last_sample_keeps_its_name() -> None:
    assert over_rolled("last_over_time", two()) == [(FULL[0], 4.0), (FULL[1], 7.0)]


def test_each_row_has_labels() -> None:
    with pytest.raises(ValueError, match="longer"):
        over_rolled("count_over_time", replace(two(), bare=BARE[:1]))
