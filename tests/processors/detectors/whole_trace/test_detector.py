from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from processors.call_graph.visits import Visit
from processors.detectors.detector import DetectorConfig, WholeTrace
from processors.detectors.whole_trace import detector as module
from processors.detectors.whole_trace.detector import ODD_TRACES, TRACE_SCORE, WholeTraceDetector
from telemetry.findings import AnomalyKind
from tests.processors.detectors.whole_trace.generated import (
    LATER,
    SECOND,
    checkout,
    cut_short,
    failing,
    fed,
    slow,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.detectors.detector import Pending, Result
    from telemetry.findings import Anomaly

USUAL = range(40)


def warm(detector: WholeTraceDetector | None = None) -> WholeTraceDetector:
    detector = detector or WholeTraceDetector()
    assert fed(detector, USUAL) == []
    assert detector.close() == []
    return detector


@pytest.mark.parametrize(
    ("change", "service", "words"),
    [
        (slow, "s3", "s3 op3 took"),
        (failing, "s3", "s3 op3 failed, which it did in 0 of"),
        (cut_short, "s7", "s7 op7 was not called, which"),
    ],
)
def test_many_odd_traces_of_a_window_are_one_anomaly_that_names_what_made_them_so(
    change: Callable[[list[Visit], random.Random], list[Visit]], service: str, words: str
) -> None:
    detector = warm()
    fed(detector, range(40, 41), change=change)
    (anomaly,) = detector.close()
    assert (anomaly.kind, anomaly.series.name, anomaly.service) == (AnomalyKind.TRACE, ODD_TRACES, service)
    assert anomaly.series.label("operation") == "op0"
    assert (anomaly.start, anomaly.end) == (400 * SECOND, 410 * SECOND)
    assert words in anomaly.why
    assert anomaly.score >= 0.8
    assert anomaly.seen > 0.5 > anomaly.expected
    assert len(anomaly.trace_ids) == 5


def test_one_trace_that_is_unlike_all_others_is_an_anomaly_of_its_own() -> None:
    detector = warm(WholeTraceDetector(DetectorConfig(min_score=0.7)))
    visits = checkout(random.Random(9), start=405 * SECOND)
    visits = [visit._replace(self_time=visit.self_time * (200 if visit.service in {"s2", "s6"} else 1)) for visit in visits]
    detector.consume([WholeTrace(b"t" * 16, visits)], LATER)
    fed(detector, range(40, 41))
    (anomaly,) = detector.close()
    assert (anomaly.series.name, anomaly.trace_ids) == (TRACE_SCORE, (b"t" * 16,))
    assert anomaly.series.label("trace_id") == (b"t" * 16).hex()
    assert {anomaly.service} < {"s2", "s6"}
    assert "s2 op2 took" in anomaly.why
    assert "s6 op6 took" in anomaly.why
    assert anomaly.unit == "s"
    assert anomaly.seen > 50 * anomaly.expected > 0


def test_one_failure_that_was_never_seen_says_no_more_than_the_traces_that_were() -> None:
    detector = WholeTraceDetector(DetectorConfig(min_score=0.5))
    fed(detector, USUAL)
    visits = failing(checkout(random.Random(9), start=405 * SECOND), random.Random(1))
    detector.consume([WholeTrace(b"t" * 16, visits)], LATER)
    (anomaly,) = (one for one in detector.close() if one.trace_ids == (b"t" * 16,))
    assert 0.5 < anomaly.score < 0.6  # 1200 traces were
    assert "s3 op3 failed" in anomaly.why


@pytest.mark.parametrize("factors", ["Student's t, 3, of logarithms", "Pareto, 1.5"])
def test_a_healthy_shop_raises_no_alarm_whatever_the_tails_of_its_times(factors: str) -> None:
    detector = WholeTraceDetector()
    assert fed(detector, range(240), 3, factors) == []
    assert not any(detector.dropped().values())


def test_what_is_found_depends_neither_on_the_order_of_arrival_nor_on_when_a_fit_ends() -> None:
    class Slow:
        """Every other time that it is asked it has not ended."""

        def __init__(self, work: Callable[[], object]) -> None:
            self.work, self.asked = work, 0

        def done(self) -> bool:
            self.asked += 1
            return self.asked > 5

        def result(self) -> object:
            return self.work()

    def later(work: Callable[[], Result]) -> Pending[Result]:
        return Slow(work)  # type: ignore[return-value] # object for any result

    def found(detector: WholeTraceDetector) -> list[Anomaly]:
        return [*fed(detector, range(60)), *fed(detector, range(60, 63), change=slow), *detector.close()]

    assert found(WholeTraceDetector(background=later)) == found(WholeTraceDetector()) != []


def test_a_restart_in_the_midst_of_anything_changes_nothing_that_is_found_later() -> None:
    detector = warm()
    again = WholeTraceDetector()
    fed(detector, range(40, 43), change=slow)
    detector.close()
    again.restore(json.loads(json.dumps(detector.snapshot())))
    assert again.snapshot() == detector.snapshot()
    for one in (detector, again):
        fed(one, range(43, 50))
    assert (
        fed(again, range(50, 53), change=slow) + again.close() == fed(detector, range(50, 53), change=slow) + detector.close()
    )


def test_an_incident_is_reported_throughout_and_a_change_that_lasts_is_how_things_are() -> None:
    detector = warm()
    found = fed(detector, range(40, 180), change=slow)
    starts = [anomaly.start // (10 * SECOND) for anomaly in found]
    assert starts[:50] == list(range(40, 90))  # every window
    assert max(starts) < 40 + 70  # ten minutes, and a window or two
    assert fed(detector, range(180, 190), change=slow) == []


def test_after_an_incident_of_minutes_the_same_is_one_again() -> None:
    detector = warm()
    assert fed(detector, range(40, 60), change=slow)
    fed(detector, range(60, 63))
    assert fed(detector, range(63, 100)) == []
    assert fed(detector, range(100, 104), change=slow)


def test_the_roots_and_the_traces_that_are_kept_have_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROOTS", 3)
    monkeypatch.setattr(module, "MAX_KEPT", 100)
    detector = WholeTraceDetector()
    for number in range(300):
        visit = Visit("shop", f"op{number % 5}", "", -1, number * SECOND, 1000, 1000, -1, frozenset(), (b"1",))
        detector.consume([WholeTrace(number.to_bytes(16, "big"), [visit])], LATER)
        detector.advance(number * SECOND)
    detector.close()
    snapshot = detector.snapshot()
    assert len(snapshot["roots"]) <= 3
    assert sum(len(model["rows"]) for _, model in snapshot["roots"]) <= 100
    assert detector.dropped()["whole_trace_roots"] > 0


def test_names_with_ids_in_them_fill_no_memory() -> None:
    detector = WholeTraceDetector()
    for number in range(300):
        visit = Visit("shop", "op", "", -1, number * SECOND, 1000, 1000, -1, frozenset(), (b"1",))
        odd = Visit("db", f"get {number}", "", 0, number * SECOND, 500, 500, -1, frozenset(), (b"2",))
        detector.consume([WholeTrace(number.to_bytes(16, "big"), [visit, odd])], LATER)
    detector.close()
    ((_, model),) = detector.snapshot()["roots"]
    assert len(model["places"]) == 200
    assert detector.dropped()["whole_trace_places"] == 101


def test_times_that_a_wrong_clock_makes_fit_what_is_kept() -> None:
    detector = WholeTraceDetector()
    for number in range(300):
        time = 2**64 - 1 if number % 50 == 0 else 1000
        visits = [Visit("shop", "op", "", parent, number, time, time, time, frozenset(), (b"1",)) for parent in (-1, 0)]
        detector.consume([WholeTrace(number.to_bytes(16, "big"), visits)], LATER)
    detector.close()
    json.dumps(detector.snapshot())
    assert not any(detector.dropped().values())
