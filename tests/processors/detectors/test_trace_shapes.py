from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from processors.call_graph.visits import visits_of
from processors.detectors.trace_shapes import TraceShapeDetector, is_whole
from processors.detectors.trace_windows import MAX_TRACES
from telemetry.errors import InputError
from telemetry.findings import Anomaly, AnomalyKind
from tests.processors.traces import CLIENT, SERVER, span

if TYPE_CHECKING:
    from telemetry.spans import Span

SECOND = 1_000_000_000
USUAL = ("cart", "ads", "pay")


def spans(start: int, *callees: str, name: str = "GET /") -> list[Span]:
    """A request to the shop that calls these services one after the other."""
    found = [span(1, 0, "shop", SERVER, start, start + 1000, name=name)]
    for number, callee in enumerate(callees):
        begin = start + 10 + 20 * number
        found.append(span(10 + number, 1, "shop", CLIENT, begin, begin + 15, name=callee))
        found.append(span(50 + number, 10 + number, callee, SERVER, begin + 1, begin + 14, name="work"))
    return found


def feed(watch: TraceShapeDetector, seconds: range, *callees: str, name: str = "GET /") -> None:
    """One trace a second."""
    for second in seconds:
        start = second * SECOND
        watch.add(second.to_bytes(16, "big"), visits_of(spans(start, *callees, name=name)), start)


def usual(seconds: range = range(100)) -> TraceShapeDetector:
    watch = TraceShapeDetector()
    feed(watch, seconds, *USUAL)
    assert watch.close() == []
    return watch


def reported(watch: TraceShapeDetector, *callees: str) -> Anomaly:
    feed(watch, range(100, 110), *callees)
    (anomaly,) = watch.close()
    return anomaly


def test_a_call_that_all_traces_of_a_window_lack_is_one_anomaly() -> None:
    anomaly = reported(usual(), "cart", "ads")
    assert (anomaly.kind, anomaly.service, anomaly.operation) == (AnomalyKind.SHAPE, "shop", "GET /")
    assert (anomaly.start, anomaly.end) == (100 * SECOND, 110 * SECOND)
    assert (anomaly.seen, anomaly.series.label("deviation"), anomaly.series.label("callee")) == (1.0, "missing", "pay")
    named = ("callee", "called", "deviation", "operation", "root")
    assert [anomaly.series.label(name) for name in named] == ["pay", "work", "missing", "GET /", "shop GET /"]
    assert anomaly.expected < 0.02
    assert anomaly.why == "in 10 of 10 visits: shop GET / did not call pay work, which 100 of 100 such visits did"
    assert len(anomaly.trace_ids) == 5


@pytest.mark.parametrize(
    ("callees", "deviation"),
    [((*USUAL, "spy"), "new"), ((*USUAL, "pay", "pay"), "repeated"), (("ads", "cart", "pay"), "reordered")],
)
def test_a_new_a_repeated_and_a_reordered_call_are_reported(callees: tuple[str, ...], deviation: str) -> None:
    assert reported(usual(), *callees).series.label("deviation") == deviation


def test_a_single_odd_trace_is_no_anomaly() -> None:
    watch = usual()
    feed(watch, range(100, 109), *USUAL)
    feed(watch, range(109, 110), "cart", "ads")
    assert watch.close() == []


def test_what_lasts_is_reported_once_a_window() -> None:
    watch = usual()
    feed(watch, range(100, 130), "cart", "ads")
    found = watch.close()
    assert [anomaly.start // SECOND for anomaly in found] == [100, 110, 120]
    assert len({anomaly.series for anomaly in found}) == 1


def test_a_call_that_is_gone_for_good_is_reported_for_some_minutes_and_then_is_how_things_are() -> None:
    watch = usual(range(3600))
    feed(watch, range(3600, 3600 + 2000), "cart", "ads")
    told_at = [anomaly.start // SECOND for anomaly in watch.close()]
    assert told_at[0] == 3600
    assert 60 < told_at[-1] - told_at[0] < 1000


def test_a_call_that_comes_back_after_it_was_forgotten_is_news() -> None:
    watch = usual(range(100))
    feed(watch, range(100, 8000), "cart", "ads")
    watch.close()
    feed(watch, range(8000, 8010), *USUAL)
    assert [anomaly.series.label("deviation") for anomaly in watch.close()] == ["new"]


def test_a_new_call_is_news_only_in_its_first_window() -> None:
    watch = usual()
    feed(watch, range(100, 130), *USUAL, "spy")
    assert [anomaly.start // SECOND for anomaly in watch.close()] == [100]


def test_a_branch_that_requests_take_by_chance_gives_no_anomalies() -> None:
    for seed in range(10):
        rng, watch = random.Random(seed), TraceShapeDetector()
        for second in range(600):
            callees = [callee for callee, share in (("cart", 0.95), ("ads", 0.5), ("pay", 0.1)) if rng.random() < share]
            feed(watch, range(second, second + 1), *callees)
        assert watch.close() == []


def test_ids_in_names_of_operations_make_no_new_shapes() -> None:
    watch = TraceShapeDetector()
    for second in range(200):
        feed(watch, range(second, second + 1), *USUAL, name=f"GET /orders/{second}")
    assert watch.close() == []
    assert len(watch.snapshot()["shapes"]["places"]) == 4


def test_the_order_of_arrival_and_repetition_change_nothing() -> None:
    traces = [(second, USUAL if second < 100 else ("cart", "ads")) for second in range(120)]
    shuffled = traces * 2
    random.Random(3).shuffle(shuffled)
    results = []
    for order in (traces, shuffled):
        watch = TraceShapeDetector()
        for second, callees in order:
            feed(watch, range(second, second + 1), *callees)
        results.append((watch.close(), watch.snapshot()))
    assert results[0] == results[1]


def test_windows_are_judged_only_when_their_lateness_has_passed() -> None:
    watch = usual()
    feed(watch, range(100, 110), "cart", "ads")
    assert watch.advance(124 * SECOND) == []
    assert len(watch.advance(125 * SECOND)) == 1
    feed(watch, range(100, 101), "cart")
    assert watch.late == 1


def test_traces_beyond_the_bound_are_omitted_and_counted() -> None:
    watch, visits = TraceShapeDetector(), visits_of(spans(SECOND, "cart"))
    for number in range(MAX_TRACES + 3):
        watch.add(number.to_bytes(16, "big"), visits, SECOND)
    assert watch.traces_dropped == 3
    watch.close()
    feed(watch, range(20, 21), "cart")
    assert watch.traces_dropped == 3


def test_a_trace_with_a_missing_parent_or_root_is_not_whole() -> None:
    whole = spans(0, *USUAL)
    assert is_whole(whole)
    assert not is_whole(whole[1:])
    assert not is_whole([one for one in whole if one.service != "shop" or not one.parent_span_id])
    assert not is_whole([*whole, replace(whole[0], span_id=b"another.")])


def test_a_restored_watch_goes_on_as_the_first_would_have() -> None:
    watch, again = usual(), TraceShapeDetector()
    again.restore(json.loads(json.dumps(watch.snapshot())))
    assert reported(again, "cart", "ads") == reported(watch, "cart", "ads")
    with pytest.raises(InputError, match="version"):
        again.restore({"version": 99})
