"""Nothing of two environments is the same thing; and what names none is what it was before there were environments."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.exchange import partitions
from pipeline.exchange.inner_bodies import EDGES, check
from processors.assembly.edges import aggregate, edge_from_body, key_of
from processors.assembly.reconcile import corrections
from processors.assembly.window_merge import WindowMerge
from processors.call_graph import call_graph
from processors.call_graph.visits import visits_of
from processors.detectors.edge_series import edge_points
from processors.series.derived import LogCounts, anomaly_points
from processors.series.points import points_of, resource_labels
from processors.series.service_graph import ServiceGraphMetrics
from processors.series.span_metrics import SpanMetrics
from telemetry.documents import anomaly_document, edge_document, hop_document, trace_document
from telemetry.documents.read_back import anomaly_from_body, hop_from_body
from telemetry.documents.signals import log_document, metric_document, span_document
from telemetry.environment import environment_of
from telemetry.logs import LogRecord
from telemetry.metrics import DataPoint, Metric, MetricType
from telemetry.resource import Resource
from tests.contracts.test_detectors import WINDOWS, Day
from tests.generated import START, traces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.call_graph import Edge, Hop
    from telemetry.metrics import Point
    from telemetry.spans import Span

SECOND = 1_000_000_000
NEW, OLD = "deployment.environment.name", "deployment.environment"


def placed(spans: Iterable[Span], environment: str, name: str = NEW) -> list[Span]:
    """The same spans, sent from an environment."""
    return [
        replace(span, resource=Resource({**span.resource.attributes, **({name: environment} if environment else {})}))
        for span in spans
    ]


def hops_in(environment: str) -> list[Hop]:
    return [hop for spans in traces(20) for hop in call_graph(placed(spans, environment)).hops]


def edges_in(environment: str) -> list[Edge]:
    return [edge for _, edge in sorted(aggregate(hops_in(environment), 10 * SECOND).items())]


def points_in(environment: str) -> list[Point]:
    graph, spans, lines = ServiceGraphMetrics(START), SpanMetrics(START), LogCounts()
    graph.add(hops_in(environment))
    spans.add(span for made in traces(20) for span in placed(made, environment))
    lines.add("cart", "INFO", "t1", "cart-1", environment or "default")
    metrics = [*graph.metrics(START), *spans.metrics(START)]
    return [*edge_points(edges_in(environment)), *(p for metric in metrics for p in points_of(metric)), *lines.points(START)]


def of(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def test_what_names_no_environment_has_the_ids_and_labels_of_the_version_before() -> None:
    made = list(traces(20))
    graphs = [call_graph(spans) for spans in made]
    pay = Resource({"service.name": "pay"})
    point = DataPoint(START, value=1.0)
    assert of([span_document(span).id for spans in made for span in spans]) == "600ad5e9072cd8e6"
    assert of([trace_document(graph, 1, {}).id for graph in graphs]) == "359f6a819207735c"
    assert of([hop_document(hop, 1, 0, 0).id for hop in hops_in("")]) == "f40322f9ad6c0189"
    assert of([edge_document(edge, 0, "0").id for edge in edges_in("")]) == "ac570c4301ccf23b"
    series = [[point.series.name, point.series.labels, point.time] for point in edge_points(edges_in(""))]
    assert of(series) == "49645111f297b5b0"
    assert log_document(LogRecord(START, "order 1", pay, severity=9)).id == "7f53c4d3958041b74463defc48f72716"
    metric = Metric("m", MetricType.GAUGE, (point,), pay)
    assert metric_document(metric, point).id == "5e5c8033903cebc6b279aebd84b09089"


@pytest.mark.parametrize(
    ("detector", "expected"),
    [
        ("series", "5028939d552b993ef8bb94a482a62a77"),
        ("error_rate", "e8cc23f8d4fddd695643a505e60ba0e3"),
        ("trace_shapes", "51f93c8ea63867de21f8852ce9ae6870"),
        ("logs", "6d23952d703133bdba652791ca00d135"),
    ],
)
def test_anomalies_of_what_names_no_environment_have_the_ids_of_the_version_before(detector: str, expected: str) -> None:
    day = Day(detector)
    day.live(range(WINDOWS))
    found = [*day.live(range(WINDOWS, WINDOWS + 1), bad=True), *day.end()]
    assert expected in {anomaly_document(anomaly).id for anomaly in found}
    assert {anomaly_document(anomaly).body["environment"] for anomaly in found} == {"default"}
    labels = {name for point in anomaly_points(found) for name, _ in point.series.labels}
    assert "environment" not in labels


@pytest.mark.parametrize("name", [NEW, OLD])
def test_a_resource_names_its_environment_by_the_new_attribute_or_by_the_old_one(name: str) -> None:
    resource = Resource({"service.name": "cart", name: "staging"})
    assert resource.environment == "staging"
    assert resource_labels(resource)["deployment_environment_name"] == "staging"
    assert Resource({NEW: "staging", OLD: "production"}).environment == "staging"
    assert Resource({name: ""}).environment == Resource({}).environment == "default"
    assert "deployment_environment_name" not in resource_labels(Resource({name: ""}))
    assert Resource({name: 7}).environment == "7"
    assert len(Resource({name: "x" * 5000}).environment) == 1024


def test_edges_of_the_same_services_in_two_environments_share_no_key_and_no_id() -> None:
    one, other, none = (edges_in(environment) for environment in ("production", "staging", ""))
    assert len(one) == len(other) == len(none)
    assert not {edge.key for edge in one} & {edge.key for edge in other}
    ids = [{edge_document(edge, 0, "0").id for edge in edges} for edges in (one, other, none)]
    assert len(set.union(*ids)) == sum(map(len, ids)) == 3 * len(one)
    together = aggregate([*hops_in("production"), *hops_in("staging")], 10 * SECOND)
    assert sorted(together.values(), key=lambda edge: edge.key) == sorted([*one, *other], key=lambda edge: edge.key)


def test_series_of_the_same_services_in_two_environments_are_disjoint_and_name_theirs() -> None:
    one, other, none = ({point.series for point in points_in(name)} for name in ("production", "staging", ""))
    assert len(one) == len(other) == len(none)
    assert not one & other and not (one | other) & none  # noqa: PT018
    assert {environment_of(series) for series in one} == {"production"}
    assert {environment_of(series) for series in none} == {"default"}


def test_every_document_says_its_environment_and_default_where_none_is_named() -> None:
    spans = next(traces(1))
    for environment, expected in (("staging", "staging"), ("", "default")):
        sent = placed(spans, environment)
        graph = call_graph(sent)
        resource = sent[0].resource
        point = DataPoint(START, value=1.0)
        documents = [
            *map(span_document, sent),
            trace_document(graph, 1, {}),
            *(hop_document(hop, 1, 0, 0) for hop in graph.hops),
            *(edge_document(edge, 0, "0") for edge in aggregate(graph.hops, SECOND).values()),
            log_document(LogRecord(START, "order 1", resource)),
            metric_document(Metric("m", MetricType.GAUGE, (point,), resource), point),
        ]
        assert {document.body["environment"] for document in documents} == {expected}
    assert [span_document(span).id for span in placed(spans, "staging")] == [span_document(span).id for span in spans]


def test_a_call_between_two_environments_belongs_to_that_of_its_caller() -> None:
    spans = next(traces(1))
    called = {span.parent_span_id for span in spans if span.resource.service == "payment"}
    moved = [placed([span], "staging" if span.resource.service == "payment" else "production")[0] for span in spans]
    assert called
    graph = call_graph(moved)
    assert graph.environment == "production"
    environments = {(hop.caller.name, hop.callee.name): hop.environment for hop in graph.hops}
    assert environments["checkout", "payment"] == "production"
    assert environments["user", "gateway"] == "production", "of a caller that sends no spans nothing else is known"
    alone = [span for span in moved if span.resource.service == "payment"]
    assert call_graph(alone).environment == "staging", "without a root it is that of the earliest span"
    assert {hop.environment for hop in call_graph(alone).hops} == {"staging"}


def test_a_visit_ends_where_the_environment_changes() -> None:
    spans = next(traces(1))
    same = [replace(span, resource=Resource({"service.name": "one"})) for span in spans]
    assert len(visits_of(same)) == 1
    leaf = max(spans, key=lambda span: span.start).span_id
    moved = [placed([span], "staging")[0] if span.span_id == leaf else span for span in same]
    assert [visit.environment for visit in visits_of(moved)] == ["default", "staging"]


def test_bodies_of_the_version_before_are_read_as_those_of_the_default_environment() -> None:
    (hop, *_), (edge, *_) = hops_in(""), edges_in("")
    hop_body, edge_body = (document.body for document in (hop_document(hop, 1, 0, 0), edge_document(edge, 0, "0")))
    for body in (hop_body, edge_body):
        del body["environment"]
    assert hop_from_body(hop_body) == hop
    assert edge_from_body(check(EDGES, [edge_body])[0]) == edge
    day = Day("series")
    day.live(range(WINDOWS))
    (anomaly, *_) = day.live(range(WINDOWS, WINDOWS + 1), bad=True)
    assert anomaly_from_body(anomaly_document(anomaly).body | {"environment": ""}) == anomaly


def test_windows_of_two_environments_are_merged_and_corrected_each_by_itself() -> None:
    one, other = edges_in("production"), edges_in("staging")
    merge = WindowMerge()
    bodies = [edge_document(edge, 0, "0").body for edge in (*one, *other)]
    merged = [edge for window in [*merge.add(bodies, START + 10**6 * SECOND), *merge.close()] for edge in window]
    assert sorted(merged, key=lambda edge: edge.key) == sorted([*one, *other], key=lambda edge: edge.key)
    # A late hop of one environment corrects its own edge alone.
    hops = hops_in("production") + [hop._replace(trace_id=hop.trace_id[::-1]) for hop in hops_in("staging")]
    published = [edge_document(edge, 0, "0").body for edge in aggregate(hops[:-1], 10 * SECOND).values()]
    documents = corrections([hop_document(hop, 1, 0, 0).body for hop in hops], published, 10 * SECOND, 0)
    assert {document.body["environment"] for document in documents} == {hops[-1].environment} == {"staging"}
    assert [edge_from_body(document.body).key for document in documents] == [key_of(hops[-1])]


def test_a_service_of_the_default_environment_stays_in_the_partition_that_it_had() -> None:
    for count in (1, 4, 16):
        assert partitions.of_service("cart", "default", count) == partitions.of_text("cart", count)
    spread = {partitions.of_service("cart", f"environment-{number}", 16) for number in range(100)}
    assert len(spread) > 8
