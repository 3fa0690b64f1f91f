"""What an anomaly says of judged traces, and which of them are one."""

from __future__ import annotations

from array import array

import pytest

from processors.detectors.detector import DetectorConfig
from processors.detectors.shape_model import ShapeRoot
from processors.detectors.streaming import score_of
from processors.detectors.whole_trace.detector import ODD_TRACES, TRACE_SCORE, WholeTraceDetector
from processors.detectors.whole_trace.judged import JudgedTrace, Part
from processors.detectors.whole_trace.odd_share import OddShare
from processors.detectors.whole_trace.rows import TraceRow
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import Series

SECOND = 1_000_000_000
ROOT = ShapeRoot("shop", "GET /cart", "staging")
LABELS = (("environment", "staging"), ("operation", "GET /cart"), ("service", "shop"))
SLOW = Part("db", "get", "self time", 0.3, 0.1, 0.6, "db get took 300 ms in itself, usually 100 ms")
FAILED = Part("bank", "pay", "failed", 2.0, 0.0, 0.5, "bank pay failed")
WHOLE = Part("", "", "duration", 2.0, 1.0, 0.9, "the whole trace took 2 s, usually 1 s")
EVEN = DetectorConfig(min_score=score_of(9.0))


def judged(trace_id: bytes, surprise: float, *parts: Part) -> JudgedTrace:
    return JudgedTrace(TraceRow(trace_id, 7 * SECOND, 2 * SECOND, array("q")), surprise, 1.0, 0.0, parts)


def found(traces: list[JudgedTrace], share: OddShare, config: DetectorConfig = EVEN) -> list[Anomaly]:
    return WholeTraceDetector(config)._anomalies(ROOT, 10 * SECOND, traces, share)


def test_odd_traces_together_are_about_what_weighs_most_in_them() -> None:
    traces = [
        judged(b"usual", 1.0, SLOW),
        judged(b"e", 4.0, FAILED, SLOW._replace(share=0.1)),
        judged(b"d", 4.0, FAILED._replace(why="bank pay failed, as often")),
        judged(b"c", 9.0, SLOW),
    ]
    assert found(traces, OddShare(3, 60, 0.05, 20.0)) == [
        Anomaly(
            AnomalyKind.TRACE,
            Series(ODD_TRACES, LABELS),
            "bank",
            10 * SECOND,
            20 * SECOND,
            score_of(20.0),
            0.05,
            0.05,
            "1",
            "3 of 60 traces of shop GET /cart are odd, 5% usually are; the oddest: bank pay failed, as often",
            operation="pay",
            environment="staging",
            trace_ids=(b"c", b"d", b"e"),
        )
    ]


def test_odd_traces_without_a_place_of_their_own_are_about_their_root() -> None:
    (anomaly,) = found([judged(b"%d" % number, 9.0, WHOLE) for number in range(7)], OddShare(7, 7, 0.05, 20.0))
    assert (anomaly.service, anomaly.operation) == ("shop", "GET /cart")
    assert anomaly.why.endswith("the oddest: the whole trace took 2 s, usually 1 s")
    assert anomaly.trace_ids == (b"0", b"1", b"2", b"3", b"4")
    (anomaly,) = found([judged(b"a", 9.0)], OddShare(7, 7, 0.05, 20.0))
    assert (anomaly.service, anomaly.operation) == ("shop", "GET /cart")


def test_what_weighs_as_much_is_chosen_by_its_name() -> None:
    halves = [judged(b"a", 9.0, SLOW._replace(share=0.5)), judged(b"b", 9.0, FAILED)]
    assert [one.service for one in found(halves, OddShare(3, 7, 0.05, 20.0))] == ["bank"]


@pytest.mark.parametrize(
    ("part", "service", "operation", "unit"),
    [
        (SLOW, "db", "get", "s"),
        (SLOW._replace(quantity="gap"), "db", "get", "s"),
        (SLOW._replace(quantity="visits"), "db", "get", "1"),
        (FAILED, "bank", "pay", "1"),
        (WHOLE, "shop", "GET /cart", "s"),
    ],
    ids=["self time", "gap", "visits", "failed", "duration"],
)
def test_a_trace_alone_is_about_its_strongest_part(part: Part, service: str, operation: str, unit: str) -> None:
    assert found([judged(b"\x0a", 9.0, part, FAILED)], OddShare(1, 60, 0.05, 0.0)) == [
        Anomaly(
            AnomalyKind.TRACE,
            Series(TRACE_SCORE, (*LABELS, ("trace_id", "0a"))),
            service,
            7 * SECOND,
            9 * SECOND,
            score_of(9.0),
            part.usual,
            part.seen,
            unit,
            f"a trace of shop GET /cart: {part.why}; bank pay failed",
            operation=operation,
            environment="staging",
            trace_ids=(b"\x0a",),
        )
    ]


def test_a_trace_alone_without_parts_is_about_its_root() -> None:
    (anomaly,) = found([judged(b"\x0a", 9.0)], OddShare(1, 60, 0.05, 0.0))
    assert (anomaly.service, anomaly.operation, anomaly.seen, anomaly.expected) == ("shop", "GET /cart", 0.0, 0.0)
    assert anomaly.unit == "1"


@pytest.mark.parametrize(
    ("odd", "surprise", "names"),
    [
        (3, 9.0, [ODD_TRACES]),
        (3, 8.999, [TRACE_SCORE] * 2),
        (2, 99.0, [TRACE_SCORE] * 2),
    ],
    ids=["three, as surprising as asked", "three, less surprising", "two"],
)
def test_three_odd_traces_are_an_anomaly_together_where_their_number_is_as_surprising_as_asked(
    odd: int, surprise: float, names: list[str]
) -> None:
    traces = [judged(b"a", 9.0), judged(b"b", 9.1), judged(b"c", 8.999)]
    assert [anomaly.series.name for anomaly in found(traces, OddShare(odd, 60, 0.05, surprise))] == names
