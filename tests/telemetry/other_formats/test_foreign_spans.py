"""Spans as Jaeger and Zipkin write them, by their published formats."""

from __future__ import annotations

import base64
import contextlib
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import otlp
from telemetry.errors import DecodeError
from telemetry.other_formats.jaeger import decode_jaeger
from telemetry.other_formats.zipkin import decode_zipkin
from telemetry.spans import Span, SpanKind, SpanLink, StatusCode
from telemetry.structure import TooManyElementsError
from tests.pipeline.wire import fixed64, message

TRACE, SPAN, PARENT = bytes(range(1, 17)), bytes(range(1, 9)), bytes(range(11, 19))
START = 1_700_000_000_123_456_000


def tag(key: str, *value: Any) -> bytes:
    return message((1, key), *value)


def jaeger_proto() -> bytes:
    return message(
        (1, TRACE),
        (2, SPAN),
        (3, "GET /buy"),
        (4, message((1, TRACE), (2, PARENT))),
        (4, message((1, TRACE), (2, SPAN), (3, 1))),
        (6, message((1, 1_700_000_000), (2, 123_456_000))),
        (7, message((2, 5_000_000))),
        (8, tag("span.kind", (3, "server"))),
        (8, tag("error", (2, 1), (4, 1))),
        (8, tag("http.status_code", (2, 2), (5, 500))),
        (
            9,
            message(
                (1, message((1, 1_700_000_000), (2, 124_000_000))),
                (2, tag("event", (3, "retry"))),
                (2, tag("n", (2, 2), (5, 3))),
            ),
        ),
        (10, message((1, "cart"), (2, tag("host.name", (3, "h1"))))),
        (11, "p1"),
    )


def jaeger_json() -> bytes:
    return orjson.dumps(
        {
            "traceId": base64.b64encode(TRACE).decode(),
            "spanId": base64.b64encode(SPAN).decode(),
            "operationName": "GET /buy",
            "references": [
                {"traceId": base64.b64encode(TRACE).decode(), "spanId": base64.b64encode(PARENT).decode()},
                {
                    "traceId": base64.b64encode(TRACE).decode(),
                    "spanId": base64.b64encode(SPAN).decode(),
                    "refType": "FOLLOWS_FROM",
                },
            ],
            "startTime": "2023-11-14T22:13:20.123456Z",
            "duration": "0.005s",
            "tags": [
                {"key": "span.kind", "vStr": "server"},
                {"key": "error", "vType": "BOOL", "vBool": True},
                {"key": "http.status_code", "vType": "INT64", "vInt64": "500"},
            ],
            "logs": [
                {
                    "timestamp": "2023-11-14T22:13:20.124Z",
                    "fields": [{"key": "event", "vStr": "retry"}, {"key": "n", "vType": "INT64", "vInt64": "3"}],
                }
            ],
            "process": {"serviceName": "cart", "tags": [{"key": "host.name", "vStr": "h1"}]},
            "processId": "p1",
        }
    )


@pytest.mark.parametrize("value", [jaeger_proto(), jaeger_json()], ids=["protobuf", "json"])
def test_a_span_of_jaeger_says_the_same_in_both_encodings(value: bytes) -> None:
    (span,) = decode_jaeger(value)
    assert (span.trace_id, span.span_id, span.parent_span_id) == (TRACE, SPAN, PARENT)
    assert (span.name, span.kind, span.status) == ("GET /buy", SpanKind.SERVER, StatusCode.ERROR)
    assert (span.start, span.duration) == (START, 5_000_000)
    assert span.resource.attributes == {"service.name": "cart", "host.name": "h1"}
    assert span.attributes == {"http.status_code": 500}
    assert span.links == (SpanLink(TRACE, SPAN),)
    assert [(event.name, event.attributes) for event in span.events] == [("retry", {"n": 3})]


