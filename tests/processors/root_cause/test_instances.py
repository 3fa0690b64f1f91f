from __future__ import annotations

import numpy as np
import pytest

from processors.root_cause.instances import odd_instance, slower_instance

PODS = ("a", "b", "c")


def named(before: dict[str, float], after: dict[str, float], each: int = 30) -> str:
    """The pod named of three with these levels, in milliseconds."""
    rng, names, durations, since = np.random.default_rng(1), [], [], []
    for late, levels in enumerate((before, after)):
        for pod in PODS:
            names += [pod] * each
            durations += list(levels.get(pod, 10.0) * rng.lognormal(0.0, 0.3, each))
            since += [bool(late)] * each
    return slower_instance(names, np.log(durations), np.array(since), 0.2)


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ({}, {"b": 100.0}, "b"),
        ({}, {"b": 100.0, "c": 100.0}, ""),
        ({}, {}, ""),
        ({"b": 60.0}, {"b": 60.0}, ""),
        ({"b": 60.0}, {"a": 100.0, "b": 600.0, "c": 100.0}, ""),
        ({"b": 60.0}, {"b": 60.0, "c": 600.0}, "c"),
    ],
    ids=["one", "two", "none", "always slow", "all, one always slow", "another is always slow"],
)
def test_the_pod_is_named_that_is_slower_than_the_others_as_it_was_not_before(
    before: dict[str, float], after: dict[str, float], name: str
) -> None:
    assert named(before, after) == name


@pytest.mark.parametrize("each", [1, 2])
def test_a_handful_of_observations_names_nobody(each: int) -> None:
    assert named({}, {"b": 100.0}, each) == ""


@pytest.mark.parametrize(
    ("counts", "rose", "name"),
    [
        ({"a": (0, 50, 30, 50), "b": (0, 50, 0, 50), "c": (0, 50, 1, 50)}, True, "a"),
        ({"a": (0, 50, 30, 50), "b": (0, 50, 28, 50), "c": (0, 50, 1, 50)}, True, ""),
        ({"a": (30, 50, 31, 50), "b": (0, 50, 0, 50), "c": (0, 50, 2, 50)}, True, ""),
        ({"a": (50, 50, 2, 50), "b": (50, 50, 50, 50), "c": (50, 50, 50, 50)}, False, "a"),
        ({"a": (0, 50, 30, 50)}, True, ""),
    ],
    ids=["one", "two", "as before", "lacks it", "alone"],
)
def test_the_pod_is_named_in_which_an_event_has_changed(counts: dict[str, tuple[int, ...]], rose: bool, name: str) -> None:  # noqa: FBT001 - a parameter
    assert odd_instance(counts, rose=rose, dispersion=1.0) == name
