"""A service is `namespace/name`, so that services of one name in two namespaces are apart wherever a service is named."""

from __future__ import annotations

from alerting.alert_state import AlertChange, AlertState
from alerting.playbooks.kernel.messages import signal_of, with_service
from dashboards.read_models.waterfall import service_of as service_of_body
from processors.assembly.edges import aggregate
from processors.call_graph import call_graph
from processors.call_graph.visits import visits_of
from processors.detectors.edge_series import SELF_TIME, edge_points
from processors.root_cause.change_points import instance_of
from processors.series.derived import anomaly_points, culprit_points
from processors.series.points import points_of, resource_labels
from processors.series.service_graph import ServiceGraphMetrics
from processors.series.span_metrics import SpanMetrics
from telemetry.documents.signals import span_document
from telemetry.findings import Anomaly, AnomalyKind, CulpritRanking, Suspect
from telemetry.metrics import Series
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind

A, B = (Resource({"service.name": "api", "service.namespace": namespace}) for namespace in ("team-a", "team-b"))
TRACE = b"t" * 16
CALL = [
    Span(TRACE, b"a" * 8, b"", "GET", SpanKind.CLIENT, 0, 100_000_000, A),
    Span(TRACE, b"b" * 8, b"a" * 8, "GET /x", SpanKind.SERVER, 5_000_000, 30_000_000, B),
]


def test_a_service_with_a_namespace_is_both_and_without_one_its_bare_name() -> None:
    assert (A.service, A.service_name) == ("team-a/api", "api")
    assert Resource({"service.name": "api", "service.namespace": ""}).service == "api"
    assert Resource({"service.namespace": "team-a"}).service == "team-a/unknown_service"
    assert Resource({"service.name": 7, "service.namespace": 8}).service == "8/7"


def test_calls_edges_and_visits_of_two_namespaces_are_between_two_nodes() -> None:
    graph = call_graph(CALL)
    (hop,) = graph.hops
    assert (hop.caller.name, hop.callee.name) == ("team-a/api", "team-b/api")
    assert graph.services == ("team-a/api", "team-b/api")
    ((key, _),) = aggregate(graph.hops, 10)
    assert (key.caller.name, key.callee.name) == ("team-a/api", "team-b/api")
    assert [visit.service for visit in visits_of(CALL)] == ["team-a/api", "team-b/api"]
    assert [service_of_body(span_document(span).body) for span in CALL] == ["team-a/api", "team-b/api"]


def test_a_peer_that_is_named_with_its_namespace_is_the_node_of_that_service() -> None:
    named = {"service.peer.name": "api", "service.peer.namespace": "team-b"}
    client = Span(TRACE, b"a" * 8, b"", "GET", SpanKind.CLIENT, 0, 9, A, attributes=named)
    assert call_graph([client]).hops[0].callee.name == "team-b/api"


def test_series_of_a_sender_carry_name_and_namespace_and_those_of_ours_the_whole() -> None:
    assert resource_labels(A) == {"service_name": "api", "service_namespace": "team-a", "job": "team-a/api"}
    spans = SpanMetrics(0)
    spans.add(CALL)
    graph = ServiceGraphMetrics(0)
    graph.add(call_graph(CALL).hops)
    found = [point.series for metric in (*spans.metrics(1), *graph.metrics(1)) for point in points_of(metric)]
    calls = {series for series in found if series.name == "traces_span_metrics_calls_total"}
    assert {(series.label("service_name"), series.label("service_namespace")) for series in calls} == {
        ("api", "team-a"),
        ("api", "team-b"),
    }
    assert {series.service for series in calls} == {"team-a/api", "team-b/api"}
    (request,) = (series for series in found if series.name == "traces_service_graph_request_total")
    assert (request.label("client"), request.label("server")) == ("team-a/api", "team-b/api")
    edges = aggregate([*call_graph(CALL).hops] * 3, 10).values()
    (self_time,) = (point.series for point in edge_points(edges) if point.series.name == SELF_TIME)
    assert self_time.labels == (("service", "team-b/api"), ("service_namespace", "team-b"))


def test_what_the_analysis_finds_is_about_one_of_them() -> None:
    cpu = Series("cpu", tuple(sorted((resource_labels(B) | {"k8s_pod_name": "api-1"}).items())))
    assert instance_of(cpu) == ("team-b/api", "api-1")
    anomaly = Anomaly(AnomalyKind.METRIC, cpu, cpu.service, 0, 1, 0.9, 1.0, 2.0, "1", "it moved")
    ranking = CulpritRanking(1, "", "x", (Suspect("team-b/api", 1.0),))
    for point in (*anomaly_points([anomaly]), *culprit_points(ranking)):
        assert point.series.label("service") == "team-b/api"
        assert point.series.label("service_namespace") == "team-b"
    labels = signal_of(anomaly).labels
    assert [labels[name] for name in ("service", "service_name", "service_namespace")] == ["team-b/api", "api", "team-b"]


def test_an_alert_is_about_the_service_of_its_labels_whether_they_have_it_whole_or_in_parts() -> None:
    for labels in ({"service": "api", "service_namespace": "team-b"}, {"service": "team-b/api"}):
        change = AlertChange("f", AlertState.FIRING, labels, {}, 1.0, 1, 1, 1, 0)
        assert change.document().body["service"] == "team-b/api"
        assert with_service(labels) == {"service": "team-b/api", "service_name": "api", "service_namespace": "team-b"}
    assert with_service({"service": "api"}) == {"service": "api", "service_name": "api"}
    assert with_service({"alertname": "x"}) == {"alertname": "x"}
