from __future__ import annotations

import json
import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.detectors.streaming import CALM, HALF, StreamingDetector, count_surprise, score_of
from telemetry.errors import InputError

MINUTE = 60_000_000_000
DAY = 86_400_000_000_000
VALUES = st.lists(st.floats(-1e6, 1e6), max_size=150)


def noise(count: int, seed: int = 1, level: float = 100.0) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(level, 3.0) for _ in range(count)]


def scores(values: list[float], step: int = MINUTE) -> list[float]:
    detector = StreamingDetector()
    return [detector.update(number * step, value).score for number, value in enumerate(values)]


def test_a_spike_scores_high_and_plain_noise_does_not() -> None:
    found = scores([*noise(500), 160.0])
    assert max(found[:-1]) < 0.8
    assert found[-1] > 0.8


def test_a_level_shift_is_reported_within_a_few_values_and_only_once() -> None:
    found = scores(noise(500) + noise(40, seed=2, level=140.0))
    assert max(found[500:503]) > 0.8
    assert sum(score > 0.8 for score in found[500:]) <= 2


def test_an_event_that_builds_up_is_reported_when_it_begins_and_when_it_is_beyond_doubt_but_not_at_each_step() -> None:
    begins, grows, more, beyond_doubt = scores([*noise(500), 110.0, 113.0, 117.0, 200.0])[500:]
    assert begins > 0.5
    assert grows == more == 0.0
    assert beyond_doubt > 0.8


def test_an_event_that_has_doubled_is_reported_again_and_so_is_one_that_comes_later() -> None:
    assert [score > 0.5 for score in scores([*noise(500), 110.0, 300.0])[500:]] == [True, True]
    later = scores([*noise(500), 110.0, *noise(CALM, seed=3), 113.0])
    assert later[-1] > 0.5


@pytest.mark.parametrize("length", [1, 5, 40])
def test_an_outage_is_reported_each_time_however_often_it_was_seen_before(length: int) -> None:
    found = scores(noise(3000) + (noise(length, seed=4, level=300.0) + noise(300, seed=5)) * 3)
    begins = [3000 + number * (length + 300) for number in range(3)]
    assert all(max(found[begin : begin + 2]) > 0.8 for begin in begins)


@pytest.mark.parametrize("seed", range(4))
def test_a_fault_that_comes_back_soon_is_reported_each_time_though_the_series_is_young(seed: int) -> None:
    """As a service that is slow for some minutes of each quarter of an hour, from its first hour on."""
    chance, detector, reported = random.Random(seed), StreamingDetector(least=0.005), [0.0] * 5
    for step in range(150 * len(reported)):
        fault, since = divmod(step, 150)
        value = 0.025 * chance.lognormvariate(0, 0.1) * (12 if since >= 120 else 1)
        reported[fault] = max(reported[fault], detector.update(step * 5_000_000_000, value).score)
    assert min(reported) >= 0.8, reported


def test_what_happens_again_and_again_is_a_habit_and_no_event() -> None:
    found = scores([*noise(99), 300.0] * 40)
    assert max(found[2000:]) < 0.8


def test_a_creeping_shift_of_less_than_the_noise_is_reported_by_the_values_together() -> None:
    found = scores(noise(1000) + noise(200, seed=3, level=106.0))
    assert max(found[:1000]) < max(found[1000:])


def test_a_flat_line_is_quiet_until_it_moves() -> None:
    found = scores([5.0] * 300 + [6.0])
    assert max(found[:-1]) == 0.0
    assert found[-1] > 0.9


def test_what_is_usual_at_noon_is_odd_at_midnight() -> None:
    half_hour = DAY // 48
    daily = [
        100.0 + 50.0 * math.sin(2 * math.pi * number / 48) + value for number, value in enumerate(noise(48 * 14, level=0.0))
    ]
    peak = daily[48 * 14 - 36]
    detector = StreamingDetector()
    for number, value in enumerate(daily):
        detector.update(number * half_hour, value)
    at_peak, at_trough = (48 * 14 + 12) * half_hour, (48 * 14 + 36) * half_hour
    assert detector.score_one(at_peak, peak).score < 0.5
    assert detector.score_one(at_trough, peak).score > 0.8


