from __future__ import annotations

import pytest

from tests.eval.calibration import COUNTS, SOURCES, VALUES, reached, surprises, trace_surprises


@pytest.mark.parametrize("name", ["normal", "log-normal", "autoregressive, 0.9", "daily and noise", COUNTS])
def test_where_nothing_happens_a_score_is_reached_no_oftener_than_it_says(name: str) -> None:
    found = surprises(SOURCES[name], range(3), counts=name == COUNTS)
    (half, claimed), *_, (alarms, _) = reached(found)
    assert len(found) == 3 * VALUES
    assert half < 2 * claimed
    assert alarms == 0


@pytest.mark.parametrize("name", ["Student's t, 3", "Pareto, 1.5"])
def test_a_heavy_tail_raises_no_more_than_five_times_the_alarms_that_are_claimed(name: str) -> None:
    found = surprises(SOURCES[name], range(20), counts=False)
    *_, (high, claimed), (alarms, _) = reached(found)
    assert high < 5 * claimed
    assert alarms == 0


@pytest.mark.parametrize("factors", ["log-normal", "two modes"])
def test_a_whole_trace_scores_no_oftener_than_it_says_where_nothing_happens(factors: str) -> None:
    found = trace_surprises(factors, range(2), windows=120)
    (half, claimed), *_, (alarms, _) = reached(found)
    assert len(found) > 6000
    assert half < 2 * claimed
    assert alarms == 0
