"""Requests that unfold to more than they may are refused, whatever they are made of, and ordinary ones never are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from telemetry import otlp, structure
from telemetry.errors import DecodeError
from telemetry.other_formats.protobuf import JaegerSpan, ZipkinSpans
from telemetry.otlp.request import SHAPES
from telemetry.structure import TooManyElementsError, check_json, check_protobuf, json_bound, protobuf_bound
from tests.generated import traces

LIMIT = 1000
SPANS, LOGS, METRICS = (SHAPES[signal].message.DESCRIPTOR for signal in ("spans", "logs", "metrics"))


def within(tags: str, content: bytes) -> bytes:
    """Content in messages, the outermost first; tags in hex."""
    for tag in reversed(bytes.fromhex(tags)):
        size, length = len(content), b""
        while size > 127:
            length += bytes([size & 127 | 128])
            size >>= 7
        content = bytes([tag]) + length + bytes([size]) + content
    return content


def deep(levels: int) -> bytes:
    """A span's attribute with arrays within arrays."""
    return within("4a 12" + "2a 0a" * levels, b"\x18\x01")


BOMBS = {
    "resources": (SPANS, b"\x0a\x00"),
    "scopes": (SPANS, within("0a", b"\x12\x00" * 2000)),
    "spans": (SPANS, within("0a 12", b"\x12\x00" * 2000)),
    "tags longer than they need to be": (SPANS, within("0a 12", b"\x92\x80\x00\x00" * 2000)),
    "attributes of a resource": (SPANS, within("0a 0a", b"\x0a\x00" * 2000)),
    "attributes of a scope": (SPANS, within("0a 12 0a", b"\x1a\x00" * 2000)),
    "attributes of a span": (SPANS, within("0a 12 12", b"\x4a\x00" * 2000)),
    "events": (SPANS, within("0a 12 12", b"\x5a\x00" * 2000)),
    "attributes of an event": (SPANS, within("0a 12 12 5a", b"\x1a\x00" * 2000)),
    "links": (SPANS, within("0a 12 12", b"\x6a\x00" * 2000)),
    "arrays": (SPANS, within("0a 12 12 4a 12 2a", b"\x0a\x00" * 2000)),
    "lists of key and value": (SPANS, within("0a 12 12 4a 12 32", b"\x0a\x00" * 2000)),
    "arrays within arrays": (SPANS, within("0a 12 12", deep(20) * 50)),
    "many small spans": (SPANS, within("0a 12", within("12", b"\x4a\x00") * 800)),
    "log records": (LOGS, within("0a 12", b"\x12\x00" * 2000)),
    "attributes of a log record": (LOGS, within("0a 12 12", b"\x32\x00" * 2000)),
    "a body of many values": (LOGS, within("0a 12 12 2a 2a", b"\x0a\x00" * 2000)),
    "metrics": (METRICS, within("0a 12", b"\x12\x00" * 2000)),
    "points of a gauge": (METRICS, within("0a 12 12 2a", b"\x0a\x00" * 2000)),
    "points of a sum": (METRICS, within("0a 12 12 3a", b"\x0a\x00" * 2000)),
    "points of a histogram": (METRICS, within("0a 12 12 4a", b"\x0a\x00" * 2000)),
    "exponential points": (METRICS, within("0a 12 12 52", b"\x0a\x00" * 2000)),
    "points of a summary": (METRICS, within("0a 12 12 5a", b"\x0a\x00" * 2000)),
    "quantiles": (METRICS, within("0a 12 12 5a 0a", b"\x32\x00" * 2000)),
    "exemplars": (METRICS, within("0a 12 12 2a 0a", b"\x2a\x00" * 2000)),
    "spans of Zipkin": (ZipkinSpans.DESCRIPTOR, b"\x0a\x00" * 2000),
    "tags of Zipkin": (ZipkinSpans.DESCRIPTOR, within("0a", b"\x5a\x00" * 2000)),
    "logs of Jaeger": (JaegerSpan.DESCRIPTOR, b"\x4a\x00" * 2000),
    "fields of Jaeger": (JaegerSpan.DESCRIPTOR, within("4a", b"\x12\x00" * 2000)),
}


