"""What detectors learn of a service in one environment says nothing of the same service in another."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from processors.call_graph.visits import visits_of
from processors.detectors.detector import Source, WholeTrace
from processors.detectors.log_templates import LogTemplates
from processors.detectors.log_windows import LogWindows
from processors.detectors.logs import LogDetector
from telemetry.metrics import Series
from telemetry.resource import Resource
from tests.contracts import test_detectors as usual
from tests.contracts.test_detectors import LATER, WINDOWS, Day
from tests.pipeline.test_score import START, request

if TYPE_CHECKING:
    from telemetry.findings import Anomaly

SECOND = 1_000_000_000
NAMES = ("series", "error_rate", "trace_shapes", "logs")


def items(name: str, window: int, environment: str, *, bad: bool) -> list[Any]:
    """What a detector is fed of an environment in a window."""
    if name == "series":
        series = Series("memory_usage_bytes", (("deployment_environment_name", environment), ("service_name", "pay")))
        return [replace(point, series=series) for point in usual.series(window, bad)]
    if name == "error_rate":
        return [
            [replace(edge, key=edge.key._replace(environment=environment)) for edge in edges]
            for edges in usual.error_rate(window, bad)
        ]
    made = [request(window * 10 + second, *(["cart"] if bad else ["cart", "pay"])) for second in range(10)]
    placed = []
    for spans in made:
        trace_id = bytes([len(environment)]) + spans[0].trace_id[1:]
        placed.append(
            [
                replace(
                    span,
                    trace_id=trace_id,
                    resource=Resource({**span.resource.attributes, "deployment.environment.name": environment}),
                )
                for span in spans
            ]
        )
    return [WholeTrace(spans[0].trace_id, visits_of(spans)) for spans in placed]


def live(day: Day, windows: range, bad: str = "") -> list[Anomaly]:
    """Two environments with the same services, of which one may have a bad time."""
    detector = day.detector
    assert detector is not None
    found: list[Anomaly] = []
    for window in windows:
        fed: list[Any]
        if detector.source is Source.LOG_WINDOWS:
            for environment in ("production", "staging"):
                for second, severity, text in usual.logs(window, bad == environment):
                    day.lines.add("pay", START + second * SECOND, severity, text, now=LATER, environment=environment)
            fed = day.lines.advance()
        elif detector.source is Source.EDGE_WINDOWS:
            # As the stage has it: one window has the edges of all environments.
            pairs = zip(
                items(day.name, window, "production", bad=bad == "production"),
                items(day.name, window, "staging", bad=bad == "staging"),
                strict=True,
            )
            fed = [[*one, *other] for one, other in pairs]
        else:
            fed = [item for name in ("production", "staging") for item in items(day.name, window, name, bad=bad == name)]
        found += detector.consume(fed, LATER)
        found += detector.advance(START + window * 10 * SECOND)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_an_incident_in_one_environment_is_no_anomaly_of_the_other(name: str) -> None:
    day = Day(name)
    assert live(day, range(WINDOWS)) == []
    again = Day(name)
    assert again.detector is not None
    assert day.detector is not None
    again.detector.restore(json.loads(json.dumps(day.detector.snapshot())))
    for one in (day, again):
        found = [*live(one, range(WINDOWS, WINDOWS + 1), bad="staging"), *one.end()]
        assert found
        assert {anomaly.environment for anomaly in found} == {"staging"}
        assert {dict(anomaly.series.labels).get("environment", "staging") for anomaly in found} == {"staging"}
        assert {anomaly.service for anomaly in found} <= {"pay", "gate", "shop", "cart", "gateway"}


def test_the_same_statement_in_two_environments_has_two_templates() -> None:
    templates = LogTemplates()
    ids = {templates.add("cart", "user 1 left", environment) for environment in ("default", "staging", "production")}
    assert len(ids) == 3
    assert templates.add("cart", "user 2 left") == LogTemplates().add("cart", "user 1 left")


def test_what_0_1_knew_of_the_logs_of_an_environment_goes_on_in_it() -> None:
    day = Day("logs")
    for window in range(WINDOWS):
        day.live(range(window, window + 1))
    saved = json.loads(json.dumps(day.detector.snapshot())) if day.detector else {}
    # 0.1 kept a service by its name alone, with the environment of its last line beside it.
    del saved["watched_in"], saved["services_in"]
    saved["services"] = [[row[0], "production", *row[2:]] for row in saved["services"]]
    lines = LogWindows()
    detector = LogDetector(None, lines)
    detector.restore(saved)
    known = detector.snapshot()
    assert known["services"] == []
    assert [row[:2] for row in known["services_in"]] == [["pay", "production"]]
    for second, severity, text in usual.logs(WINDOWS, False):
        lines.add("pay", START + second * SECOND, severity, text, now=LATER, environment="production")
    assert detector.consume(lines.close(), LATER) == [], "its statements are no news"
    for second, severity, text in usual.logs(WINDOWS + 10, True):
        lines.add("pay", START + second * SECOND, severity, text, now=LATER, environment="production")
    found = detector.consume(lines.close(), LATER)
    assert {anomaly.environment for anomaly in found} == {"production"}


@pytest.mark.parametrize("name", NAMES)
def test_what_0_1_learned_is_that_of_the_default_environment(name: str) -> None:
    day = Day(name)
    day.live(range(WINDOWS))
    assert day.detector is not None
    saved = json.loads(json.dumps(day.detector.snapshot()))
    for later in ("environments", "watched_in", "services_in"):
        saved.pop(later, None)
    again = Day(name)
    assert again.detector is not None
    again.detector.restore(saved)
    assert again.detector.snapshot() == day.detector.snapshot()
