"""Points without a value, NaN and infinities, from the request to the rules and the detectors."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import orjson
import pytest

from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from alerting.rules.samples import Samples
from pipeline.exchange.codec import BatchKind, decode_points, encode_points
from pipeline.exchange.environment_topic import EnvironmentTopic
from pipeline.score import ScoreStage
from processors.series.points import points_of
from telemetry import otlp
from telemetry.documents.signals import metric_document
from telemetry.metrics import NO_RECORDED_VALUE, STALE, DataPoint, Metric, MetricType, Point, Series, is_stale
from telemetry.resource import Resource
from tests.pipeline.all_detectors import all_detectors
from tests.pipeline.parts import Event, KeepingTopic
from tests.pipeline.test_incoming import Stage, metrics

SECOND = 1_000_000_000
START = 1_795_900_000 * SECOND
FLAGGED = {"flags": NO_RECORDED_VALUE}
RULES = """
groups:
- name: heap
  interval: 5s
  rules:
  - alert: Low
    expr: heap_bytes < 1
  - alert: There
    expr: heap_bytes > 1
"""


def request(kind: str, *points: dict[str, Any]) -> bytes:
    metric = {"name": "heap", "unit": "By", kind: {"dataPoints": list(points), "aggregationTemporality": 2}}
    if kind in {"gauge", "summary"}:
        del metric[kind]["aggregationTemporality"]  # type: ignore[attr-defined]
    return orjson.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})


def at(seconds: int, **fields: Any) -> dict[str, Any]:
    return {"timeUnixNano": str(START + seconds * SECOND), **fields}


def decoded(value: bytes) -> list[Point]:
    batch = otlp.decode_metrics(otlp.json_to_protobuf("metrics", value))
    return [point for metric in batch for point in points_of(metric)]


@pytest.mark.parametrize(
    ("kind", "fields", "names"),
    [
        ("gauge", FLAGGED, {"heap_bytes"}),
        ("gauge", {}, {"heap_bytes"}),
        ("gauge", {**FLAGGED, "asDouble": 5.0}, {"heap_bytes"}),
        ("gauge", {"asDouble": None}, {"heap_bytes"}),
        ("sum", FLAGGED, {"heap_bytes"}),
        ("sum", {}, {"heap_bytes"}),
        (
            "histogram",
            {**FLAGGED, "explicitBounds": [1], "bucketCounts": ["0", "0"]},
            {"heap_bytes_count", "heap_bytes_sum", 'heap_bytes_bucket{le="1"}', 'heap_bytes_bucket{le="+Inf"}'},
        ),
        ("histogram", FLAGGED, {"heap_bytes_count", "heap_bytes_sum"}),
        ("exponentialHistogram", FLAGGED, {"heap_bytes_count", "heap_bytes_sum"}),
        (
            "summary",
            {**FLAGGED, "quantileValues": [{"quantile": 0.5, "value": 0}]},
            {"heap_bytes_count", "heap_bytes_sum", 'heap_bytes{quantile="0.5"}'},
        ),
    ],
)
def test_a_point_without_a_value_makes_its_series_stale_and_is_stored_without_one(
    kind: str, fields: dict[str, Any], names: set[str]
) -> None:
    value = request(kind, at(0, **fields))
    found = decoded(value)
    assert all(is_stale(point.value) for point in found)

    def name(series: Series) -> str:
        (label,) = [f'{{{key}="{text}"}}' for key, text in series.labels if key in {"le", "quantile"}] or [""]
        return series.name + label

    assert {name(point.series) for point in found} == names
    stage = Stage()
    assert stage.read(metrics, value) is None
    (document,) = stage.written.documents
    assert not {"value", "count", "sum", "buckets", "quantiles"} & document.body.keys()
    assert document.body.get("flags", 0) == fields.get("flags", 0)


def test_prometheus_own_stale_marker_as_a_value_is_none() -> None:
    points = (DataPoint(5, value=STALE), DataPoint(6, value=math.nan))
    metric = Metric("up", MetricType.GAUGE, points, Resource())
    (marked,) = otlp.decode_metrics(otlp.encode_metrics([metric]))
    assert [is_stale(point.value) for point in points_of(marked)] == [True, False]
    assert ["value" in metric_document(marked, point).body for point in marked.points] == [False, True]


def test_a_distribution_of_no_values_yet_is_none_without_a_value() -> None:
    found = decoded(request("histogram", at(0, count="0", explicitBounds=[1], bucketCounts=["0", "0"])))
    assert [point.value for point in found] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("value", [1.5, math.inf, -math.inf, math.nan, STALE])
def test_every_value_of_a_point_crosses_the_log(value: float) -> None:
    series = Series("m")
    sent = [Point(series, 1, 0.5), Point(series, 2, value), Point(series, 3, 2.5)]
    found = decode_points(encode_points(sent))
    assert [point.time for point in found] == [1, 2, 3]
    assert found[1].value == value or (math.isnan(value) and math.isnan(found[1].value))
    assert is_stale(found[1].value) == (value is STALE)


def test_rules_see_a_stale_series_as_prometheus_does() -> None:
    engine = AlertEngine(parse_rules(RULES, "rules.yml"), Samples())
    stage = Stage()
    changes = []
    steps: list[dict[str, Any]] = [{"asDouble": 5000.0}, FLAGGED, FLAGGED, {"asDouble": 4000.0}]
    for step, fields in enumerate(steps):
        stage.series.sent.clear()
        stage.read(metrics, request("gauge", at(5 * step, **fields)))
        engine.add([point for sent in stage.series.sent for point in decode_points(sent.value)])
        changes += [
            (step, change.labels["alertname"], change.state.value) for change in engine.advance(START + 5 * step * SECOND)
        ]
    assert changes == [(0, "There", "firing"), (1, "There", "resolved"), (3, "There", "firing")]


@pytest.mark.parametrize("odd", [FLAGGED, {}, {"asDouble": "NaN"}, {"asDouble": "Infinity"}, {"asDouble": "-Infinity"}])
def test_detectors_skip_what_is_no_number_and_no_anomaly_comes_of_it(odd: dict[str, Any]) -> None:
    stage = Stage()
    values = [{"asDouble": 5000.0 + step % 7} for step in range(200)]
    stage.read(metrics, request("gauge", *(at(5 * step, **fields) for step, fields in enumerate([*values, odd, odd, *values]))))
    stored: list[Any] = []

    async def run() -> int:
        class Around:
            def load(self, *_: Any) -> None:
                pass

            async def save(self, *_: Any) -> None:
                pass

            async def write(self, documents: Any, _wanted: Any) -> None:
                stored.extend(documents)

        around: Any = Around()
        score = ScoreStage(around, EnvironmentTopic(KeepingTopic(1)), around, lambda: START + 10_000 * SECOND, all_detectors)
        for number, sent in enumerate(stage.series.sent):
            await asyncio.gather(*score.handle(Event("series", 0, number, sent.value, BatchKind.POINTS)))
        return score.counts.points

    assert asyncio.run(run()) == 400
    assert stored == []
