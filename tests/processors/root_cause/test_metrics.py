"""Metric attributions, worked out by hand.

A metric that is usually 100 has a logarithmic scale from a tenth of that, 10: 100 is at ln 11 and 1000 at ln 101. What stood
still spreads by `LEAST_SPREAD`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from processors.detectors.rarity.tail import Tail
from processors.root_cause.change_points import LEAST_SPREAD, instance_of, magnitude
from processors.root_cause.metrics import MIN_PEER_SPREAD, MetricAttribution, MetricMemory
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECOND = 1_000_000_000
PODS = ("a", "b", "c", "d")
STEP = 10 * SECOND


def series(name: str, pod: str) -> Series:
    return Series(name, (("k8s_pod_name", pod), ("service_name", f"of-{pod}")))


def remembered(
    levels: Mapping[tuple[str, str], Callable[[int], float]], length: int, pods: tuple[str, ...] = PODS
) -> MetricMemory:
    """A point every ten seconds of `cpu` and `queue` of each pod: 100, but where `levels` has another."""
    memory = MetricMemory()
    for name in ("cpu", "queue"):
        for pod in pods:
            for number in range(length):
                level = levels.get((name, pod))
                memory.add(Point(series(name, pod), number * STEP, level(number) if level else 100.0))
    return memory


def step(after: float, at: int = 8, before: float = 100.0) -> Callable[[int], float]:
    return lambda number: after if number >= at else before


def place(value: float) -> float:
    """On the logarithmic scale."""
    return math.copysign(math.log1p(abs(value) / 10), value)


def student(z: float) -> float:
    """How unlikely z spreads are, in nats."""
    return 2 * math.log1p(z**2 / 3)


def test_the_weight_is_the_compressed_gain() -> None:
    assert MetricAttribution("pay", "pay-1", series("cpu", "a"), math.e - 1, 1.0, 2.0).weight == pytest.approx(1.0)


def test_a_series_is_of_its_pod_or_else_its_instance_and_of_no_service_without_its_name() -> None:
    assert instance_of(Series("cpu", (("instance", "host:1"), ("k8s_pod_name", "a"), ("service_name", "pay")))) == ("pay", "a")
    assert instance_of(Series("cpu", (("instance", "host:1"), ("service_name", "pay")))) == ("pay", "host:1")
    assert instance_of(Series("cpu", (("instance", "host:1"),))) == ("", "host:1")


def test_the_scale_of_a_metric_begins_at_a_tenth_of_what_it_usually_is() -> None:
    scaled = magnitude([np.array([0.0, 100.0]), np.array([-100.0, 100.0])])
    assert scaled is not None
    assert scaled(np.array([0.0, 100.0, 1000.0, -100.0])) == pytest.approx([0, place(100), place(1000), place(-100)])
    assert magnitude([np.array([0.0, 0.0])]) is None


def test_an_instance_gains_what_its_second_series_moved_by_and_quotes_the_first() -> None:
    found = remembered({("cpu", "c"): step(1000), ("queue", "c"): step(300)}, 12).attributions(8 * STEP, 11 * STEP)
    (only,) = found
    second = student((place(300) - place(100)) / LEAST_SPREAD)
    assert (only.service, only.instance, only.series) == ("of-c", "c", series("cpu", "c"))
    assert (only.before, only.after) == (100, 1000)
    assert only.gain == pytest.approx(second - math.log(8)), "less the doubt of eight series"


def test_one_series_of_an_instance_that_moves_is_chance() -> None:
    assert remembered({("cpu", "c"): step(1000)}, 12).attributions(8 * STEP, 11 * STEP) == []


def test_what_its_peers_moved_by_is_subtracted() -> None:
    levels = {(name, pod): step(1000 if pod == "c" else 200) for name in ("cpu", "queue") for pod in PODS}
    (only,) = remembered(levels, 12).attributions(8 * STEP, 11 * STEP)
    # ten points of each are 100 and two 1000 or 200, so the median is still 100
    own, others = (student((place(level) - place(100)) / LEAST_SPREAD) for level in (1000, 200))
    assert only.instance == "c"
    assert only.gain == pytest.approx(own - others - math.log(8))


def test_a_fall_counts_half() -> None:
    (only,) = remembered({(name, "b"): step(1) for name in ("cpu", "queue")}, 12).attributions(8 * STEP, 11 * STEP)
    assert (only.instance, only.before, only.after) == ("b", 100, 1)
    assert only.gain == pytest.approx(student((place(1) - place(100)) / LEAST_SPREAD) / 2 - math.log(8))


def test_the_strongest_movement_comes_first() -> None:
    levels = {(name, pod): step(level) for name in ("cpu", "queue") for pod, level in (("b", 900.0), ("c", 1000.0))}
    found = remembered(levels, 12, (*PODS, "e", "f", "g")).attributions(8 * STEP, 11 * STEP)
    less, more = (student((place(level) - place(100)) / LEAST_SPREAD) for level in (900, 1000))
    assert [item.instance for item in found] == ["c", "b"]
    assert found[0].gain == pytest.approx(more - less / 6 - math.log(14))
    assert found[1].gain == pytest.approx(less - more / 6 - math.log(14))


def test_a_movement_of_equal_strength_is_quoted_of_the_first_series() -> None:
    memory = MetricMemory()
    for name in ("queue", "cpu"):
        for pod in reversed(PODS):
            for number in range(12):
                memory.add(Point(series(name, pod), number * STEP, 1000.0 if number >= 8 and pod in "bc" else 100.0))
    found = memory.attributions(8 * STEP, 11 * STEP)
    assert [item.series for item in found] == [series("cpu", "b"), series("cpu", "c")]


def test_the_farthest_value_since_the_change_counts_and_is_quoted() -> None:
    def peak(number: int) -> float:
        return {9: 1000.0, 10: 500.0}.get(number, 100.0)

    (only,) = remembered({("cpu", "c"): peak, ("queue", "c"): peak}, 12).attributions(8 * STEP, 11 * STEP)
    assert only.after == 1000
    assert only.gain == pytest.approx(student((place(1000) - place(100)) / LEAST_SPREAD) - math.log(8))


def test_a_series_that_has_always_wandered_moves_by_less_spreads() -> None:
    def wandering(number: int) -> float:
        return 1000.0 if number >= 8 else (50.0 if number % 2 else 200.0)

    (only,) = remembered({("cpu", "c"): wandering, ("queue", "c"): wandering}, 12).attributions(8 * STEP, 11 * STEP)
    low, high = place(50), place(200)
    centre = (low + high) / 2
    scatter = 8 * ((high - low) / 2) ** 2
    spread = math.sqrt((4 * LEAST_SPREAD**2 + scatter) / (4 + 8 - 1))
    assert only.gain == pytest.approx(student((place(1000) - centre) / spread) - math.log(8))
    assert only.before == 125


def test_where_all_wander_so_does_what_stood_still() -> None:
    """Half of all points are 50 or 200: three pods wander, and the spread of all is shared with the one that does not."""

    def wandering(number: int) -> float:
        return 50.0 if number % 2 else 200.0

    levels: dict[tuple[str, str], Callable[[int], float]] = {
        (name, pod): wandering for name in ("cpu", "queue") for pod in "abd"
    }
    levels |= {(name, "c"): step(1000) for name in ("cpu", "queue")}
    found = remembered(levels, 12).attributions(8 * STEP, 11 * STEP)
    floor = 0.1 * float(np.median([50.0, 200.0] * 18 + [100.0] * 8 + [1000.0] * 4))
    low, high, usual, far = (math.log1p(value / floor) for value in (50, 200, 100, 1000))
    away = (high - low) / 2
    drift = 1.4826 * away  # 24 of 32 distances are this one
    spread = math.sqrt(4 * drift**2 / (4 + 8 - 1))
    peers = math.sqrt((4 * drift**2 + 8 * away**2) / (4 + 8 - 1))
    others = student(away / peers) / 2  # the first of their values since is a rise, the second as far a fall
    assert [item.instance for item in found] == ["c"]
    rise, fall = (student((far - usual) / spread) - weight * others - math.log(8) for weight in (2, 1))
    assert found[0].gain == pytest.approx(rise) or found[0].gain == pytest.approx(fall)


def test_without_a_past_instances_are_compared_with_each_other() -> None:
    found = remembered({(name, "c"): step(1000, at=0) for name in ("cpu", "queue")}, 6).attributions(0, 5 * STEP)
    (only,) = found
    assert only.instance == "c"
    assert math.isnan(only.before)
    assert only.after == 1000
    assert only.gain == pytest.approx(student((place(1000) - place(100)) / MIN_PEER_SPREAD) - math.log(8))


@pytest.mark.parametrize(("pods", "is_judged"), [(("a", "c"), False), (("a", "b", "c"), True)], ids=["two", "three"])
def test_three_instances_are_needed_to_compare(pods: tuple[str, ...], is_judged: bool) -> None:  # noqa: FBT001 - a parameter
    memory = remembered({(name, "c"): step(1000) for name in ("cpu", "queue")}, 12, pods)
    assert bool(memory.attributions(8 * STEP, 11 * STEP)) == is_judged


def test_where_enough_is_known_a_movement_is_as_unlikely_as_the_tail_of_the_usual_ones_says() -> None:
    rng = np.random.default_rng(1)
    noise = {(name, pod): rng.normal(100, 3, 20).tolist() for name in ("cpu", "queue") for pod in PODS}
    levels = {key: (lambda number, own=own: own[number]) for key, own in noise.items()}
    for name in ("cpu", "queue"):
        noise[name, "c"][16:] = [1000.0] * 4
    (only,) = remembered(levels, 20).attributions(16 * STEP, 19 * STEP)
    gains = []
    for name in ("cpu", "queue"):
        floor = 0.1 * float(np.median([value for pod in PODS for value in noise[name, pod]]))
        scaled = {pod: np.log1p(np.array(noise[name, pod]) / floor) for pod in PODS}
        centres = {pod: float(np.median(own[:16])) for pod, own in scaled.items()}
        tail, z = Tail(), {}
        for pod, own in scaled.items():
            distances = np.abs(own[:16] - centres[pod]) / LEAST_SPREAD
            for distance in distances.tolist():
                tail.add(distance)
            z[pod] = max(((own[16:] - centres[pod]) / LEAST_SPREAD).tolist(), key=abs)
        each = {pod: tail.surprise(abs(far)) * (1.0 if far > 0 else 0.5) for pod, far in z.items()}
        gains.append(each["c"] - sum(own for pod, own in each.items() if pod != "c") / 3 - math.log(8))
    assert only.gain == pytest.approx(min(gains))
    assert only.instance == "c"


def test_what_is_nothing_everywhere_moves_nobody() -> None:
    memory = remembered({(name, pod): lambda _: 0.0 for name in ("cpu", "queue") for pod in PODS}, 12)
    assert memory.attributions(8 * STEP, 11 * STEP) == []
    assert memory.change_point(11 * STEP, 900 * SECOND, STEP) == 0


def test_what_comes_after_now_or_has_ended_before_the_change_is_not_judged() -> None:
    levels = {(name, "c"): step(1000) for name in ("cpu", "queue")}
    memory = remembered(levels, 12)
    assert memory.attributions(8 * STEP, 8 * STEP - 1) == [], "the change is still to come"
    assert memory.attributions(12 * STEP, 20 * STEP) == [], "nothing was measured since"
    assert len(memory.attributions(8 * STEP, 8 * STEP)) == 1, "what was measured now counts"


def test_the_order_of_arrival_does_not_matter() -> None:
    points = [
        Point(Series(name, (("k8s_pod_name", pod), ("service_name", pod)), total=name == "queue"), number * STEP, value)
        for name in ("cpu", "queue")
        for pod in PODS
        for number in range(12)
        for value in [
            (10.0 if pod == "c" and number >= 8 else 1.0) if name == "cpu" else number + 90 * max(0, number - 7) * (pod == "c")
        ]
    ]
    forth, back = MetricMemory(), MetricMemory()
    for point in points:
        forth.add(point)
    for point in reversed(points):
        back.add(point)
    found = forth.attributions(8 * STEP, 11 * STEP)
    assert found == back.attributions(8 * STEP, 11 * STEP)
    assert [item.instance for item in found] == ["c"]


def test_the_change_is_dated_to_the_width_and_within_the_horizon() -> None:
    """What sinks slowly and then leaps is farthest from where it was at the leap."""
    levels = {(name, "c"): lambda number: 1000.0 if number >= 8 else 100.0 - 2 * number for name in ("cpu", "queue")}
    memory = remembered(levels, 12)
    now = 11 * STEP
    assert memory.change_point(now, 900 * SECOND, STEP) == 8 * STEP
    assert memory.change_point(now, 900 * SECOND, 4 * STEP) == 8 * STEP
    assert memory.change_point(now, 900 * SECOND, 3 * STEP) == 6 * STEP
    assert memory.change_point(now, 4 * STEP, STEP) == 8 * STEP, "the first moment of the horizon is no candidate"
    assert memory.change_point(now, 3 * STEP, STEP) == 9 * STEP


def test_the_last_points_of_a_series_are_remembered_in_a_number_and_buckets_of_histograms_not_at_all() -> None:
    memory = MetricMemory(kept=3)
    for name in ("cpu", "duration_bucket"):
        for number in range(5):
            memory.add(Point(series(name, "a"), number, float(number)))
    (recent,) = memory._series.values()
    assert recent.points() == [(2, 2.0), (3, 3.0), (4, 4.0)]


def test_names_and_labels_are_remembered_to_as_many_characters_as_the_bound_says() -> None:
    each = series("cpu", "a").length
    memory = MetricMemory(max_text=3 * each)
    for pod in "abcda":
        memory.add(Point(series("cpu", pod), 0, 1.0))
    assert [key.label("k8s_pod_name") for key in memory._series] == ["c", "d", "a"]
    assert memory.evicted == 2
