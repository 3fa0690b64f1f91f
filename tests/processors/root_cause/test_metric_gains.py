"""How far the series of one metric have moved, by hand on its logarithmic scale."""

from __future__ import annotations

import math

import numpy as np
import pytest

from processors.root_cause.change_points import LEAST_SPREAD
from processors.root_cause.metrics import MIN_PEER_SPREAD, _gains, _Member
from telemetry.metrics import Series

LOW, HIGH = math.log(1 + 100 / 10), math.log(1 + 1000 / 10)
"""Where 100 and 1000 are on the scale of values whose median is 100."""


def member(pod: str, before: list[float], after: list[float]) -> _Member:
    return _Member(Series("cpu", (("k8s_pod_name", pod),)), np.array(before), np.array(after))


def gain(z: float) -> float:
    """Student's with three degrees of freedom; a fall counts half."""
    return 2 * math.log1p(z * z / 3) * (1 if z > 0 else 0.5)


def test_a_series_without_a_past_is_held_against_where_the_others_were() -> None:
    """Three rose tenfold; one is as high as they are now, and another as low as they were."""
    old = [member(pod, [100.0, 100.0], [1000.0]) for pod in "abc"]
    found = _gains([*old, member("high", [], [1000.0]), member("low", [], [100.0])])
    risen = gain((HIGH - LOW) / LEAST_SPREAD)
    assert found == pytest.approx([risen] * 3 + [gain((HIGH - LOW) / MIN_PEER_SPREAD), 0.0])


def test_where_too_few_have_a_past_it_is_held_against_where_all_are() -> None:
    old = [member(pod, [100.0, 100.0, 100.0], [100.0]) for pod in "ab"]
    found = _gains([*old, member("new", [], [1000.0]), member("like the old", [], [100.0])])
    assert found == pytest.approx([0.0, 0.0, gain((HIGH - LOW) / MIN_PEER_SPREAD), 0.0])


def test_of_a_fall_and_a_rise_the_farther_one_is_told_and_a_fall_counts_half() -> None:
    (fallen, risen, *_) = _gains(
        [
            member("a", [1000.0, 1000.0], [1000.0, 100.0]),
            member("b", [100.0, 100.0], [100.0, 1000.0]),
            member("c", [100.0, 100.0, 100.0], [100.0]),
        ]
    )
    assert fallen == pytest.approx(gain((LOW - HIGH) / LEAST_SPREAD))
    assert risen == pytest.approx(gain((HIGH - LOW) / LEAST_SPREAD))


def test_where_all_are_nothing_none_has_moved() -> None:
    assert _gains([member(pod, [0.0], [0.0, 0.0]) for pod in "abc"]) == [0.0, 0.0, 0.0]
