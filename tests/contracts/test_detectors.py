"""What every detector does alike: nothing on a usual day, an anomaly on a bad one, and the same after a restart."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from processors.call_graph.visits import visits_of
from processors.detectors.detector import Source, WholeTrace, build_detectors, score_config
from processors.detectors.log_windows import LogWindows
from processors.series import histogram
from spanloom.components import DETECTORS
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.errors import InputError
from telemetry.metrics import Point, Series
from tests.pipeline.test_score import START, request
from tests.processors.detectors.whole_trace.generated import checkout, slow

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.detectors.detector import AnyDetector
    from telemetry.findings import Anomaly

SECOND = 1_000_000_000
LATER = START + 10**6 * SECOND
WINDOWS = 120
"""Windows of ten seconds of a usual day; the bad one is the last."""


class Day:
    """A detector with the log windows beside it, fed window by window."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.lines = LogWindows()
        chosen = {one.name: {"enabled": one.name == name, **(settings if one.name == name else {})} for one in DETECTORS}
        config = score_config(DETECTORS).model_validate(chosen)
        self.made: list[AnyDetector] = build_detectors(DETECTORS, config, self.lines)
        self.detector = self.made[0] if self.made else None
        self.name = name

    def live(self, windows: range, *, bad: bool = False) -> list[Anomaly]:
        assert self.detector is not None
        found: list[Anomaly] = []
        for window in windows:
            items = CASES[self.name](window, bad)
            if self.detector.source is Source.LOG_WINDOWS:
                for second, severity, text in items:
                    self.lines.add("pay", START + second * SECOND, severity, text, now=LATER)
                items = self.lines.advance()
            found += self.detector.consume(items, LATER)
            found += self.detector.advance(START + window * 10 * SECOND)
        return found

    def end(self) -> list[Anomaly]:
        assert self.detector is not None
        logs = self.detector.source is Source.LOG_WINDOWS
        return [*(self.detector.consume(self.lines.close(), LATER) if logs else []), *self.detector.close()]


def series(window: int, bad: bool) -> list[Point]:  # noqa: FBT001 - one of a table of functions
    memory = Series("memory_usage_bytes", (("service_name", "pay"),))
    return [Point(memory, START + window * 10 * SECOND, 9e9 if bad else 1e9 + 1e6 * (window % 7))]


def error_rate(window: int, bad: bool) -> list[list[Edge]]:  # noqa: FBT001
    key = EdgeKey(Node(NodeKind.SERVICE, "shop"), Node(NodeKind.SERVICE, "pay"), "pay work", "")
    return [[Edge(key, START + window * 10 * SECOND, 10 * SECOND, 50, 40 if bad else 0, 0, histogram.EMPTY)]]


def trace_shapes(window: int, bad: bool) -> list[WholeTrace]:  # noqa: FBT001
    made = [request(window * 10 + second, *(["cart"] if bad else ["cart", "pay"])) for second in range(10)]
    return [WholeTrace(spans[0].trace_id, visits_of(spans)) for spans in made]


def whole_traces(window: int, bad: bool) -> list[WholeTrace]:  # noqa: FBT001
    rng = random.Random(window)
    visits = [checkout(rng, start=START + (window * 10 + second) * SECOND) for second in range(10)]
    return [WholeTrace(rng.randbytes(16), slow(own, rng) if bad else own) for own in visits]


def logs(window: int, bad: bool) -> list[tuple[int, int, str]]:  # noqa: FBT001
    usual = [(window * 10 + second, 9, f"order {second} done") for second in range(10)]
    return [*usual, *((window * 10, 17, f"card {number} refused") for number in range(50 if bad else 0))]


CASES: dict[str, Callable[[int, bool], list[Any]]] = {
    "series": series,
    "error_rate": error_rate,
    "trace_shapes": trace_shapes,
    "logs": logs,
    "whole_traces": whole_traces,
}
"""What each is fed in a window, on a usual day and on a bad one; of logs time, severity and text of a line."""


@pytest.fixture(params=[one.name for one in DETECTORS])
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_every_detector_has_a_case_and_a_name_for_its_snapshots_that_never_changes() -> None:
    assert CASES.keys() == {one.name for one in DETECTORS}
    saved = [Day(one.name).made[0].saved_as for one in DETECTORS]
    assert saved[:5] == ["scores", "failures", "shapes", "logs", "whole_traces"]
    assert len(set(saved)) == len(saved)


def test_a_usual_day_has_no_anomaly_and_nothing_is_dropped(name: str) -> None:
    day = Day(name)
    assert [*day.live(range(WINDOWS)), *day.end()] == []
    assert day.detector is not None
    assert not any(day.detector.dropped().values())


def test_a_bad_window_has_an_anomaly_that_says_what_when_and_why(name: str) -> None:
    day = Day(name)
    day.live(range(WINDOWS))
    found = [*day.live(range(WINDOWS, WINDOWS + 1), bad=True), *day.end()]
    assert found
    for anomaly in found:
        assert anomaly.service
        assert anomaly.series.name
        assert 0.8 <= anomaly.score <= 1
        assert START + (WINDOWS - 1) * 10 * SECOND <= anomaly.start <= anomaly.end <= START + (WINDOWS + 1) * 10 * SECOND
        assert anomaly.why
        assert anomaly.unit is not None


def test_the_score_from_which_something_is_an_anomaly_is_configured(name: str) -> None:
    day = Day(name, min_score=1.0)
    assert [*day.live(range(WINDOWS)), *day.live(range(WINDOWS, WINDOWS + 1), bad=True), *day.end()] == []


def test_after_a_restart_it_finds_what_it_would_have_found(name: str) -> None:
    day, again = Day(name), Day(name)
    day.live(range(WINDOWS))
    day.end()
    assert day.detector is not None
    assert again.detector is not None
    again.detector.restore(json.loads(json.dumps(day.detector.snapshot())))
    bad = range(WINDOWS + 1, WINDOWS + 2)
    assert [*again.live(bad, bad=True), *again.end()] == [*day.live(bad, bad=True), *day.end()] != []


def test_a_snapshot_of_another_version_is_refused(name: str) -> None:
    detector = Day(name).detector
    assert detector is not None
    with pytest.raises(InputError, match="version"):
        detector.restore({**detector.snapshot(), "version": 99})


def test_one_that_is_switched_off_is_not_there(name: str) -> None:
    assert Day(name, enabled=False).made == []
