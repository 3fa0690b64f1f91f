from __future__ import annotations

import pytest

from tests.eval.calibration import COUNTS, SOURCES, VALUES, reached, surprises


@pytest.mark.parametrize("name", ["normal", "log-normal", "autoregressive, 0.9", "daily and noise", COUNTS])
def test_where_nothing_happens_a_score_is_reached_no_oftener_than_it_says(name: str) -> None:
    found = surprises(SOURCES[name], range(3), counts=name == COUNTS)
    (half, claimed), *_, (alarms, _) = reached(found)
    assert len(found) == 3 * VALUES
    assert half < 2 * claimed
    assert alarms == 0
