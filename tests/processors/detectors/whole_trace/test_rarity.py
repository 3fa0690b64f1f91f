"""How rare a distance is among a hundred usual ones, counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from processors.detectors.whole_trace.fitting import Rarity


def test_a_distance_surprises_by_how_many_usual_ones_are_as_far() -> None:
    rarity = Rarity()
    rarity.begin(np.arange(100.0))
    found = rarity.surprises(np.array([0.0, 49.5, 50.0, 94.0]))
    assert found == pytest.approx([0.0, math.log(101 / 51), math.log(101 / 51), math.log(101 / 7)])


def test_the_farthest_twentieth_is_judged_by_its_tail() -> None:
    rarity = Rarity()
    rarity.begin(np.arange(100.0))
    found = rarity.surprises(np.array([96.0, 150.0, 1e4]))
    assert found == sorted(found)
    assert 0 < found[0] < found[2]
    assert found[2] > math.log(101), "farther than all of them"
