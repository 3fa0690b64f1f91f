"""What a sender says is in the document, whether anybody asks for it today or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from stores.checks import checked, json_text
from telemetry import otlp
from telemetry.documents.read_back import span_from_body
from telemetry.documents.signals import log_document, metric_document, span_document
from telemetry.logs import LogRecord
from telemetry.metrics import Buckets, DataPoint, Exemplar, Metric, MetricType
from telemetry.resource import Resource, Scope
from telemetry.spans import DroppedCounts, Span, SpanEvent, SpanKind, SpanLink

RESOURCE = Resource({"service.name": "full"}, "https://schema/1", 1)
SCOPE = Scope("lib", "2", {"a": 1}, "https://schema/2", 2)
SPAN = Span(
    bytes([1] * 16),
    bytes([2] * 8),
    b"",
    "state",
    SpanKind.SERVER,
    10,
    20,
    RESOURCE,
    SCOPE,
    events=(SpanEvent(11, "exception", {"exception.type": "X"}, 6),),
    links=(SpanLink(bytes([3] * 16), bytes([4] * 8), {"l": 1}, "link=1", 256, 7),),
    trace_state="vendor=1,other=2",
    flags=257,
    dropped=DroppedCounts(3, 4, 5),
)


def test_a_span_is_the_same_after_the_wire_and_after_the_store() -> None:
    assert otlp.decode_spans(otlp.encode_spans([SPAN])) == [SPAN]
    assert span_from_body(orjson.loads(json_text(span_document(SPAN).body))) == SPAN


def test_a_span_has_its_counts_flags_and_schema_under_the_names_of_elastics_exporter() -> None:
    body = span_document(SPAN).body
    assert (body["dropped_attributes_count"], body["dropped_events_count"], body["dropped_links_count"]) == (3, 4, 5)
    assert (body["flags"], body["trace_state"]) == (257, "vendor=1,other=2")
    assert body["events"][0]["dropped_attributes_count"] == 6
    link = body["links"][0]
    assert (link["trace_state"], link["flags"], link["dropped_attributes_count"]) == ("link=1", 256, 7)
    assert (body["scope"]["schema_url"], body["scope"]["dropped_attributes_count"]) == ("https://schema/2", 2)
    assert (body["resource"]["schema_url"], body["resource"]["dropped_attributes_count"]) == ("https://schema/1", 1)


def test_what_nobody_dropped_is_not_counted() -> None:
    body = span_document(replace(SPAN, dropped=DroppedCounts(), flags=0, resource=Resource(), scope=Scope())).body
    assert not {"flags", "dropped_attributes_count", "dropped_events_count", "dropped_links_count"} & body.keys()
    assert (body["resource"], body["scope"]) == ({"attributes": {}}, {"name": ""})


LOG = LogRecord(5, "hi", RESOURCE, SCOPE, flags=1, dropped_attributes=8)


def test_a_log_record_has_its_flags_and_counts_and_they_are_no_part_of_its_id() -> None:
    assert otlp.decode_logs(otlp.encode_logs([LOG])) == [LOG]
    document = log_document(LOG)
    assert (document.body["flags"], document.body["dropped_attributes_count"]) == (1, 8)
    assert document.body["scope"]["schema_url"] == "https://schema/2"
    plain_scope, plain_resource = Scope("lib", "2", {"a": 1}), Resource({"service.name": "full"}, "https://schema/1")
    assert document.id == log_document(LogRecord(5, "hi", plain_resource, plain_scope)).id


def test_the_name_of_an_event_may_stand_in_an_attribute() -> None:
    assert log_document(LogRecord(5, "hi", RESOURCE, attributes={"event.name": "login"})).body["event_name"] == "login"


@pytest.mark.parametrize(
    ("said", "body", "text"),
    [
        ("hi", {"text": "hi"}, "hi"),
        ("", {"text": ""}, ""),
        (7, {"text": 7}, "7"),
        (1.5, {"text": 1.5}, "1.5"),
        (True, {"text": True}, "true"),
        (b"\x01\xff", {"text": "01ff"}, "01ff"),
        ({"a": {"b": [1]}}, {"structured": {"a": {"b": [1]}}}, None),
        ({}, {"structured": {}}, None),
        ([{"k": "v"}, {"k": b"\x02"}], {"structured": [{"k": "v"}, {"k": "02"}]}, None),
        (["a", 1, {"k": "v"}], {"structured": {"value": ["a", 1, {"k": "v"}]}}, None),
        ([], {"structured": []}, None),
        (None, None, None),
    ],
    ids=str,
)
def test_a_log_body_of_any_type_is_as_elastics_exporter_writes_it(said: Any, body: Any, text: str | None) -> None:
    document = log_document(LogRecord(5, said, RESOURCE))
    assert document.body.get("body") == body
    values, _ = checked(document)
    assert values[-1] == text, "what a search by words finds"


def test_bodies_that_look_alike_are_different_records() -> None:
    ids = {log_document(LogRecord(5, said, RESOURCE)).id for said in ("7", 7, 7.5, [7], {"value": [7]}, None)}
    assert len(ids) == 6


POINT = DataPoint(
    5,
    4,
    count=2**64 - 1,
    total=1.5,
    minimum=0.25,
    maximum=9.0,
    buckets=Buckets((1.0,), (2**64 - 2, 1)),
    exemplars=(Exemplar(5, 2**53 + 1, bytes([1] * 16), bytes([2] * 8), {"user": "u"}), Exemplar(6, None)),
)
METRIC = Metric("wait", MetricType.HISTOGRAM, (POINT,), RESOURCE, SCOPE, "s", "How long")


def test_a_histogram_has_its_extremes_exemplars_unit_and_description_and_every_count_exactly() -> None:
    assert otlp.decode_metrics(otlp.encode_metrics([METRIC])) == [METRIC]
    body = orjson.loads(json_text(metric_document(METRIC, POINT).body))
    assert (body["min"], body["max"], body["sum"], body["count"]) == (0.25, 9.0, 1.5, 2**64 - 1)
    assert body["buckets"] == {"bounds": [1.0], "counts": [2**64 - 2, 1]}
    assert (body["unit"], body["description"], body["scope"]["schema_url"]) == ("s", "How long", "https://schema/2")
    assert body["exemplars"] == [
        {"time": 5, "value": 2**53 + 1, "attributes": {"user": "u"}, "trace_id": "01" * 16, "span_id": "02" * 8},
        {"time": 6, "value": None, "attributes": {}},
    ]


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, -(2**63), 1795970788022389504])
def test_integers_beyond_what_a_double_holds_are_stored_exactly(number: int) -> None:
    metric = Metric("limit", MetricType.GAUGE, (DataPoint(5, attributes={"n": number}, value=number),), RESOURCE)
    body = orjson.loads(json_text(metric_document(metric, metric.points[0]).body))
    assert (body["value"], body["attributes"]["n"]) == (number, number)


@pytest.mark.parametrize(("number", "name"), [("NaN", "NaN"), ("Infinity", "Infinity"), ("-Infinity", "-Infinity")])
def test_nan_and_infinities_are_stored_as_otlp_writes_them(number: str, name: str) -> None:
    metric = Metric("ratio", MetricType.GAUGE, (DataPoint(5, value=float(number)),), RESOURCE)
    assert orjson.loads(json_text(metric_document(metric, metric.points[0]).body))["value"] == name


@pytest.mark.parametrize(
    ("name", "service"),
    [
        (42, "42"),
        (True, "true"),
        (1.5, "1.5"),
        (["a", 1], '["a", 1]'),
        ({"k": "v"}, '{"k": "v"}'),
        (b"\x01", "01"),
    ],
)
def test_a_service_may_have_a_name_of_any_type(name: Any, service: str) -> None:
    resource = Resource({"service.name": name})
    assert resource.service == service
    for document in (
        span_document(replace(SPAN, resource=resource)),
        log_document(LogRecord(5, "x", resource)),
        metric_document(Metric("m", MetricType.GAUGE, (), resource), DataPoint(5, value=1)),
    ):
        assert service in checked(document)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500", 500), ("5xx", "5xx"), ("", ""), ("0500", "0500"), ("\u0665\u0660\u0660", "\u0665\u0660\u0660")],
)
@pytest.mark.parametrize("name", ["http.response.status_code", "http.status_code"])
def test_a_status_code_that_came_as_text_is_a_number_in_documents_and_ids_stay(name: str, text: str, expected: object) -> None:
    attributes = {name: text, "other": "500"}
    assert span_document(replace(SPAN, attributes=attributes)).body["attributes"] == {name: expected, "other": "500"}
    record = LogRecord(1, "line", RESOURCE, attributes=attributes)
    document = log_document(record)
    assert document.body["attributes"] == {name: expected, "other": "500"}
    assert record.attributes[name] == text
    assert document.id != log_document(replace(record, attributes={**attributes, name: 500})).id, "the id is of what came"