def test_a_dozen_values_are_warm_up_enough_for_a_change_beyond_doubt() -> None:
    detector = StreamingDetector(least=1.0)
    for number, value in enumerate(noise(12, level=20.0)):
        detector.update(number * MINUTE, value)
    assert detector.score_one(12 * MINUTE, 420.0).score > 0.9


def test_of_a_series_in_no_known_unit_a_dozen_values_say_only_that_a_change_is_odd() -> None:
    assert 0.5 < scores([*noise(12, level=20.0), 420.0])[-1] < 0.8


def test_what_an_older_release_saved_is_read_and_its_values_learned_from_then_on() -> None:
    detector, again = StreamingDetector(), StreamingDetector()
    for number, value in enumerate(noise(300)):
        detector.update(number * MINUTE, value)
    older = {key: part for key, part in detector.snapshot().items() if key != "bodies"}
    again.restore(older)
    for number, value in enumerate(noise(200, seed=2), start=300):
        again.update(number * MINUTE, value)
    assert again.score_one(500 * MINUTE, 400.0).score > 0.8


def test_a_value_that_is_no_number_is_odd_and_is_not_learnt() -> None:
    detector = StreamingDetector()
    for number, value in enumerate(noise(100)):
        detector.update(number * MINUTE, value)
    before = detector.snapshot()
    assert detector.update(100 * MINUTE, math.nan).score == 1.0
    assert detector.snapshot() == before


@given(values=VALUES, future=VALUES)
def test_the_score_of_a_value_does_not_depend_on_what_comes_after_it(values: list[float], future: list[float]) -> None:
    assert scores(values + future)[: len(values)] == scores(values)


@given(before=VALUES, after=VALUES)
def test_a_restored_detector_goes_on_as_the_first_would_have(before: list[float], after: list[float]) -> None:
    detector, again = StreamingDetector(), StreamingDetector()
    for number, value in enumerate(before):
        detector.update(number * MINUTE, value)
    again.restore(json.loads(json.dumps(detector.snapshot())))
    for number, value in enumerate(after, start=len(before)):
        assert again.update(number * MINUTE, value) == detector.update(number * MINUTE, value)


@given(values=VALUES)
def test_every_score_is_between_nought_and_one(values: list[float]) -> None:
    assert all(0.0 <= score <= 1.0 for score in scores(values))


def test_memory_does_not_grow_with_the_series() -> None:
    detector = StreamingDetector()
    sizes = []
    for number, value in enumerate(noise(20_000)):
        detector.update(number * MINUTE, value)
        if number in {9_999, 19_999}:
            sizes.append(len(json.dumps(detector.snapshot())))
    assert sizes[1] < sizes[0] * 1.2


def test_scores_keep_the_order_of_surprises_and_six_nats_are_one_half() -> None:
    assert score_of(HALF) == pytest.approx(0.5)
    assert all(low < high for low, high in pairwise(score_of(surprise) for surprise in (0, 1, 6, 14, 20, 50)))


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(InputError, match="version None"):
        StreamingDetector().restore({})


@pytest.mark.parametrize(("expected", "seen"), [(4, 12), (40, 75), (40, 100), (400, 500), (4000, 4400)])
def test_a_count_is_never_called_more_surprising_than_a_poisson_count(expected: int, seen: int) -> None:
    terms = (number * math.log(expected) - expected - math.lgamma(number + 1) for number in range(seen, seen + 4000))
    surprise = -math.log(sum(map(math.exp, terms)))
    assert surprise / 2 < count_surprise(seen, expected) <= surprise


def test_one_of_a_thing_that_is_never_there_says_little_and_many_say_much() -> None:
    detector = StreamingDetector()
    for minute in range(500):
        detector.update(minute * 60 * 10**9, 0.0, one=1.0)
    assert detector.score_one(500 * 60 * 10**9, 1.0, one=1.0).score < 0.2
    assert detector.score_one(500 * 60 * 10**9, 30.0, one=1.0).score > 0.8
