from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.eval.generated.anomalies import ANOMALIES, happen
from tests.eval.generated.score import outcome
from tests.eval.generated.series import LABELLED, Labelled, Window, generate, probation
from tests.eval.generated.usual import USUAL
from tests.eval.generated_series import by_anomaly, by_kind, measure
from tests.eval.shared import SHARED, scorer


@pytest.mark.parametrize("kind", USUAL)
def test_a_seed_gives_one_series_whose_windows_are_apart_and_a_tenth_of_it(kind: str) -> None:
    for seed in range(5):
        series, again = generate(kind, seed), generate(kind, seed)
        assert (series.values == again.values).all()
        assert series.windows == again.windows
        assert np.isfinite(series.values).all()
        assert (np.diff(series.times) > 0).all()
        edges = [place for window in series.windows for place in (window.first, window.last)]
        assert edges == sorted(edges)
        assert all(probation(len(series.values)) < place < len(series.values) for place in edges)
        labelled = sum(window.last - window.first + 1 for window in series.windows)
        assert not edges or labelled == pytest.approx(LABELLED * len(series.values), rel=0.05)


@pytest.mark.parametrize("name", ANOMALIES)
def test_an_anomaly_changes_what_comes_from_its_place_on_and_nothing_before_it(name: str) -> None:
    rng = np.random.default_rng(1)
    before = rng.normal(100.0, 5.0, 1000)
    after = happen(rng, name, before, 600)
    assert (after[:600] == before[:600]).all()
    assert (after[600:] != before[600:]).any()
    assert after.min() >= 0.0


def test_counts_remain_whole_numbers_whatever_happens_to_them() -> None:
    rng = np.random.default_rng(1)
    before = rng.poisson(5.0, 1000).astype(float)
    for name in ANOMALIES:
        after = happen(rng, name, before, 600)
        assert (after == np.round(after)).all()


def test_the_earliest_detection_in_a_window_earns_all_and_silence_costs_the_window() -> None:
    series = Labelled("level", np.arange(1000.0), np.zeros(1000), (Window(500, 599, "spike"),))
    early, late, none = ([float(number == at) for number in range(1000)] for at in (500, 599, -1))
    assert outcome(series, early, 0.5).score == pytest.approx(100.0, abs=0.1)
    assert 50.0 < outcome(series, late, 0.5).score < 60.0
    assert outcome(series, none, 0.5).score == 0.0
    assert math.isnan(outcome(Labelled("level", series.times, series.values, ()), none, 0.5).score)


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no public data at {SHARED}")
def test_scores_are_those_of_the_scorer_that_comes_with_the_public_data() -> None:
    public, rng = scorer("score_nab"), np.random.default_rng(1)
    for seed in range(20):
        series = generate("level", seed)
        scores = rng.random(len(series.values)).tolist()
        times = [datetime.fromtimestamp(at, UTC) for at in series.times.tolist()]
        windows = [(times[window.first], times[window.last]) for window in series.windows]
        theirs = public.raw(public.sweep(times, scores, windows, "series"), 0.99)
        assert outcome(series, scores, 0.99).raw == pytest.approx(theirs)


def test_the_tables_have_a_row_a_kind_and_a_row_an_anomaly() -> None:
    found = measure(["level"], range(2))
    rows = by_kind(found)
    assert [row[0] for row in rows[1:]] == ["level", "all"]
    assert rows[1][1:] == rows[2][1:]
    assert len(by_anomaly(found)) == 1 + len(found["level"].found)
