from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from dashboards.read_models.waterfall import waterfall
from telemetry.documents.signals import span_document
from tests.processors.traces import CLIENT, SERVER, span, traces

if TYPE_CHECKING:
    from telemetry.documents import Body
    from telemetry.spans import Span


def bodies(*spans: Span) -> list[Body]:
    return [span_document(one).body for one in spans]


def rows(spans: list[Body]) -> list[tuple[str, int]]:
    return [(bar.span["span_id"][-1], bar.depth) for bar in waterfall(spans).bars]


def test_a_child_stands_below_its_parent_and_siblings_by_start() -> None:
    spans = bodies(
        span(1, 0, "a", SERVER, 0, 100),
        span(2, 1, "a", CLIENT, 60, 90),
        span(3, 1, "a", CLIENT, 10, 50),
        span(4, 3, "b", SERVER, 20, 40),
    )
    assert rows(spans) == [("1", 0), ("3", 1), ("4", 2), ("2", 1)]


def test_a_span_without_its_parent_stands_at_the_left() -> None:
    assert rows(bodies(span(1, 0, "a", SERVER, 0, 10), span(2, 9, "b", SERVER, 5, 8))) == [("1", 0), ("2", 0)]


def test_bars_pieces_of_the_critical_path_and_logs_are_placed_in_percent_of_the_whole() -> None:
    spans = bodies(span(1, 0, "a", SERVER, 1000, 1200), span(2, 1, "b", SERVER, 1050, 1100))
    path = [
        {"span_id": spans[1]["span_id"], "start": 1060, "duration": 20},
        {"span_id": "elsewhere", "start": 0, "duration": 1},
    ]
    logs: list[dict[str, Any]] = [
        {"span_id": spans[1]["span_id"], "@timestamp": 1080, "severity_number": 17},
        {"span_id": spans[1]["span_id"], "@timestamp": 1090, "severity_number": 13},
        {"span_id": spans[1]["span_id"], "@timestamp": 5000, "severity_number": 9},  # after the end: at the end
        {"@timestamp": 1000, "severity_number": 9},
    ]
    drawn = waterfall(spans, path, logs)
    assert (drawn.start, drawn.duration) == (1000, 200)
    first, second = drawn.bars
    assert (first.left, first.width) == (0, 100)
    assert (second.left, second.width) == (25, 25)
    assert second.critical == [(30, 10)]
    assert second.logs == [(40, "bad"), (45, "warn"), (100, "")]


def test_nothing_gives_an_empty_waterfall() -> None:
    assert waterfall([]).bars == ()


@given(spans=traces(), seed=st.randoms(use_true_random=False))
def test_each_span_is_drawn_once_in_a_place_that_does_not_depend_on_the_order(spans: list[Span], seed: Any) -> None:
    documents = bodies(*spans)
    shuffled = documents.copy()
    seed.shuffle(shuffled)
    drawn = waterfall(shuffled)
    assert sorted(bar.span["span_id"] for bar in drawn.bars) == sorted({body["span_id"] for body in documents})
    assert drawn == waterfall(documents)
    for bar in drawn.bars:
        assert 0 <= bar.left <= bar.left + bar.width <= 100.0000001
