"""What is expected of a series, by means worked out by hand."""

from __future__ import annotations

import pytest

from processors.detectors.baseline import DAY, Baseline, Expected

HOUR = DAY // 24
HALF_HOUR = DAY // 48


def learned(values: dict[int, float]) -> Baseline:
    """A baseline of values by the half hours since its first midnight."""
    baseline = Baseline()
    for number, value in values.items():
        baseline.add(number * HALF_HOUR, value)
    return baseline


def test_of_nothing_nothing_is_expected() -> None:
    baseline = Baseline()
    assert not baseline.known
    assert baseline.expect(0) == Expected(0.0, seasonal=False)


def test_at_first_the_mean_of_all_values_is_expected_at_any_time() -> None:
    baseline = learned({0: 1.0, 1: 2.0, 2: 6.0})
    assert baseline.known
    assert baseline.expect(7 * HOUR) == Expected(pytest.approx(3.0), seasonal=False)  # type: ignore[arg-type]


def test_the_mean_remembers_three_hundred_values() -> None:
    baseline = Baseline()
    for number in range(1000):
        baseline.add(number, 10.0)
    baseline.add(1000, 310.0)
    assert baseline.expect(HOUR).value == pytest.approx(11.0)


def test_after_two_days_the_time_of_day_is_known() -> None:
    baseline = Baseline()
    for day, value in enumerate((10.0, 20.0)):
        baseline.add(day * DAY + HOUR, value)
        baseline.add(day * DAY + 13 * HOUR, 100.0)
        assert not baseline.expect(day * DAY + HOUR).seasonal, "today is not complete"
    assert baseline.expect(2 * DAY + HOUR) == Expected(pytest.approx(15.0), seasonal=True)  # type: ignore[arg-type]
    assert baseline.expect(2 * DAY + HOUR + HALF_HOUR - 1).seasonal, "to the end of the half hour"
    assert not baseline.expect(2 * DAY + HOUR + HALF_HOUR).seasonal
    assert not baseline.expect(2 * DAY + HOUR - 1).seasonal
    assert baseline.expect(2 * DAY + 13 * HOUR).value == pytest.approx(100.0)


def test_while_a_day_lasts_the_days_before_it_are_expected() -> None:
    baseline = Baseline()
    for day, value in enumerate((10.0, 20.0, 90.0)):
        baseline.add(day * DAY, value)
    assert baseline.expect(2 * DAY + 1) == Expected(pytest.approx(15.0), seasonal=True)  # type: ignore[arg-type]
    assert baseline.expect(3 * DAY).value == pytest.approx(40.0)


def test_a_days_values_count_as_one() -> None:
    baseline = Baseline()
    for minute in range(20):
        baseline.add(minute, float(minute))  # 9.5 on average
    baseline.add(DAY, 19.5)
    assert baseline.expect(2 * DAY).value == pytest.approx(14.5)


def test_a_new_day_counts_a_tenth_once_there_are_ten() -> None:
    baseline = Baseline()
    for day in range(30):
        baseline.add(day * DAY, 10.0)
    baseline.add(30 * DAY, 110.0)
    assert baseline.expect(31 * DAY).value == pytest.approx(20.0)
    young = Baseline()
    for day in range(4):
        young.add(day * DAY, 10.0)
    young.add(4 * DAY, 110.0)
    assert young.expect(5 * DAY).value == pytest.approx(30.0), "of five days a fifth"


def test_what_is_restored_expects_the_same() -> None:
    baseline = learned({0: 1.0, 48: 3.0, 49: 4.0, 96: 5.0})
    again = Baseline()
    again.restore(baseline.snapshot())
    for half_hour in range(140, 200):
        assert again.expect(half_hour * HALF_HOUR) == baseline.expect(half_hour * HALF_HOUR)
    again.add(200 * HALF_HOUR, 7.0)
    baseline.add(200 * HALF_HOUR, 7.0)
    assert again.snapshot() == baseline.snapshot()