@pytest.mark.parametrize("name", [name for name in BOMBS if name != "resources"])
def test_more_elements_than_the_limit_are_refused_wherever_they_are(name: str) -> None:
    descriptor, body = BOMBS[name]
    with pytest.raises(TooManyElementsError, match=f"more than {LIMIT} elements .* which is the limit; send smaller batches"):
        check_protobuf(descriptor, body, LIMIT)


def test_text_full_of_bytes_that_could_be_elements_is_not_refused() -> None:
    check_protobuf(SPANS, within("0a 12 12 2a", b"zJj2:*\n" * 10_000), LIMIT)


def test_what_is_no_protobuf_is_refused_as_that_and_not_looked_at_further() -> None:
    with pytest.raises(DecodeError, match="not a protobuf ExportTraceServiceRequest"):
        check_protobuf(SPANS, within("0a 12", b"\x12\x7f" * 2000), LIMIT)


@pytest.mark.parametrize("hidden", ["attributes of a span", "events", "arrays"])
def test_elements_before_a_part_that_is_broken_are_never_let_through(hidden: str) -> None:
    with pytest.raises((TooManyElementsError, DecodeError)):
        check_protobuf(SPANS, BOMBS[hidden][1] + within("0a 12 12", b"\x4a\x7f"), LIMIT)


def test_ordinary_requests_are_let_through_in_any_size_up_to_the_limit() -> None:
    value = otlp.encode_spans([span for trace in traces(200) for span in trace])
    check_protobuf(SPANS, value, protobuf_bound(SPANS, value))
    check_protobuf(SPANS, value)


@given(st.binary(max_size=300), st.integers(0, 50))
def test_what_is_let_through_has_no_more_elements_than_the_limit(data: bytes, limit: int) -> None:
    try:
        check_protobuf(SPANS, data, limit)
        request = otlp.parse("spans", data)
    except (TooManyElementsError, DecodeError):
        return
    assert elements(request) <= limit
    assert elements(request) <= protobuf_bound(SPANS, data)


def elements(message: object) -> int:
    total = 0
    for field, value in message.ListFields():  # type: ignore[attr-defined]
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                total += 1 + elements(inner)
    return total


@pytest.mark.parametrize("one", [b"{}", b"[]", b"0", b'{"a":0}', b'""'])
def test_json_of_more_values_than_the_limit_is_refused(one: bytes) -> None:
    with pytest.raises(TooManyElementsError, match="more than 1000 JSON values, which is the limit"):
        check_json(b'{"x":[' + b",".join([one] * 2000) + b"]}", LIMIT)


@pytest.mark.parametrize("text", [b",[{" * 5000, b'\\",' * 5000, b"\\\\"], ids=["brackets", "quotes", "backslashes"])
def test_brackets_and_commas_in_text_are_no_values(text: bytes) -> None:
    check_json(b'{"a":"' + text + b'","b":"' + text + b'"}', LIMIT)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_the_bound_of_json_is_never_below_its_values(value: object) -> None:
    import orjson  # noqa: PLC0415

    def values(one: object) -> int:
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        return 1 + sum(values(item) for item in inner)

    try:
        data = orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits
        return
    assert values(value) <= json_bound(data)


@pytest.mark.parametrize("limit", [1, 2, 40, 41])
def test_a_list_of_as_many_values_as_allowed_passes_and_one_more_does_not(limit: int) -> None:
    check_json(b"[" + b",".join([b"0"] * (limit - 1)) + b"]", limit)
    with pytest.raises(TooManyElementsError):
        check_json(b"[" + b",".join([b"0"] * limit) + b"]", limit)


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 30))
def test_a_message_that_is_looked_at_in_pieces_is_the_same_message(names: list[bytes], piece: int) -> None:
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    for name in names:
        span = scope.spans.add(trace_id=name, flags=7, start_time_unix_nano=1)
        span.attributes.add(key="k").value.double_value = 1.5
    data = message.SerializeToString()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure, "PIECE_BYTES", piece)
        elements = 2 + 3 * len(names)
        structure._count(ExportTraceServiceRequest.DESCRIPTOR, data, elements)
        with pytest.raises(TooManyElementsError):
            structure._count(ExportTraceServiceRequest.DESCRIPTOR, data, elements - 1)
