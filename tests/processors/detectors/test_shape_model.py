from __future__ import annotations

import json
from typing import TYPE_CHECKING

from processors.call_graph.visits import visits_of
from processors.detectors.shape_model import TraceShapes
from tests.processors.traces import CLIENT, SERVER, span

if TYPE_CHECKING:
    from processors.call_graph.visits import Visit


def trace(*callees: str) -> list[Visit]:
    """A request to the shop that calls these services one after the other."""
    spans = [span(1, 0, "shop", SERVER, 0, 1000, name="GET /")]
    for number, callee in enumerate(callees):
        start = 10 + 20 * number
        spans.append(span(10 + number, 1, "shop", CLIENT, start, start + 15, name=callee))
        spans.append(span(50 + number, 10 + number, callee, SERVER, start + 1, start + 14, name="work"))
    return visits_of(spans)


def learnt() -> TraceShapes:
    shapes = TraceShapes()
    for _ in range(100):
        shapes.learn_one(trace("cart", "ads", "pay"))
    return shapes


def test_the_usual_shape_is_not_odd() -> None:
    assert learnt().score_one(trace("cart", "ads", "pay")).score == 0.0


def test_a_missing_a_new_a_repeated_and_a_reordered_call_are_odd_and_said_so() -> None:
    shapes = learnt()
    for callees, kind, word in (
        (("cart", "ads"), "missing", "pay"),
        (("cart", "ads", "pay", "spy"), "new", "spy"),
        (("cart", "ads", "pay", "pay", "pay"), "repeated", "3 times"),
        (("ads", "cart", "pay"), "reordered", "before"),
    ):
        scored = shapes.score_one(trace(*callees))
        assert scored.oddities[0].kind == kind
        assert word in scored.oddities[0].why
        assert 0.3 < scored.score < 1.0


def test_a_call_that_is_made_now_and_then_is_not_missed() -> None:
    shapes = TraceShapes()
    for number in range(100):
        shapes.learn_one(trace("cart", "ads") if number % 3 else trace("cart"))
    assert shapes.score_one(trace("cart")).score < 0.2


def test_nothing_is_judged_by_a_handful_of_traces() -> None:
    shapes = TraceShapes()
    shapes.learn_one(trace("cart"))
    assert shapes.score_one(trace("pay")).score == 0.0


def test_the_bound_forgets_and_counts() -> None:
    shapes = TraceShapes(max_places=2)
    shapes.learn_one(trace("cart", "pay"))
    assert shapes.evicted == 1


def test_restored_shapes_judge_as_before() -> None:
    shapes, again = learnt(), TraceShapes()
    again.restore(json.loads(json.dumps(shapes.snapshot())))
    for callees in (("cart",), ("spy",), ("pay", "ads", "cart", "cart")):
        assert again.score_one(trace(*callees)) == shapes.score_one(trace(*callees))