def zipkin_proto() -> bytes:
    client = (
        message((1, TRACE[8:]), (2, PARENT), (3, SPAN), (4, 1), (5, "get"))
        + fixed64(6, START // 1000)
        + message((7, 5000), (8, message((1, "cart"))), (9, message((1, "bank"), (2, bytes([10, 0, 0, 7])), (4, 8080))))
        + message((10, fixed64(1, START // 1000 + 7) + message((2, "sent"))))
        + message((11, tag("http.path", (2, "/pay"))), (11, tag("error", (2, "timeout"))))
    )
    server = (
        message((1, TRACE[8:]), (2, PARENT), (3, SPAN), (4, 2), (5, "get"))
        + fixed64(6, START // 1000 + 100)
        + message((7, 4000), (8, message((1, "bank"))), (13, 1))
    )
    return message((1, client), (1, server))


def zipkin_json() -> bytes:
    ids = {"traceId": TRACE[8:].hex(), "parentId": PARENT.hex(), "id": SPAN.hex(), "name": "get"}
    return orjson.dumps(
        [
            ids
            | {
                "kind": "CLIENT",
                "timestamp": START // 1000,
                "duration": 5000,
                "localEndpoint": {"serviceName": "cart"},
                "remoteEndpoint": {"serviceName": "bank", "ipv4": "10.0.0.7", "port": 8080},
                "annotations": [{"timestamp": START // 1000 + 7, "value": "sent"}],
                "tags": {"http.path": "/pay", "error": "timeout"},
            },
            ids
            | {
                "kind": "SERVER",
                "timestamp": START // 1000 + 100,
                "duration": 4000,
                "localEndpoint": {"serviceName": "bank"},
                "shared": True,
            },
        ]
    )


def zipkin_spans(value: bytes) -> list[Span]:
    return decode_zipkin(value)[0]


@pytest.mark.parametrize("value", [zipkin_proto(), zipkin_json()], ids=["protobuf", "json"])
def test_spans_of_zipkin_say_the_same_in_both_encodings(value: bytes) -> None:
    client, server = zipkin_spans(value)
    assert (client.trace_id, client.span_id, client.parent_span_id) == (bytes(8) + TRACE[8:], SPAN, PARENT)
    assert (client.name, client.kind, client.start, client.duration) == ("get", SpanKind.CLIENT, START, 5_000_000)
    assert (client.status, client.status_message) == (StatusCode.ERROR, "timeout")
    assert client.attributes == {
        "service.peer.name": "bank",
        "network.peer.address": "10.0.0.7",
        "network.peer.port": 8080,
        "http.path": "/pay",
    }
    assert [(event.time, event.name) for event in client.events] == [(START + 7000, "sent")]
    assert (server.kind, server.service, server.parent_span_id) == (SpanKind.SERVER, "bank", SPAN)
    assert server.span_id not in {SPAN, PARENT}, "a shared span is one of its own"


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        ({"traceId": "0af7", "id": "02", "timestamp": -5}, r"spans\[1\].timestamp: -5000 ns"),
        ({"traceId": "xyz", "id": "02", "timestamp": 1}, r"spans\[1\]: not a span"),
        (7, r"spans\[1\]: not a span"),
    ],
)
def test_of_a_list_with_a_span_that_cannot_be_used_the_others_are_kept(bad: Any, place: str) -> None:
    good = {"traceId": "0af7", "id": "01", "timestamp": 1}
    spans, flaw = decode_zipkin(orjson.dumps([good, bad, good | {"id": "03"}]))
    assert [span.span_id[-1] for span in spans] == [1, 3]
    assert re.match(place + r".* \(1 of 3 spans dropped, the others kept\)$", str(flaw))
    with pytest.raises(DecodeError):
        decode_zipkin(orjson.dumps([bad]))


@pytest.mark.parametrize(("text", "status"), [("", "ERROR"), ("timeout", "ERROR"), ("false", "UNSET"), (None, "UNSET")])
def test_the_presence_of_the_error_tag_says_error(text: str | None, status: str) -> None:
    tags = {} if text is None else {"error": text}
    (span,) = zipkin_spans(orjson.dumps([{"traceId": "0af7", "id": "01", "timestamp": 1, "tags": tags}]))
    assert span.status is StatusCode[status]


@pytest.mark.parametrize("decode", [decode_jaeger, zipkin_spans])
@given(value=st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"{" + tail) | st.just(b'[{"id":1}]'))
def test_what_is_no_span_is_refused_with_an_error_of_input(decode: Any, value: bytes) -> None:
    with contextlib.suppress(DecodeError):
        otlp.encode_spans(decode(value))


@given(
    st.dictionaries(
        st.sampled_from(
            ["name", "kind", "timestamp", "duration", "parentId", "localEndpoint", "tags", "annotations", "shared"]
        ),
        st.none()
        | st.integers(-(2**63), 2**64 - 1)
        | st.text(max_size=5)
        | st.lists(st.integers(-(2**63), 2**64 - 1), max_size=2)
        | st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
    )
)
def test_fields_of_wrong_types_are_refused_or_read_as_something_that_can_be_sent_on(fields: dict[str, Any]) -> None:
    with contextlib.suppress(DecodeError):
        otlp.encode_spans(zipkin_spans(orjson.dumps([{"traceId": "0af7", "id": "01", "timestamp": 1} | fields])))


@pytest.mark.parametrize("length", range(1, 120, 7))
def test_a_span_cut_short_is_refused_or_still_has_its_ids(length: int) -> None:
    for decode, value in ((decode_jaeger, jaeger_proto()), (zipkin_spans, zipkin_proto())):
        try:
            spans = decode(value[:length])
        except DecodeError:
            continue
        assert all(len(span.trace_id) == 16 and any(span.span_id) for span in spans)


@pytest.mark.parametrize(
    ("decode", "value"),
    [
        (decode_zipkin, b"\x0a\x00" * 1_100_000),
        (decode_zipkin, b"[" + b",".join([b"{}"] * 1_100_000) + b"]"),
        (decode_jaeger, b"\x42\x00" * 1_100_000),
        (decode_jaeger, b'{"tags":[' + b",".join([b"{}"] * 1_100_000) + b"]}"),
    ],
    ids=["Zipkin's spans", "Zipkin's in JSON", "Jaeger's tags", "Jaeger's in JSON"],
)
def test_a_record_that_would_unfold_to_more_than_it_may_is_not_built(decode: Any, value: bytes) -> None:
    with pytest.raises(TooManyElementsError, match="more than 1000000 "):
        decode(value)
