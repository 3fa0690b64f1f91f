"""OTLP/JSON, judged by protobuf's own JSON printer and parser."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from telemetry import otlp
from telemetry.errors import DecodeError

MESSAGES: dict[otlp.Signal, Any] = {
    "spans": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
SIGNALS = st.sampled_from(otlp.SIGNALS)
IDS = {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}


def as_otlp_json(value: Any, key: str = "") -> Any:
    """What protobuf prints, with ids in hex as OTLP wants them."""
    match value:
        case dict():
            return {name: as_otlp_json(item, name) for name, item in value.items()}
        case list():
            return [as_otlp_json(item) for item in value]
        case str() if key in IDS:
            return base64.b64decode(value).hex()
        case _:
            return value


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
ANY_VALUES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.one_of(
        st.just({}),
        st.builds(lambda v: {"string_value": v}, TEXT),
        st.builds(lambda v: {"bool_value": v}, st.booleans()),
        st.builds(lambda v: {"int_value": v}, st.integers(-(2**63), 2**63 - 1)),
        st.builds(lambda v: {"double_value": v}, st.floats(allow_nan=False)),
        st.builds(lambda v: {"bytes_value": v}, st.binary(max_size=8)),
    ),
    lambda inner: st.one_of(
        st.builds(lambda v: {"array_value": {"values": v}}, st.lists(inner, max_size=3)),
        st.builds(
            lambda v: {"kvlist_value": {"values": v}},
            st.lists(st.fixed_dictionaries({"key": TEXT, "value": inner}), max_size=3),
        ),
    ),
    max_leaves=6,
)
ATTRIBUTES = st.lists(st.fixed_dictionaries({"key": TEXT, "value": ANY_VALUES}), max_size=3)
UINT64 = st.integers(0, 2**64 - 1)
UINT32 = st.integers(0, 2**32 - 1)
SPANS = st.fixed_dictionaries(
    {},
    optional={
        "trace_id": st.binary(max_size=17),
        "span_id": st.binary(max_size=9),
        "parent_span_id": st.binary(max_size=9),
        "name": TEXT,
        "kind": st.integers(0, 9),
        "start_time_unix_nano": UINT64,
        "flags": UINT32,
        "attributes": ATTRIBUTES,
        "dropped_attributes_count": UINT32,
        "status": st.fixed_dictionaries({"code": st.integers(0, 2), "message": TEXT}),
        "events": st.lists(st.fixed_dictionaries({"time_unix_nano": UINT64, "attributes": ATTRIBUTES}), max_size=2),
        "links": st.lists(st.fixed_dictionaries({"trace_id": st.binary(max_size=16), "trace_state": TEXT}), max_size=2),
    },
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "time_unix_nano": UINT64,
        "severity_number": st.integers(0, 24),
        "body": ANY_VALUES,
        "attributes": ATTRIBUTES,
        "trace_id": st.binary(max_size=16),
    },
)
POINTS = st.fixed_dictionaries(
    {"time_unix_nano": UINT64, "attributes": ATTRIBUTES},
    optional={"as_int": st.integers(-(2**63), 2**63 - 1), "flags": UINT32},
)
HISTOGRAMS = st.fixed_dictionaries(
    {"count": UINT64, "bucket_counts": st.lists(UINT64, max_size=3)},
    optional={"sum": st.floats(allow_nan=False), "explicit_bounds": st.lists(st.floats(allow_nan=False), max_size=3)},
)
EXPONENTIALS = st.fixed_dictionaries(
    {
        "scale": st.integers(-(2**31), 2**31 - 1),
        "positive": st.fixed_dictionaries({"offset": st.integers(-9, 9), "bucket_counts": st.lists(UINT64, max_size=3)}),
    }
)
METRICS = st.one_of(
    st.builds(lambda p: {"gauge": {"data_points": p}}, st.lists(POINTS, max_size=2)),
    st.builds(lambda p: {"sum": {"data_points": p, "is_monotonic": True}}, st.lists(POINTS, max_size=2)),
    st.builds(lambda p: {"histogram": {"data_points": p, "aggregation_temporality": 2}}, st.lists(HISTOGRAMS, max_size=2)),
    st.builds(lambda p: {"exponential_histogram": {"data_points": p}}, st.lists(EXPONENTIALS, max_size=2)),
)
REQUESTS = st.one_of(
    st.builds(lambda i: ("spans", {"resource_spans": [{"scope_spans": [{"spans": i}]}]}), st.lists(SPANS, max_size=3)),
    st.builds(lambda i: ("logs", {"resource_logs": [{"scope_logs": [{"log_records": i}]}]}), st.lists(RECORDS, max_size=3)),
    st.builds(
        lambda i: ("metrics", {"resource_metrics": [{"scope_metrics": [{"metrics": i}]}]}), st.lists(METRICS, max_size=3)
    ),
)


@given(case=REQUESTS, names=st.booleans())
def test_what_protobuf_prints_is_read_as_the_message_it_printed(case: tuple[otlp.Signal, Any], names: bool) -> None:  # noqa: FBT001
    signal, content = case
    message = MESSAGES[signal](**content)
    printed = json_format.MessageToDict(
        message, use_integers_for_enums=True, preserving_proto_field_name=names, always_print_fields_with_no_presence=False
    )
    assert otlp.parse_json(signal, json.dumps(as_otlp_json(printed)).encode()) == message


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                [
                    *("resourceSpans", "scopeSpans", "spans", "resourceLogs", "scopeLogs", "logRecords", "resource", "scope"),
                    *("resourceMetrics", "scopeMetrics", "metrics", "gauge", "dataPoints", "asDouble", "asInt", "value", "key"),
                    *("traceId", "spanId", "kind", "attributes", "arrayValue", "values", "stringValue", "timeUnixNano", "body"),
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=30,
)


@given(signal=SIGNALS, value=JSON_VALUES)
def test_any_json_is_a_request_or_a_decode_error(signal: otlp.Signal, value: Any) -> None:
    try:
        encoded = otlp.json_to_protobuf(signal, json.dumps(value).encode("utf-8", "surrogatepass"))
    except DecodeError:
        return
    MESSAGES[signal].FromString(encoded)


@given(signal=SIGNALS, data=st.binary())
def test_any_bytes_are_a_request_or_a_decode_error(signal: otlp.Signal, data: bytes) -> None:
    for read in (otlp.parse, otlp.parse_json):
        try:
            read(signal, data)
        except DecodeError:
            continue


def span(**fields: Any) -> bytes:
    good = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "GET /"}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [good | fields]}]}]}).encode()


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"kind": "SPAN_KIND_SERVER"}, "kind: must be an enum's integer (OTLP has no enum names), not"),
        ({"kind": True}, "kind: must be an enum's integer"),
        ({"kind": 2**31}, "kind: must be an enum's integer"),
        ({"name": 7}, "name: must be a string, not 7"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano: must be an integer"),
        ({"startTimeUnixNano": 1.5}, "startTimeUnixNano: must be an integer"),
        ({"startTimeUnixNano": str(2**64)}, "startTimeUnixNano: must be an integer"),
        ({"startTimeUnixNano": "٣"}, "startTimeUnixNano: must be an integer"),
        ({"flags": -1}, "flags: must be an integer from 0 to 4294967295, not -1"),
        ({"attributes": {}}, "attributes: must be an array, not {}"),
        ({"attributes": [{"key": "a", "value": {"boolValue": 1}}]}, "attributes[0].value.boolValue: must be true or false"),
        (
            {"attributes": [{"key": "a", "value": {"bytesValue": "?"}}]},
            "attributes[0].value.bytesValue: must be bytes in base64",
        ),
        ({"attributes": [{"key": "a", "value": {"doubleValue": "x"}}]}, "attributes[0].value.doubleValue: must be a number"),
        ({"attributes": [None]}, "attributes[0]: must be an object, not null"),
        (
            {"attributes": [{"value": {"intValue": 1, "stringValue": "a"}}]},
            "attributes[0].value.stringValue: stands beside another",
        ),
        ({"startTimeUnixNano": 1, "start_time_unix_nano": 1}, "startTimeUnixNano: given twice"),
    ],
)
def test_a_wrong_field_is_named_with_its_place(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DecodeError) as caught:
        otlp.parse_json("spans", span(**fields))
    assert str(caught.value).startswith(f"resourceSpans[0].scopeSpans[0].spans[0].{complaint}")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"traceId": "CvdlGRbNQ92ESOshHIAxnA=="}, 'trace_id: must be an id of 16 bytes, not all zero in hex, not "CvdlGRbN'),
        ({"traceId": "0a f7 65 19 16 cd 43 dd 84 48 eb"}, "trace_id: must be an id of 16 bytes"),
        ({"traceId": "0af7"}, "trace_id: must be an id of 16 bytes, not all zero; it has 2 bytes"),
        ({"traceId": "0" * 32}, "trace_id: must be an id of 16 bytes, not all zero; it is all zero"),
        ({"spanId": "not-hex-but-long"}, 'span_id: must be an id of 8 bytes, not all zero in hex, not "not-hex-but-long"'),
        ({"spanId": 7}, "span_id: must be an id of 8 bytes, not all zero in hex, not 7"),
        ({"parentSpanId": "x"}, "parent_span_id: must be an id of 8 bytes, or empty for a root in hex, not"),
        ({"links": [{"traceId": "y", "spanId": "b7ad6b7169203331"}]}, "links[0].trace_id: must be an id of 16 bytes in hex"),
    ],
)
def test_a_bad_id_refuses_its_span_alone(fields: dict[str, Any], complaint: str) -> None:
    good, bad = json.loads(span()), json.loads(span(**fields))
    good["resourceSpans"] += bad["resourceSpans"] + good["resourceSpans"]
    request = otlp.parse_json("spans", json.dumps(good).encode())
    rejection = otlp.reject("spans", request)
    assert rejection is not None
    assert rejection.count == 1
    assert str(rejection.first).startswith(f"resource_spans[1].scope_spans[0].spans[0].{complaint}")
    assert otlp.count_items("spans", request) == 2


def test_a_log_record_with_bad_ids_is_one_without_a_trace() -> None:
    record = {"traceId": "no hex", "spanId": "01", "body": {"stringValue": "kept"}}
    request = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    (found,) = otlp.decode_logs(otlp.json_to_protobuf("logs", json.dumps(request).encode()))
    assert (found.trace_id, found.span_id, found.body) == (b"", b"", "kept")


def test_a_byte_order_mark_before_json_is_no_part_of_it() -> None:
    assert otlp.parse_json("spans", b"\xef\xbb\xbf \n" + span()) == otlp.parse_json("spans", span())


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b'{"resourceSpans":', b'{"resourceSpans":"\xff"}', b"[" * 100_000])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        otlp.parse_json("spans", data)


def test_numbers_may_come_as_strings_and_ids_in_capitals() -> None:
    request = otlp.parse_json(
        "spans", span(traceId="0AF7651916CD43DD8448EB211C80319C", startTimeUnixNano="1544712660000000000", endTimeUnixNano=1e18)
    )
    assert isinstance(request, ExportTraceServiceRequest)
    found = request.resource_spans[0].scope_spans[0].spans[0]
    assert found.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (1544712660000000000, 10**18)


@pytest.mark.parametrize(("written", "meant"), [("NaN", math.nan), ("-Infinity", -math.inf), ("1.5e3", 1500.0), (2, 2.0)])
def test_a_double_may_be_a_word_a_string_or_a_number(written: Any, meant: float) -> None:
    request = otlp.parse_json("spans", span(attributes=[{"key": "a", "value": {"doubleValue": written}}]))
    assert isinstance(request, ExportTraceServiceRequest)
    value = request.resource_spans[0].scope_spans[0].spans[0].attributes[0].value.double_value
    assert value == meant or (math.isnan(value) and math.isnan(meant))


def test_unknown_names_and_nulls_are_passed_over() -> None:
    assert otlp.parse_json("spans", span(whatIsThis={"a": [1]}, kind=None)) == otlp.parse_json("spans", span())


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"stringValue": "bottom"}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    return value


def test_json_is_accepted_as_deep_as_protobuf_reads_and_no_deeper() -> None:
    def is_taken(depth: int) -> bool:
        try:
            encoded = otlp.json_to_protobuf("spans", span(attributes=[{"key": "a", "value": nested(depth)}]))
        except DecodeError as error:
            assert "nested deeper" in error.reason  # noqa: PT017 - only this refusal is expected
            return False
        assert otlp.decode_spans(encoded)
        return True

    taken = [is_taken(depth) for depth in range(30, 60)]
    assert taken[0]
    assert not taken[-1]
    assert taken == sorted(taken, reverse=True)


def test_a_time_that_was_never_set_in_go_is_unknown_in_a_log_and_wrong_in_a_span() -> None:
    go_zero = "-6795364578871345152"
    line = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": go_zero}]}]}]}).encode()
    (record,) = otlp.decode_logs(otlp.json_to_protobuf("logs", line))
    assert record.time == 0
    with pytest.raises(DecodeError, match="past the year 2262"):
        otlp.decode_spans(otlp.json_to_protobuf("spans", span(startTimeUnixNano=go_zero)))


def test_the_signal_of_a_request_is_known_from_its_names() -> None:
    ((signal, request),) = otlp.parse_any_json(b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{}]}]}]}')
    assert (signal, otlp.count_items(signal, request)) == ("logs", 1)
    with pytest.raises(DecodeError, match="resourceSpans, resourceLogs, resourceMetrics"):
        otlp.parse_any_json(b'{"spans": []}')
