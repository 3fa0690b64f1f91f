"""Records and their protobuf, judged by the messages that opentelemetry-proto generates."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from telemetry import otlp
from telemetry.errors import DecodeError
from telemetry.logs import LogRecord
from telemetry.metrics import Buckets, DataPoint, Exemplar, ExponentialBuckets, Metric, MetricType, Temporality
from telemetry.resource import Resource, Scope
from telemetry.spans import Span, SpanEvent, SpanKind, SpanLink, StatusCode

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
TIMES = st.integers(0, 2**63 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)
VALUES: st.SearchStrategy[object] = st.recursive(
    st.one_of(st.none(), TEXT, st.booleans(), INT64, FLOATS, st.binary(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=5,
)
ATTRIBUTES = st.dictionaries(TEXT, VALUES, max_size=3)
RESOURCES = st.builds(Resource, ATTRIBUTES, TEXT)
SCOPES = st.builds(Scope, TEXT, TEXT, ATTRIBUTES, TEXT)
TRACE_IDS = st.binary(min_size=16, max_size=16).filter(any)
SPAN_IDS = st.binary(min_size=8, max_size=8).filter(any)
SPANS = st.builds(
    Span,
    TRACE_IDS,
    SPAN_IDS,
    st.one_of(st.just(b""), SPAN_IDS),
    TEXT,
    st.sampled_from(SpanKind),
    TIMES,
    TIMES,
    RESOURCES,
    SCOPES,
    st.sampled_from(StatusCode),
    TEXT,
    ATTRIBUTES,
    st.lists(st.builds(SpanEvent, TIMES, TEXT, ATTRIBUTES), max_size=2).map(tuple),
    st.lists(st.builds(SpanLink, TRACE_IDS, SPAN_IDS, ATTRIBUTES), max_size=2).map(tuple),
    TEXT,
)
RECORDS = st.builds(
    LogRecord,
    TIMES,
    VALUES,
    RESOURCES,
    SCOPES,
    TIMES,
    st.integers(0, 24),
    TEXT,
    ATTRIBUTES,
    st.one_of(st.just(b""), TRACE_IDS),
    st.one_of(st.just(b""), SPAN_IDS),
    TEXT,
)
COUNTS = st.integers(0, 2**63 - 1)
EXEMPLARS = st.lists(st.builds(Exemplar, TIMES, st.one_of(INT64, FLOATS), TRACE_IDS, SPAN_IDS, ATTRIBUTES), max_size=2).map(
    tuple
)
OPTIONAL = st.one_of(st.none(), FLOATS)
COUNT_LISTS = st.lists(COUNTS, max_size=3).map(tuple)
NUMBERS = st.builds(
    DataPoint, TIMES, TIMES, ATTRIBUTES, value=st.one_of(INT64, FLOATS), exemplars=EXEMPLARS, flags=st.integers(0, 1)
)
HISTOGRAMS = st.builds(
    DataPoint,
    TIMES,
    TIMES,
    ATTRIBUTES,
    count=COUNTS,
    total=OPTIONAL,
    minimum=OPTIONAL,
    maximum=OPTIONAL,
    buckets=st.lists(st.tuples(st.integers(0, 99).map(float), COUNTS), max_size=4, unique_by=lambda pair: pair[0]).map(
        lambda pairs: Buckets(tuple(sorted(bound for bound, _ in pairs)), (*(count for _, count in pairs), 0))
    ),
    exemplars=EXEMPLARS,
)
EXPONENTIALS = st.builds(
    DataPoint,
    TIMES,
    count=COUNTS,
    total=OPTIONAL,
    buckets=st.builds(
        ExponentialBuckets,
        st.integers(0, 20),
        COUNTS,
        FLOATS,
        st.integers(-99, 99),
        COUNT_LISTS,
        st.integers(-9, 9),
        COUNT_LISTS,
    ),
)
SUMMARIES = st.builds(
    DataPoint, TIMES, count=COUNTS, total=FLOATS, quantiles=st.lists(st.tuples(FLOATS, FLOATS), max_size=3).map(tuple)
)


def metrics_of(kind: MetricType, points: st.SearchStrategy[DataPoint]) -> st.SearchStrategy[Metric]:
    return st.builds(
        Metric,
        TEXT,
        st.just(kind),
        st.lists(points, max_size=2).map(tuple),
        RESOURCES,
        SCOPES,
        TEXT,
        TEXT,
        st.just(Temporality.UNSPECIFIED) if kind in {MetricType.GAUGE, MetricType.SUMMARY} else st.sampled_from(Temporality),
        st.booleans() if kind is MetricType.SUM else st.just(False),
    )


METRICS = st.one_of(
    metrics_of(MetricType.GAUGE, NUMBERS),
    metrics_of(MetricType.SUM, NUMBERS),
    metrics_of(MetricType.HISTOGRAM, HISTOGRAMS),
    metrics_of(MetricType.EXPONENTIAL_HISTOGRAM, EXPONENTIALS),
    metrics_of(MetricType.SUMMARY, SUMMARIES),
)


def in_any_order(records: Any) -> list[str]:
    return sorted(map(repr, records))


@given(st.lists(SPANS, max_size=4))
def test_spans_come_back_from_their_protobuf(spans: list[Span]) -> None:
    assert in_any_order(otlp.decode_spans(otlp.encode_spans(spans))) == in_any_order(spans)


@given(st.lists(RECORDS, max_size=4))
def test_log_records_come_back_from_their_protobuf(records: list[LogRecord]) -> None:
    assert in_any_order(otlp.decode_logs(otlp.encode_logs(records))) == in_any_order(records)


@given(st.lists(METRICS, max_size=4))
def test_metrics_come_back_from_their_protobuf(metrics: list[Metric]) -> None:
    assert in_any_order(otlp.decode_metrics(otlp.encode_metrics(metrics))) == in_any_order(metrics)


def a_span(number: int, resource: Resource, scope: Scope) -> Span:
    return Span(bytes([1] * 16), number.to_bytes(8, "big"), b"", "GET /", SpanKind.SERVER, 1, 2, resource, scope)


def test_records_encode_to_the_messages_that_opentelemetry_would_make() -> None:
    resource, scope = Resource({"service.name": "shop"}), Scope("library", "1.0")
    trace_id, span_id, parent = bytes([1] * 16), bytes([2] * 8), bytes([3] * 8)
    who = {"attributes": [{"key": "service.name", "value": {"string_value": "shop"}}]}
    library = {"name": "library", "version": "1.0"}
    span = Span(
        *(trace_id, span_id, parent, "pay", SpanKind.CLIENT, 5, 9, resource, scope, StatusCode.ERROR, "no money"),
        attributes={"n": 1, "ok": True, "rate": 0.5, "raw": b"x", "none": None, "list": ["a", [2]], "map": {"k": "v"}},
        events=(SpanEvent(7, "asked", {"bank": "north"}),),
        links=(SpanLink(trace_id, parent),),
        trace_state="a=b",
    )
    values = {
        "n": {"int_value": 1},
        "ok": {"bool_value": True},
        "rate": {"double_value": 0.5},
        "raw": {"bytes_value": b"x"},
        "none": {},
        "list": {"array_value": {"values": [{"string_value": "a"}, {"array_value": {"values": [{"int_value": 2}]}}]}},
        "map": {"kvlist_value": {"values": [{"key": "k", "value": {"string_value": "v"}}]}},
    }
    expected_span = {
        "trace_id": trace_id,
        "span_id": span_id,
        "parent_span_id": parent,
        "name": "pay",
        "kind": 3,
        "start_time_unix_nano": 5,
        "end_time_unix_nano": 9,
        "status": {"code": 2, "message": "no money"},
        "attributes": [{"key": key, "value": value} for key, value in values.items()],
        "events": [{"time_unix_nano": 7, "name": "asked", "attributes": [{"key": "bank", "value": {"string_value": "north"}}]}],
        "links": [{"trace_id": trace_id, "span_id": parent}],
        "trace_state": "a=b",
    }
    assert ExportTraceServiceRequest.FromString(otlp.encode_spans([span])) == ExportTraceServiceRequest(
        resource_spans=[{"resource": who, "scope_spans": [{"scope": library, "spans": [expected_span]}]}]
    )
    record = LogRecord(5, "hi", resource, scope, 6, 9, "INFO", {"n": 1}, trace_id, span_id, "greeting")
    expected_record = {
        "time_unix_nano": 5,
        "observed_time_unix_nano": 6,
        "severity_number": 9,
        "severity_text": "INFO",
        "body": {"string_value": "hi"},
        "attributes": [{"key": "n", "value": {"int_value": 1}}],
        "trace_id": trace_id,
        "span_id": span_id,
        "event_name": "greeting",
    }
    assert ExportLogsServiceRequest.FromString(otlp.encode_logs([record])) == ExportLogsServiceRequest(
        resource_logs=[{"resource": who, "scope_logs": [{"scope": library, "log_records": [expected_record]}]}]
    )
    metric = Metric(
        "latency",
        MetricType.HISTOGRAM,
        (
            DataPoint(
                5, 4, count=3, total=1.5, minimum=0.1, buckets=Buckets((1.0,), (2, 1)), exemplars=(Exemplar(5, 2, trace_id),)
            ),
        ),
        *(resource, scope, "s", "how long", Temporality.DELTA),
    )
    expected_point = {
        "time_unix_nano": 5,
        "start_time_unix_nano": 4,
        "count": 3,
        "sum": 1.5,
        "min": 0.1,
        "explicit_bounds": [1.0],
        "bucket_counts": [2, 1],
        "exemplars": [{"time_unix_nano": 5, "as_int": 2, "trace_id": trace_id}],
    }
    expected_metric = {
        "name": "latency",
        "unit": "s",
        "description": "how long",
        "histogram": {"data_points": [expected_point], "aggregation_temporality": 1},
    }
    assert ExportMetricsServiceRequest.FromString(otlp.encode_metrics([metric])) == ExportMetricsServiceRequest(
        resource_metrics=[{"resource": who, "scope_metrics": [{"scope": library, "metrics": [expected_metric]}]}]
    )


def test_equal_resources_and_scopes_share_a_group_whatever_object_they_are() -> None:
    spans = [
        a_span(n, Resource({"service.name": f"shop-{n % 2}"}, "https://schema"), Scope(f"library-{n % 3}", "1.0"))
        for n in range(1, 13)
    ]
    request = ExportTraceServiceRequest.FromString(otlp.encode_spans(spans))
    assert [len(group.scope_spans) for group in request.resource_spans] == [3, 3]
    assert {group.schema_url for group in request.resource_spans} == {"https://schema"}
    assert all(len(under.spans) == 2 for group in request.resource_spans for under in group.scope_spans)


def test_two_requests_one_behind_the_other_are_one() -> None:
    one, other = a_span(1, Resource(), Scope()), a_span(2, Resource(), Scope())
    assert otlp.decode_spans(otlp.encode_spans([one]) + otlp.encode_spans([other])) == [one, other]


@given(st.lists(SPANS, max_size=8), st.integers(100, 2000))
def test_the_parts_of_a_request_have_its_items_in_order_and_are_as_small_as_asked(spans: list[Span], limit: int) -> None:
    whole = otlp.parse("spans", otlp.encode_spans(spans))
    parts = list(otlp.split("spans", whole, limit))
    assert [span for part in parts for span in otlp.decode_spans(part)] == otlp.decode_spans(whole.SerializeToString())
    assert all(len(part) <= limit or len(otlp.decode_spans(part)) == 1 for part in parts)


def request_of(*spans: dict[str, Any]) -> bytes:
    good = {"trace_id": bytes([1] * 16), "span_id": bytes([2] * 8)}
    encoded: bytes = ExportTraceServiceRequest(
        resource_spans=[{"scope_spans": [{}, {"spans": [good | span for span in spans]}]}]
    ).SerializeToString()
    return encoded


@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        ({"trace_id": b""}, "trace_id", "must be an id of 16 bytes, not all zero; it has 0 bytes"),
        ({"trace_id": bytes(15)}, "trace_id", "must be an id of 16 bytes, not all zero; it has 15 bytes"),
        ({"trace_id": bytes(16)}, "trace_id", "must be an id of 16 bytes, not all zero; it is all zero"),
        ({"span_id": bytes(8)}, "span_id", "must be an id of 8 bytes, not all zero; it is all zero"),
        ({"span_id": bytes([1] * 9)}, "span_id", "must be an id of 8 bytes, not all zero; it has 9 bytes"),
        ({"parent_span_id": b"abc"}, "parent_span_id", "must be an id of 8 bytes, or empty for a root; it has 3 bytes"),
        (
            {"links": [{"trace_id": b"a", "span_id": bytes(8)}]},
            "links[0].trace_id",
            "must be an id of 16 bytes; it has 1 bytes",
        ),
        ({"links": [{"trace_id": bytes(16)}]}, "links[0].span_id", "must be an id of 8 bytes; it has 0 bytes"),
    ],
)
def test_an_invalid_span_is_named_by_its_place(wrong: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        otlp.decode_spans(request_of({}, wrong))
    assert (caught.value.field, caught.value.reason) == (f"resource_spans[0].scope_spans[1].spans[1].{field}", reason)


@pytest.mark.parametrize("field", ["start_time_unix_nano", "end_time_unix_nano"])
def test_a_span_past_the_year_2262_is_invalid(field: str) -> None:
    with pytest.raises(DecodeError, match=f"{field}: 9223372036854775808 is no time"):
        otlp.decode_spans(request_of({field: 2**63}))


def test_invalid_spans_are_taken_out_and_the_others_left() -> None:
    request = otlp.parse("spans", request_of({"name": "a"}, {"span_id": b""}, {"name": "b"}, {"trace_id": b""}))
    invalid = otlp.reject("spans", request)
    assert invalid is not None
    assert (invalid.count, invalid.first.field) == (2, "resource_spans[0].scope_spans[1].spans[1].span_id")
    assert [span.name for span in otlp.decode_spans(request.SerializeToString())] == ["a", "b"]
    assert otlp.reject("spans", request) is None


@given(st.lists(st.one_of(SPANS.map(lambda span: otlp.encode_spans([span])), st.just(b"\x0a\x04\x12\x02\x12\x00")), max_size=8))
def test_whatever_the_mix_the_valid_spans_stay_as_they_are(requests: list[bytes]) -> None:
    request = otlp.parse("spans", b"".join(requests))
    invalid = otlp.reject("spans", request)
    valid = [data for data in requests if len(data) > 6]
    assert (invalid.count if invalid else 0) == len(requests) - len(valid)
    assert otlp.decode_spans(request.SerializeToString()) == otlp.decode_spans(b"".join(valid))


def test_enum_numbers_that_are_not_known_read_as_unspecified() -> None:
    for number in (-1, 6, 2**31 - 1):
        (span,) = otlp.decode_spans(request_of({"kind": number, "status": {"code": number}}))
        assert (span.kind, span.status) == (SpanKind.UNSPECIFIED, StatusCode.UNSET)


def test_a_parent_of_zeros_is_none() -> None:
    (span,) = otlp.decode_spans(request_of({"parent_span_id": bytes(8)}))
    assert span.parent_span_id == b""


@pytest.mark.parametrize("wrong", [bytes(16), b"short", bytes([1] * 17)])
def test_a_log_record_with_an_invalid_trace_id_is_one_without(wrong: bytes) -> None:
    data = ExportLogsServiceRequest(
        resource_logs=[{"scope_logs": [{"log_records": [{"trace_id": wrong, "span_id": wrong[:5], "time_unix_nano": 2**63}]}]}]
    ).SerializeToString()
    (record,) = otlp.decode_logs(data)
    assert (record.trace_id, record.span_id, record.time) == (b"", b"", 0)


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [
        (
            {"histogram": {"data_points": [{"explicit_bounds": [1, 2], "bucket_counts": [1, 2]}]}},
            "histogram.data_points[0].bucket_counts: 2 counts for 2 bounds, must be one more",
        ),
        (
            {"histogram": {"data_points": [{}, {"explicit_bounds": [2, 1], "bucket_counts": [1, 2, 3]}]}},
            "histogram.data_points[1].explicit_bounds: must increase from each to the next",
        ),
        (
            {"histogram": {"data_points": [{"explicit_bounds": [float("nan"), 1], "bucket_counts": [1, 2, 3]}]}},
            "histogram.data_points[0].explicit_bounds: must increase from each to the next",
        ),
        (
            {"exponential_histogram": {"data_points": [{"scale": -1000}]}},
            "exponential_histogram.data_points[0].scale: -1000, must be from -11 to 52",
        ),
        (
            {"exponential_histogram": {"data_points": [{"scale": 0, "positive": {"offset": 1020, "bucket_counts": [0] * 9}}]}},
            "exponential_histogram.data_points[0].positive.offset: 1020 puts 9 buckets where a double cannot be",
        ),
        (
            {"exponential_histogram": {"data_points": [{"scale": 3, "negative": {"offset": -(2**31)}}]}},
            "exponential_histogram.data_points[0].negative.offset: -2147483648 puts 0 buckets where a double cannot be",
        ),
        (
            {"sum": {"data_points": [{"time_unix_nano": 2**64 - 1}]}},
            "sum.data_points[0].time_unix_nano: 18446744073709551615 is no",
        ),
    ],
)
def test_an_invalid_data_point_is_named_by_its_place(metric: dict[str, Any], complaint: str) -> None:
    data = ExportMetricsServiceRequest(resource_metrics=[{"scope_metrics": [{"metrics": [metric]}]}]).SerializeToString()
    with pytest.raises(DecodeError) as caught:
        otlp.decode_metrics(data)
    assert str(caught.value).startswith(f"resource_metrics[0].scope_metrics[0].metrics[0].{complaint}")


@pytest.mark.parametrize("value", [5e-324, 1e-9, 1.0, 1.5, 2.0, 1e9, 1.7976931348623157e308])
@pytest.mark.parametrize("scale", [-11, -10, -1, 0, 1, 8, 20])
def test_the_bucket_of_any_double_at_any_scale_of_the_sdks_is_valid(value: float, scale: int) -> None:
    fraction, exponent = math.frexp(value)  # exact where log2 is not
    index = math.ceil((Fraction(math.log2(fraction)) + exponent) * Fraction(2) ** scale) - 1
    point = {"scale": scale, "positive": {"offset": index, "bucket_counts": [1]}}
    data = ExportMetricsServiceRequest(
        resource_metrics=[{"scope_metrics": [{"metrics": [{"exponential_histogram": {"data_points": [point]}}]}]}]
    ).SerializeToString()
    (metric,) = otlp.decode_metrics(data)
    assert len(metric.points) == 1


def test_a_metric_without_data_has_no_points() -> None:
    data = ExportMetricsServiceRequest(resource_metrics=[{"scope_metrics": [{"metrics": [{"name": "m"}]}]}]).SerializeToString()
    (metric,) = otlp.decode_metrics(data)
    assert metric.points == ()


@given(data=st.binary(max_size=200))
def test_any_bytes_are_records_or_a_decode_error(data: bytes) -> None:
    for decode in (otlp.decode_spans, otlp.decode_logs, otlp.decode_metrics):
        try:
            decode(data)
        except DecodeError:
            continue


@given(span=SPANS, at=st.integers(0, 500), byte=st.integers(0, 255))
def test_a_changed_byte_gives_records_or_a_decode_error(span: Span, at: int, byte: int) -> None:
    data = bytearray(otlp.encode_spans([span]))
    data[at % len(data)] = byte
    try:
        otlp.decode_spans(bytes(data))
    except DecodeError:
        return


def test_text_that_is_no_utf_8_is_refused() -> None:
    data = request_of({"name": "abc"}).replace(b"abc", b"\xff\xfe\xfd")
    with pytest.raises(DecodeError, match="not a protobuf ExportTraceServiceRequest"):
        otlp.decode_spans(data)


def test_values_nested_without_end_are_refused() -> None:
    data = b""
    for _ in range(5000):  # a ring of AnyValue.array_value.values, by hand: protobuf itself would not write it
        inner = b"\x0a" + varint(len(data)) + data
        data = b"\x2a" + varint(len(inner)) + inner
    attribute = b"\x0a\x01a\x12" + varint(len(data)) + data
    resource = b"\x0a" + varint(len(attribute)) + attribute
    group = b"\x0a" + varint(len(resource)) + resource
    with pytest.raises(DecodeError):
        otlp.decode_spans(b"\x0a" + varint(len(group)) + group)


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_items_are_counted_and_points_are_the_items_of_metrics() -> None:
    data = ExportMetricsServiceRequest(
        resource_metrics=[
            {"scope_metrics": [{"metrics": [{"gauge": {"data_points": [{}, {}]}}, {"summary": {"data_points": [{}]}}, {}]}]}
        ]
    ).SerializeToString()
    assert otlp.count_items("metrics", otlp.parse("metrics", data)) == 3
    assert otlp.count_items("spans", otlp.parse("spans", request_of({}, {}))) == 2
