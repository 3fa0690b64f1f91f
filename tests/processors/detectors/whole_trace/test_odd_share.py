"""How surprising the number of odd traces of a window is."""

from __future__ import annotations

import json
import math

import pytest

from processors.detectors.whole_trace.odd_share import MEMORY, OddShare, OddShares


def learned(*windows: tuple[int, int]) -> OddShares:
    shares = OddShares()
    for odd, traces in windows:
        shares.learn(shares.judge(odd, traces))
    return shares


def test_before_anything_is_known_one_in_twenty_is_usual_and_counts_as_twenty_traces() -> None:
    assert OddShares().judge(0, 7) == OddShare(0, 7, 0.05, 0.0)
    # One odd trace and nineteen others imagined: the chance that all are odd is 1/20, 2/21, 3/22, ... one after the other.
    for odd, chance in ((1, 1 / 20), (2, 1 / 210), (3, 1 / 1540)):
        assert OddShares().judge(odd, odd).surprise == pytest.approx(-math.log(chance))


def test_the_usual_share_is_of_the_traces_remembered() -> None:
    shares = learned((3, 30), (7, 50))
    assert shares.judge(0, 1).usual == pytest.approx((1 + 3 + 7) / (20 + 30 + 50))
    assert shares.snapshot()["share"] == [11.0, 100.0]
    for _ in range(500):
        shares.learn(shares.judge(8, 40))
    odd, traces = shares.snapshot()["share"]
    assert traces == MEMORY
    assert odd / traces == pytest.approx(0.2, abs=0.001)


def test_windows_are_alike_by_how_far_they_are_from_usual_beyond_what_chance_does() -> None:
    # Usual are 2 of 40, give or take a variance of 1.9; of what was imagined nothing fades.
    assert learned((6, 40)).snapshot()["alike"] == pytest.approx([0.2 + 4 * 4 - 1.9, 20 + 1.9 * 39])


@pytest.mark.parametrize(
    ("alike", "odd", "traces", "chance"),
    [
        (1 / 3, 7, 9, 3 / 10),  # any number of odd traces is as likely
        (1 / 3, 1, 1, 1 / 2),
        (0.5, 2, 2, 1 / 2 * 3 / 4),
        (0.9, 2, 2, 1 / 2 * 3 / 4),  # half alike at most
    ],
)
def test_the_more_windows_are_alike_the_less_says_one_of_them(alike: float, odd: int, traces: int, chance: float) -> None:
    shares = OddShares()
    shares.restore({"share": [1000.0, 2000.0], "alike": [alike, 1.0]})
    assert shares.judge(odd, traces).surprise == pytest.approx(-math.log(chance))


def test_steady_windows_make_a_count_as_surprising_as_a_binomial_one() -> None:
    shares = learned(*[(2, 40)] * 500)
    chance = sum(math.comb(40, odd) * 0.05**odd * 0.95 ** (40 - odd) for odd in range(10, 41))
    assert shares.judge(10, 40).surprise == pytest.approx(-math.log(chance), rel=0.03)


def test_where_windows_differ_the_same_count_surprises_less() -> None:
    steady, mixed, wild = (learned(*windows * 100) for windows in ([(4, 40)], [(2, 40), (6, 40)], [(0, 40), (0, 40), (12, 40)]))
    surprises = [shares.judge(14, 40).surprise for shares in (steady, mixed, wild)]
    assert surprises == sorted(surprises, reverse=True)
    assert surprises[0] > 2 * surprises[2] > 2


def test_more_odd_traces_surprise_more_and_to_judge_is_to_learn_nothing() -> None:
    shares = learned(*[(2, 40)] * 50)
    before = shares.snapshot()
    found = [shares.judge(odd, 40).surprise for odd in range(41)]
    assert found == sorted(found)
    assert found[0] == 0.0 < found[1]
    assert shares.snapshot() == before
    again = OddShares()
    again.restore(json.loads(json.dumps(before)))
    assert again.snapshot() == before
    assert again.judge(9, 40) == shares.judge(9, 40)
