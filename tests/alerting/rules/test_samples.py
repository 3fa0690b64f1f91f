"""The samples in memory: order, bounds, what is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.promql.matchers import parse_matchers
from alerting.rules.samples import Limits, Samples
from components.durations import HOUR
from telemetry.errors import InputError
from telemetry.metrics import STALE, Point, Series, is_stale


def point(time: int, value: float = 1.0, **labels: str) -> Point:
    return Point(Series("m", tuple(sorted(labels.items()))), time, value)


def content(samples: Samples) -> dict[str, list[tuple[int, float]]]:
    return {
        str(stored.labels): list(zip(stored.times, stored.values, strict=True))
        for stored in samples.select(parse_matchers('__name__=~".+"'))
    }


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from("abc")), unique=True), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(keys: list[tuple[int, str]], chance: object) -> None:
    ordered, shuffled = Samples(), Samples()
    points = [point(time, float(time), s=series) for time, series in sorted(keys)]
    ordered.add(points)
    chance.shuffle(points)  # type: ignore[attr-defined]  # random.Random
    shuffled.add(points)
    assert content(shuffled) == content(ordered)


def test_reading_again_changes_nothing_and_the_first_of_two_values_stays() -> None:
    samples = Samples()
    samples.add([point(1, 5.0), point(2, math.nan), point(1, 5.0), point(2, math.nan), point(1, 6.0)])
    ((first, _),) = content(samples).values()
    assert first == (1, 5.0)
    assert (samples.counts.added, samples.counts.duplicate, samples.counts.conflicting) == (2, 2, 1)


def test_every_bound_holds_and_counts() -> None:
    samples = Samples(Limits(series=2, samples_per_series=100, retention=1000))
    samples.add(point(5000, s=series) for series in "abcd")
    assert (len(samples), samples.counts.too_many_series) == (2, 2)
    samples.add([point(3999, s="a"), point(4000, s="a")])
    assert samples.counts.too_old == 1
    samples.add(point(5000 + i, s="a") for i in range(1, 500))
    (kept,) = samples.select(parse_matchers('s="a"'))
    assert len(kept.times) <= 100
    assert kept.times[-1] == 5499


def test_what_is_older_than_the_retention_goes_with_its_series() -> None:
    samples = Samples(Limits(retention=100))
    samples.add([point(0, s="a"), point(50, s="b"), point(120, s="b")])
    samples.retain()
    assert content(samples) == {str((("__name__", "m"), ("s", "b"))): [(50, 1.0), (120, 1.0)]}
    samples.add([point(121, s="a")])
    assert len(samples) == 2


def test_what_a_clock_that_is_ahead_has_stamped_makes_nothing_old() -> None:
    samples = Samples(Limits(retention=100))
    samples.add([point(1000, s="a"), point(5000, s="b")], 1000)
    samples.retain()
    samples.add([point(901, s="a")], 1001)
    assert (len(samples), samples.newest, samples.counts.too_old) == (2, 1000, 0)


def test_series_are_found_by_matchers_also_after_new_ones_came() -> None:
    samples = Samples()
    samples.add([point(1, s="ä", zone="1"), point(1, s="b", zone="2")])
    wanted = parse_matchers('__name__="m",zone!="1"')
    assert [stored.bare for stored in samples.select(wanted)] == [(("s", "b"), ("zone", "2"))]
    samples.add([point(1, s="c")])
    assert [dict(stored.bare)["s"] for stored in samples.select(wanted)] == ["b", "c"]
    assert samples.select(parse_matchers('none="x"')) == []


def test_a_snapshot_keeps_every_bit() -> None:
    samples = Samples()
    samples.add([point(1_700_000_000_123_456_789, 0.1), point(1_700_000_000_123_456_790, math.inf)])
    samples.append((("__name__", "m"),), 1_700_000_000_123_456_791, STALE)
    restored = Samples()
    restored.restore(json.loads(json.dumps(samples.snapshot())))
    assert restored.snapshot() == samples.snapshot()
    (stored,) = restored.select(parse_matchers('__name__="m"'))
    assert is_stale(stored.values[-1])
    with pytest.raises(InputError, match="version 2"):
        restored.restore({"version": 2})


def test_a_flood_of_labels_of_one_sender_leaves_room_for_others_and_ends_with_its_samples() -> None:
    samples = Samples(Limits(series=100, series_per_sender=10, retention=HOUR))

    def flood(job: str, count: int, time: int) -> None:
        series = [Series("hits_total", (("job", job), ("user", f"{time}-{i}"))) for i in range(count)]
        samples.add([Point(each, time, 1.0) for each in series])

    flood("flood", 60, 10 * HOUR)
    flood("shop", 10, 10 * HOUR)
    samples.append((("__name__", "job:hits:rate"), ("job", "flood")), 10 * HOUR, 1.0)
    assert len(samples) == 21
    assert (samples.counts.of_one_sender, samples.counts.too_many_series) == (50, 0)
    (told,) = samples.refusals.recent("", samples.newest)
    assert '"flood"' in told
    assert "samples.series_per_sender" in told
    assert [refusal.samples for refusal in samples.refusals.to_log(samples.newest)] == [50]
    assert samples.refusals.to_log(samples.newest + 1) == []
    samples.evict(11 * HOUR)
    flood("flood", 4, 12 * HOUR)
    assert len(samples) == 4
    assert samples.refusals.recent("", samples.newest) == []
