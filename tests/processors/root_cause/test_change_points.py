from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processors.root_cause.change_points import CANDIDATES, likeliest_change_points
from processors.root_cause.metrics import MetricMemory
from telemetry.metrics import Point, Series

SECOND = 1_000_000_000
PODS = ("a", "b", "c", "d")


def series(name: str, pod: str) -> Series:
    return Series(name, (("k8s_pod_name", pod), ("service_name", pod)))


@given(st.integers(10, 80), st.integers(0, 2**32))
def test_the_moment_since_which_one_instance_is_elsewhere_is_among_a_few(onset: int, seed: int) -> None:
    rng, times = np.random.default_rng(seed), np.arange(90) * 10 * SECOND
    levels = {
        series(name, pod): (times, rng.normal(100.0, 5.0, 90) + (900.0 if pod == "c" else 0.0) * (np.arange(90) >= onset))
        for name in ("cpu", "queue")
        for pod in PODS
    }
    found = likeliest_change_points(levels, times[1:])
    assert len(found) == CANDIDATES
    assert found == sorted(found)
    memory = MetricMemory(kept=90)
    for key, (_, values) in levels.items():
        for time, value in zip(times.tolist(), values.tolist(), strict=True):
            memory.add(Point(key, time, value))
    now = int(times[-1])
    assert 0 < memory.change_point(now, 900 * SECOND, 10 * SECOND) <= onset * 10 * SECOND
    assert memory.attributions(memory.change_point(now, 900 * SECOND, 10 * SECOND), now)[0].service == "c"


def test_as_many_series_are_remembered_as_the_bound_says_and_the_longest_silent_goes() -> None:
    memory = MetricMemory(max_series=2)
    for pod in ("a", "b", "a"):
        memory.add(Point(series("cpu", pod), SECOND, 1.0))
    assert memory.evicted == 0
    memory.add(Point(series("cpu", "c"), SECOND, 1.0))
    assert (memory.evicted, set(memory._series)) == (1, {series("cpu", "a"), series("cpu", "c")})


def test_what_moves_everywhere_and_what_has_no_kin_moves_nobody() -> None:
    memory = MetricMemory()
    for number in range(60):
        for name, pods in (("cpu", PODS), ("queue", PODS), ("alone", ("a",))):
            for pod in pods:
                memory.add(Point(series(name, pod), number * 10 * SECOND, 1.0 + 99.0 * (number > 40)))
    assert memory.change_point(590 * SECOND, 900 * SECOND, 10 * SECOND) == 0
    assert MetricMemory().change_point(0, 1, 1) == 0


def test_the_moment_since_which_two_series_of_an_instance_are_elsewhere_is_among_them() -> None:
    times = np.arange(90) * 10 * SECOND
    levels = {
        series(name, pod): (times, np.where(np.arange(90) >= onset, 1000.0, 100.0))
        for name, onsets in (("cpu", {"c": 60}), ("queue", {"c": 60, "d": 20}))  # one series alone says little
        for pod in PODS
        for onset in (onsets.get(pod, 90),)
    }
    assert int(times[60]) in likeliest_change_points(levels, times[1:])


def test_of_moments_that_are_alike_the_earliest_are_weighed() -> None:
    """Since each of the first sixty one instance has gone as far, from nothing to a thousand; since the others not at all."""
    times = np.arange(90) * 10 * SECOND
    levels = {
        series(name, pod): (times, np.where((np.arange(90) >= 60) & (pod == "c"), 1000.0, 0.0))
        for name in ("cpu", "queue")
        for pod in PODS
    }
    assert likeliest_change_points(levels, times[1:]) == times[1 : CANDIDATES + 1].tolist()
    assert likeliest_change_points(levels, times[58:]) == [*times[58:61].tolist(), *times[61:66].tolist()]
