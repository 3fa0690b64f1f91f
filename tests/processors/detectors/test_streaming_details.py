"""A detector's words, boundaries and state, on series simple enough to work out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from processors.detectors.rarity.distances import COMMON, Distances
from processors.detectors.rarity.tail import Tail
from processors.detectors.streaming import (
    CALM,
    CERTAIN,
    HABIT,
    HALF,
    PASSED_OVER,
    SHIFT_VALUES,
    YOUNG,
    StreamingDetector,
    count_surprise,
    score_of,
)
from telemetry.errors import InputError

MINUTE = 60_000_000_000


def learned(values: list[float], detector: StreamingDetector | None = None, one: float = 0.0) -> StreamingDetector:
    """A detector that has seen these values, a minute apart."""
    detector = detector or StreamingDetector()
    for number, value in enumerate(values):
        detector.update(number * MINUTE, value, one)
    return detector


def student(distance: float, spread: float, freedom: float) -> float:
    return (freedom + 1) / 2 * math.log1p((distance / spread) ** 2 / freedom)


def test_scores_are_shares_of_what_six_nats_leave() -> None:
    assert [score_of(nats) for nats in (0.0, 6.0, 12.0, 18.0)] == pytest.approx([0, 0.5, 0.75, 0.875])
    assert score_of(math.inf) == 1.0


def test_a_count_differs_by_the_square_roots_of_poisson() -> None:
    assert count_surprise(10, 10) == 0
    assert count_surprise(10, 0) == pytest.approx(2 * (math.sqrt(10.375) - math.sqrt(0.375)) ** 2)
    assert count_surprise(-5, -3) == 0, "below nothing is nothing"
    assert count_surprise(0, 10) == pytest.approx(count_surprise(10, 0))


def test_the_first_eight_values_are_not_judged_and_say_how_many_there_are() -> None:
    detector = StreamingDetector(least=1.0)
    for number in range(YOUNG):
        scored = detector.update(number * MINUTE, 10.0 + 1e6 * (number == 7))
        assert (scored.score, scored.surprise, scored.why) == (0.0, 0.0, f"only {number} values known")
    assert learned([10.0] * YOUNG, StreamingDetector(least=1.0)).score_one(0, 1e6).score > 0.5


def test_a_young_series_is_judged_by_students_density_of_its_least_spread() -> None:
    """Twenty values of 10 have no spread of their own: a quarter of the level, or the least, is assumed."""
    by_share = learned([10.0] * 20, StreamingDetector(least=1.0)).score_one(0, 15.0)
    assert by_share.surprise == pytest.approx(student(5.0, 2.5, 8.0))
    assert (by_share.expected, by_share.spread) == (10.0, 0.0)
    by_least = learned([10.0] * 20, StreamingDetector(least=4.0)).score_one(0, 20.0)
    assert by_least.surprise == pytest.approx(student(10.0, 4.0, 8.0))
    below = learned([10.0] * 20, StreamingDetector(least=4.0)).score_one(0, 0.0)
    assert below.surprise == by_least.surprise, "less is as odd as more"
    share = learned([10.0] * 20, StreamingDetector(least=1.0, least_share=0.5)).score_one(0, 20.0)
    assert share.surprise == pytest.approx(student(10.0, 5.0, 8.0))


@pytest.mark.parametrize(("age", "freedom"), [(8, 7.0), (9, 8.0), (12, 8.0)])
def test_the_fewer_values_are_known_the_heavier_are_the_tails_assumed(age: int, freedom: float) -> None:
    found = learned([10.0] * age, StreamingDetector(least=1.0)).score_one(0, 15.0)
    assert found.surprise == pytest.approx(student(5.0, 2.5, freedom))


def test_what_is_odd_is_explained_by_value_expectation_spread_and_chance() -> None:
    found = learned([10.0] * 20, StreamingDetector(least=1.0)).score_one(0, 40.0)
    chance = math.exp(student(30.0, 2.5, 8.0))
    assert found.why == f"40 where 10 is usual lately, give or take 0: about once in {chance:.2g} values"
    assert learned([10.0] * 20, StreamingDetector(least=1.0)).score_one(0, 10.0).why == "as usual"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_as_odd_as_can_be_and_says_so(value: float) -> None:
    for age in (0, 3, 50):
        found = learned([10.0] * age).score_one(0, value)
        assert (found.score, found.surprise, found.why) == (1.0, math.inf, f"{value} is no finite number")
        assert found.expected == (10.0 if age else 0.0)


def test_what_is_usual_at_this_time_of_day_is_said_to_be() -> None:
    detector = StreamingDetector(least=1.0)
    for hour in range(24 * 5):
        detector.update(hour * 60 * MINUTE, 100.0 if hour % 24 == 3 else 10.0)
    found = detector.score_one((24 * 5 + 3) * 60 * MINUTE, 10.0)
    assert found.expected == pytest.approx(100.0)
    assert found.why.startswith("10 where 100 is usual at this time of day, give or take ")


def test_a_shift_of_all_values_together_is_said_to_be_one() -> None:
    rng = np.random.default_rng(5)
    detector = learned(rng.normal(100.0, 3.0, 1000).tolist())
    said = [detector.update((1000 + number) * MINUTE, 104.0).why for number in range(60)]
    assert any(f": for the last {SHIFT_VALUES} values together about once in " in why for why in said)


def test_the_spread_is_the_mean_distance_of_the_last_three_hundred() -> None:
    detector = learned([10.0] + [11.0, 9.0] * 4)
    distances, level = [], 0.0
    for number, value in enumerate([10.0] + [11.0, 9.0] * 4):
        if number:
            distances.append(abs(value - level))
        level += (value - level) / (number + 1)
    assert detector.score_one(0, 10.0).spread == pytest.approx(sum(distances) / len(distances))


def test_what_is_beyond_doubt_is_not_learned_while_it_is_an_event() -> None:
    steady = [10.0, 11.0, 9.0] * 100
    before = learned(steady, StreamingDetector(least=1.0)).score_one(0, 10.0)
    detector = learned(steady, StreamingDetector(least=1.0))
    scores = [detector.update((300 + number) * MINUTE, 1000.0).score for number in range(PASSED_OVER)]
    assert scores[0] > 0.8
    assert max(scores[CALM + 2 :]) == 0.0
    after = detector.score_one(0, 10.0)
    assert (after.expected, after.spread) == (before.expected, before.spread)
    detector.update(400 * MINUTE, 1000.0)
    assert detector.score_one(0, 10.0).expected > before.expected, "what lasts is how things are now"


def test_a_series_in_no_known_unit_learns_its_level_from_an_event_too() -> None:
    steady = [10.0, 11.0, 9.0] * 100
    detector = learned(steady)
    detector.update(300 * MINUTE, 1000.0)
    assert detector.score_one(0, 10.0).expected == pytest.approx(10.0 + 990.0 / 300, rel=0.01)


def test_a_young_event_ends_after_thirty_calm_values_and_is_news_again() -> None:
    detector = learned([10.0, 11.0, 9.0] * 100, StreamingDetector(least=1.0))

    def update(number: int, value: float) -> float:
        return detector.update((300 + number) * MINUTE, value).score

    assert update(0, 1000.0) > 0.8
    for number in range(1, CALM):
        assert update(number, 10.0) == 0.0
    assert detector.score_one(0, 1000.0).score == 0.0, "the same event, not over yet"
    update(CALM, 10.0)
    assert detector.score_one(0, 1000.0).score > 0.8


def test_what_was_reported_is_reported_again_within_calm_only_when_twice_as_surprising() -> None:
    detector = learned([10.0] * 20, StreamingDetector(least=1.0))
    first = detector.update(20 * MINUTE, 30.0)
    assert HALF < first.surprise < CERTAIN
    for value in (30.0, 29.0, 32.0):
        assert detector.score_one(0, value).surprise == 0.0
    assert detector.score_one(0, 1000.0).surprise >= 2 * first.surprise


def test_counts_claim_no_more_than_poissons() -> None:
    detector = learned([0.0, 1.0] * 100, one=1.0)
    for seen in (12.0, 20.0):
        found = detector.score_one(0, seen, one=1.0)
        assert 0 < found.surprise <= count_surprise(seen, found.expected) + 1e-9
    per_second = learned([value / 60 for value in [0.0, 1.0] * 100], one=1 / 60)
    assert per_second.score_one(0, 20 / 60, one=1 / 60).surprise <= count_surprise(20, found.expected) + 1e-9


def test_what_a_snapshot_has_and_says_of_another_version() -> None:
    detector = learned([10.0] * 20, StreamingDetector(least=1.0))
    detector.update(20 * MINUTE, 30.0)
    saved = detector.snapshot()
    assert (saved["version"], saved["age"], saved["event"]) == (3, 21, [0, 0, 0])
    assert saved["told"][0] == 20
    assert saved["recent"] == [[20, saved["told"][1]]]
    with pytest.raises(InputError, match=r"^detector: snapshot version 2, this release reads 3$"):
        detector.restore({**saved, "version": 2})
    assert detector.snapshot() == saved
    assert StreamingDetector().snapshot()["event"] == [CALM, 0, 0]
    assert HABIT == 1000


def test_the_tail_is_the_greatest_values_of_a_twentieth() -> None:
    tail = Tail()
    for value in range(1, 60):
        tail.add(float(value))
    assert (tail.warm, tail.surprise(1e9), tail.claim(1e9, lambda: np.log(COMMON))) == (False, 0.0, 0.0)
    tail.add(60.0)
    assert tail.warm
    # of 60 values ten are the tail, so nine exceed a threshold of 51 by 1 to 9
    assert tail.surprise(51.0) == 0.0
    mean, count = 5.0, 9
    lesser = sum(excess * (count - excess + 0.35) for excess in range(1, 10)) / count**2
    shape = (count * (2 - mean / (mean - 2 * lesser)) + 3 * 0.2) / (count + 3)
    shape = min(max(shape, 0.05), 0.9)
    expected = math.log(60 / 10) + math.log1p(shape * 20 / (mean * (1 - shape))) / shape
    assert tail.surprise(71.0) == pytest.approx(expected)


@pytest.mark.parametrize(("seen", "number"), [(100, 10), (300, 15), (500, 25), (1000, 30)])
def test_the_threshold_is_that_of_a_twentieth_of_what_was_seen_within_bounds(seen: int, number: int) -> None:
    tail = Tail()
    for value in range(seen):
        tail.add(float(value))
    threshold = float(seen - number)
    assert tail.surprise(threshold) == 0.0
    assert tail.surprise(threshold + 0.01) > 0.0
    assert tail.snapshot() == [seen, [float(value) for value in range(seen - 30, seen)]]


def test_before_the_warm_up_all_values_so_far_are_the_tail() -> None:
    tail = Tail()
    likely = np.log(COMMON)
    for value in (1.0, 2.0, 3.0):
        tail.add(value)
    assert tail.early_claim(4.0, lambda: likely, 4.0) == 0.0, "no more than the least"
    found = [tail.early_claim(value, lambda: likely, 0.5) for value in (5.0, 50.0, 500.0)]
    assert found == sorted(found)
    assert found[0] > 0
    assert tail.early_claim(50.0, lambda: likely, 5.0) < found[1], "a greater least spread says less"
    for value in range(40):
        tail.add(float(value))
    assert tail.early_claim(10.0, lambda: likely, 0.5) == 0.0, "of more than thirty values the least kept is the threshold"
    assert tail.early_claim(10.01, lambda: likely, 0.5) > 0.0


def test_the_body_counts_by_powers_of_the_root_of_two_and_not_what_is_nothing() -> None:
    body = Distances()
    assert body.likely(COMMON) == pytest.approx(np.log(COMMON))
    for value in (0.0, -1.0, 1.0, 1.4, 1.42, 2.0, 0.5, 0.71):
        body.add(value)
    assert sorted(body.snapshot()) == [[-2, 1], [-1, 1], [0, 2], [1, 1], [2, 1]]


def test_all_counts_are_halved_when_there_are_512() -> None:
    body = Distances()
    for value in [1.0] * 400 + [4.0] * 111:
        body.add(value)
    assert sorted(body.snapshot()) == [[0, 400], [4, 111]]
    body.add(16.0)
    assert sorted(body.snapshot()) == [[0, 200], [4, 55]], "what was seen once is gone"
    again = Distances()
    again.restore(body.snapshot())
    assert again.likely(COMMON) == pytest.approx(body.likely(COMMON))


def test_what_is_drawn_of_students_distribution_is_likeliest_of_its_shape() -> None:
    flat = [1.0] * 8
    for freedom, heavy in ((20.0, False), (1.5, True)):
        body = Distances()
        for value in np.abs(stats.t.ppf((np.arange(400) + 0.5) / 400, freedom)).tolist():
            body.add(value)
        likely = body.likely(flat)
        assert (likely[3:] == likely[3]).all(), "how heavy it is extremes say"
        assert bool(likely[3] > likely[0]) == heavy
