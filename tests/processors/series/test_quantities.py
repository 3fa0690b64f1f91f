from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.series.quantities import digits, quantities


@pytest.mark.parametrize(
    ("unit", "value", "said"),
    [
        ("s", 0.0536, "53.6 ms"),
        ("s", 1.79, "1.79 s"),
        ("s", 24.0, "24 s"),
        ("s", 150.0, "2.5 min"),
        ("s", 0.0000123, "12.3 µs"),
        ("s", 0.0, "0 µs"),
        ("ms", 1400.0, "1.4 s"),
        ("1", 0.196, "19.6%"),
        ("1", 62832.3, "62,832"),
        ("%", 69.92, "69.9%"),
        ("1/s", 3.214, "3.21/s"),
        ("By", 62832.3, "62.8 kB"),
        ("By", 512.0, "512 B"),
        ("{line}", 12.0, "12"),
        ("", 1234.5, "1,234"),
        ("s", math.inf, "inf"),
    ],
)
def test_values_are_said_with_the_unit_that_suits(unit: str, value: float, said: str) -> None:
    assert quantities(unit, value) == [said]


def test_of_two_shares_one_above_one_both_are_numbers() -> None:
    assert quantities("1", 1.4, 0.8) == ["1.4", "0.8"]


@given(st.floats(1e-3, 1e12))
def test_three_digits_are_within_half_a_percent_and_have_no_exponent(value: float) -> None:
    said = digits(value)
    assert "e" not in said
    assert float(said.replace(",", "")) == pytest.approx(value, rel=0.005)
