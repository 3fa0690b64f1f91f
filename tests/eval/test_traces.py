from __future__ import annotations

import random

import numpy as np
import pytest

from processors.call_graph.visits import Visit
from tests.eval.healthy_week import windows
from tests.eval.trace_vectors import TraceLayout, trace_vectors
from tests.eval.traces import MODELS, Judged, figures, table

MILLISECOND = 1_000_000


def checkout(rng: random.Random, *, pay: float = 20.0, calls: int = 1) -> list[Visit]:
    """A trace of two services: the first calls the second."""
    own = [int(rng.lognormvariate(0.0, 0.2) * ms * MILLISECOND) for ms in (10.0, *[pay] * calls)]
    first = Visit("shop", "POST /checkout", "", -1, 0, sum(own), own[0], -1, frozenset(), (b"1",))
    return [first, *(Visit("bank", "POST /pay", "", 0, 0, time, time, MILLISECOND, frozenset(), (b"2",)) for time in own[1:])]


def test_a_vector_has_the_logarithm_of_each_time_and_the_counts_in_the_order_of_the_layout() -> None:
    rng = random.Random(1)
    known = [checkout(rng) for _ in range(30)]
    layout = TraceLayout.of(known)
    (row,) = trace_vectors(layout, [known[0]]).tolist()
    by_column = dict(zip(layout.columns, row, strict=True))
    assert by_column["bank", "POST /pay", "self time"] == pytest.approx(np.log1p(known[0][1].self_time / 1000))
    assert by_column["bank", "POST /pay", "gap"] == pytest.approx(np.log1p(1000))
    assert by_column["bank", "POST /pay", "visits"] == 1.0
    assert by_column["", "", "visits"] == 2.0
    assert trace_vectors(layout, []).shape == (0, len(layout.columns))


@pytest.mark.filterwarnings("ignore:The covariance matrix")
@pytest.mark.parametrize("model", [name for name in MODELS if name != "shape alone"])
def test_each_model_scores_a_trace_that_is_slow_and_calls_more_above_all_that_it_knows(model: str) -> None:
    rng = random.Random(1)
    score = MODELS[model]([checkout(rng) for _ in range(120)])
    usual = score([checkout(rng) for _ in range(50)])
    assert score([checkout(rng, pay=2000.0, calls=3)])[0] > usual.max()


def test_figures_are_means_over_cases() -> None:
    right = Judged([0.01, 0.5, 0.9, 0.04], [True, False, False, True], 1.0)
    wrong = Judged([0.9, 0.01], [True, False], 1.0)
    assert figures([right]) == (1.0, 1.0, 1.0)
    assert figures([right, wrong]) == (0.5, 0.5, 0.5)
    _, *rows = table({"ob-1": dict.fromkeys(MODELS, right), "ts-1": dict.fromkeys(MODELS, wrong)})
    assert {row[1:3] for row in rows} == {("1.000", "0.000")}


def test_the_healthy_shop_is_quieter_on_a_weekend_and_is_the_same_each_time() -> None:
    days = [sum(calls for _, calls, *_ in list(windows(1, 6))[day * 8640 : (day + 1) * 8640]) for day in (0, 5)]
    assert days[1] < 0.6 * days[0]
    assert next(windows(2, 1)) == next(windows(2, 1))
