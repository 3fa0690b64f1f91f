from __future__ import annotations

from fractions import Fraction
from math import comb

from hypothesis import given
from hypothesis import strategies as st

from processors.root_cause.overrepresented import overrepresented, upper_tail


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_the_tail_is_the_share_of_all_draws(picked: int, without: int, rest: int, rest_without: int) -> None:
    picked_all, rest_all, having = picked + without, rest + rest_without, picked + rest
    ways = sum(
        comb(having, number) * comb(picked_all + rest_all - having, picked_all - number)
        for number in range(picked, min(having, picked_all) + 1)
    )
    exact = Fraction(ways, comb(picked_all + rest_all, picked_all))
    assert abs(upper_tail(picked, picked_all, rest, rest_all) - float(exact)) < 1e-9


def test_large_counts_are_quick_and_stay_probabilities() -> None:
    assert upper_tail(500_000, 1_000_000, 500_000, 1_000_000) > 0.49
    assert upper_tail(600_000, 1_000_000, 400_000, 1_000_000) == 0.0
    assert upper_tail(0, 10, 0, 10) == 1.0


def test_only_what_is_more_frequent_than_chance_stands_out_the_surest_first() -> None:
    found = overrepresented({"a": (90, 10), "b": (50, 50), "c": (10, 90), "d": (30, 0), "e": (3, 2)}, 100, 100)
    assert [one.key for one in found] == ["a", "d"]
    assert found[0].lift == 9.0
    assert found[1].lift is None
    assert overrepresented({"a": (5, 0)}, 5, 0) == []
