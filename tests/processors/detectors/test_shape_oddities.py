"""What is odd of a trace's calls, with its surprise and its words, counted by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from processors.call_graph.visits import Visit
from processors.detectors.shape_model import FEW, MEMORY, ShapeRoot, TraceShapes
from processors.detectors.streaming import score_of
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.detectors.shape_model import Oddity

SHOP = ("shop", "GET /")


def visit(service: str, operation: str = "do", parent: int = 0, start: int = 0, environment: str = "default") -> Visit:
    return Visit(service, operation, f"{service}-1", parent, start, 1, 1, -1, frozenset(), (), environment)


def trace(callees: Sequence[str], root: Visit | None = None) -> list[Visit]:
    """A visit of the shop that calls these services one after the other."""
    return [root or visit(*SHOP, parent=-1), *(visit(callee, start=number) for number, callee in enumerate(callees))]


def learned(*traces: tuple[int, Sequence[str]]) -> TraceShapes:
    shapes = TraceShapes()
    for count, callees in traces:
        for _ in range(count):
            shapes.learn_one(trace(callees))
    return shapes


def oddities(shapes: TraceShapes, callees: Sequence[str]) -> list[Oddity]:
    found = shapes.score_one(trace(callees))
    assert found.score == pytest.approx(score_of(found.oddities[0].surprise if found.oddities else 0.0))
    return list(found.oddities)


def shop(shapes: TraceShapes) -> tuple[float, list[list[object]], list[list[object]]]:
    """What a snapshot has of the shop: visits, callees, pairs of them."""
    ((_, _, visits, callees, pairs),) = (place for place in shapes.snapshot()["places"] if place[1] == list(SHOP))
    return visits, callees, pairs


def test_a_call_that_is_missing_surprises_by_the_share_of_visits_that_made_it() -> None:
    (found,) = oddities(learned((30, ("cart", "pay")), (10, ("cart",))), ("cart",))
    assert (found.kind, found.root, found.place, found.callee) == ("missing", ShapeRoot(*SHOP), SHOP, ("pay", "do"))
    assert found.surprise == pytest.approx(-math.log(1 - 30.5 / 41))
    assert found.why == "shop GET / did not call pay do, which 30 of 40 such visits did"
    assert (found.like, found.unlike) == (10.5, 30.5)


def test_a_call_that_is_new_surprises_by_how_many_visits_did_not_make_it() -> None:
    (found,) = oddities(learned((40, ("cart",))), ("cart", "spy"))
    assert (found.kind, found.callee) == ("new", ("spy", "do"))
    assert found.surprise == pytest.approx(math.log(42))
    assert found.why == "shop GET / called spy do, which none of 40 such visits did"
    assert (found.like, found.unlike) == (0.5, 40.5)


def test_a_call_that_is_repeated_surprises_by_how_often() -> None:
    (found,) = oddities(learned((20, ("cart", "pay", "pay")), (20, ("cart",))), ("cart", "pay", "pay", "pay", "pay"))[:1]
    assert (found.kind, found.callee) == ("repeated", ("pay", "do"))
    assert found.surprise == pytest.approx(math.log(22) * (1 + math.log(2)))
    assert found.why == "shop GET / called pay do 4 times, where 2 was the most in 20 visits"
    assert (found.like, found.unlike) == (0.5, 20.5)
    assert oddities(learned((20, ("pay", "pay"))), ("pay", "pay")) == []


def test_a_call_before_another_surprises_if_it_never_came_before_it() -> None:
    (found,) = oddities(learned((40, ("cart", "pay"))), ("pay", "cart"))
    assert (found.kind, found.callee) == ("reordered", ("pay", "do"))
    assert found.surprise == pytest.approx(math.log(42))
    assert found.why == "shop GET / called pay do before cart do; 40 visits had it the other way round"
    assert (found.like, found.unlike) == (0.5, 40.5)
    assert oddities(learned((40, ("cart", "pay")), (1, ("pay", "cart"))), ("pay", "cart")) == []
    assert oddities(learned((40, ("cart", "pay", "cart"))), ("cart", "pay")) == [], "the first call of each counts"


def test_the_strongest_oddity_comes_first_and_equals_by_their_words() -> None:
    found = oddities(learned((40, ("cart",))), ("cart", "spy", "bug", "cart", "cart", "cart", "cart"))
    assert [item.kind for item in found] == ["repeated", "new", "new"]
    assert [item.callee[0] for item in found[1:]] == ["bug", "spy"]


@pytest.mark.parametrize(("count", "is_judged"), [(FEW - 1, False), (FEW, True)])
def test_ten_visits_must_be_known(count: int, is_judged: bool) -> None:  # noqa: FBT001 - a parameter
    assert bool(oddities(learned((count, ("cart",))), ("spy", "cart"))) == is_judged


def test_each_root_operation_and_environment_has_shapes_of_its_own() -> None:
    shapes = learned((40, ("cart",)))
    for root in (visit("shop", "POST /", parent=-1), visit(*SHOP, parent=-1, environment="staging")):
        assert shapes.score_one(trace(("spy",), root)).oddities == ()
        shapes.learn_one(trace(("spy",), root))
    assert [item.kind for item in oddities(shapes, ("spy", "cart"))] == ["new"]


def test_calls_count_in_the_order_of_their_time_and_below_any_visit() -> None:
    shapes = TraceShapes()
    visits = [visit(*SHOP, parent=-1), visit("b", start=9), visit("a", start=5), visit("deep", parent=2, start=6)]
    for _ in range(20):
        shapes.learn_one(visits)
    assert shapes.score_one(visits).score == 0.0
    (reordered,) = shapes.score_one([visits[0], visit("b", start=1), *visits[2:]]).oddities
    assert reordered.kind == "reordered"
    (missing,) = shapes.score_one(visits[:3]).oddities
    assert (missing.place, missing.callee) == (("a", "do"), ("deep", "do"))


def test_what_is_scored_and_learned_in_one_is_scored_first() -> None:
    shapes = learned((20, ("cart",)))
    before = shapes.score_one(trace(("cart", "spy")))
    assert shapes.update(trace(("cart", "spy"))) == before
    assert shapes.score_one(trace(("cart", "spy"))).oddities == ()


def test_after_a_thousand_visits_all_counts_are_halved_and_what_was_seen_once_goes() -> None:
    shapes = learned((1, ("cart", "spy")), (MEMORY - 2, ("cart",)))
    shapes.learn_one(trace(("cart", "twice")))
    assert shop(shapes)[0] == MEMORY
    shapes.learn_one(trace(("cart", "twice")))
    visits, callees, _ = shop(shapes)
    assert visits == (MEMORY + 1) / 2
    assert callees == [["cart", "do", (MEMORY + 1) / 2, 1], ["spy", "do", 0.5, 1], ["twice", "do", 1.0, 1]]
    for _ in range(MEMORY // 2):
        shapes.learn_one(trace(("cart",)))
    _, callees, pairs = shop(shapes)
    assert [callee[0] for callee in callees] == ["cart", "twice"]
    assert [(pair[0], pair[2]) for pair in pairs] == [("cart", "twice")]


def test_callees_of_one_place_are_bounded() -> None:
    shapes = TraceShapes()
    shapes.learn_one(trace([f"s{number}" for number in range(250)]))
    _, callees, pairs = shop(shapes)
    assert (len(callees), len(pairs)) == (200, 199)


def test_the_place_not_seen_longest_is_evicted() -> None:
    shapes = TraceShapes(max_places=2)
    for name in ("a", "b", "a", "c"):
        shapes.learn_one([visit(name, parent=-1)])
    assert shapes.evicted == 1
    assert [root[0] for root, *_ in shapes.snapshot()["places"]] == ["a", "c"]


def test_what_a_snapshot_has() -> None:
    shapes = TraceShapes()
    shapes.learn_one(trace(("cart", "cart", "pay"), visit(*SHOP, parent=-1, environment="staging")))
    saved = shapes.snapshot()
    assert saved["version"] == 1
    assert saved["places"][0] == [
        ["shop", "GET /", "staging"],
        ["shop", "GET /"],
        1.0,
        [["cart", "do", 1.0, 2], ["pay", "do", 1.0, 1]],
        [["cart", "do", "pay", "do", 1.0]],
    ]
    assert [place[1][0] for place in saved["places"]] == ["shop", "cart", "pay"]
    again = TraceShapes()
    again.learn_one(trace(("other",)))
    again.restore(saved)
    assert again.snapshot() == saved
    with pytest.raises(InputError, match=r"^trace shapes: snapshot version None, this release reads 1$"):
        again.restore({})
    assert again.snapshot() == saved
