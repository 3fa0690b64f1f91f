"""Spans that stay encoded are those that protobuf's own parser finds, however oddly a request was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from processors.kernels.protocol import KnownGroups
from processors.kernels.reference import unpack
from telemetry import otlp
from telemetry.errors import DecodeError
from telemetry.otlp.check import MAX_REPEATED
from telemetry.otlp.decode import resource_of
from tests.pipeline.wire import message

if TYPE_CHECKING:
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

ids = st.binary(min_size=16, max_size=16).filter(any)
links = st.lists(st.builds(Span.Link, trace_id=ids, span_id=ids.map(lambda id_: id_[:7] + b"x")), max_size=2)
spans = st.builds(
    Span,
    trace_id=ids,
    span_id=ids.map(lambda id_: b"x" + id_[:7]),
    name=st.text(max_size=3),
    kind=st.integers(-1, 7),
    start_time_unix_nano=st.integers(0, 2**63 - 1),
    end_time_unix_nano=st.integers(0, 2**63 - 1),
    links=links,
    events=st.lists(st.builds(Span.Event, name=st.text(max_size=3)), max_size=2),
)
encoded_spans = st.lists(spans.map(lambda span: span.SerializeToString()), min_size=1, max_size=3)
parts = st.lists(st.text(max_size=3).map(lambda key: message((1, message((1, key))))), max_size=3)  # of one resource, or scope
urls = st.lists(st.sampled_from(["", "https://schema/1", "https://schema/2"]), max_size=2)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request whose messages come in parts and whose fields come in any order, as protobuf allows."""
    groups = []
    for _ in range(draw(st.integers(0, 3))):
        fields: list[tuple[int, int | bytes | str]] = [(1, part) for part in draw(parts)]
        for _ in range(draw(st.integers(0, 2))):
            scope: list[tuple[int, int | bytes | str]] = [(2, span) for span in draw(encoded_spans)]
            scope += [(1, message((1, name))) for name in draw(st.lists(st.text(max_size=3), max_size=2))]
            scope += [(3, url) for url in draw(urls)]
            fields.append((2, message(*draw(st.permutations(scope)))))
        fields += [(3, url) for url in draw(urls)]
        groups.append((1, message(*draw(st.permutations(fields)))))
    return message(*groups)


def canonical(request: ExportTraceServiceRequest) -> list[bytes]:
    """Each span with what it belongs to, and nothing of how they were grouped."""
    return [
        ExportTraceServiceRequest(
            resource_spans=[
                ResourceSpans(
                    resource=by_resource.resource,
                    schema_url=by_resource.schema_url,
                    scope_spans=[ScopeSpans(scope=by_scope.scope, schema_url=by_scope.schema_url, spans=[span])],
                )
            ]
        ).SerializeToString(deterministic=True)
        for by_resource in request.resource_spans
        for by_scope in by_resource.scope_spans
        for span in by_scope.spans
    ]


@given(requests())
def test_what_is_read_and_written_is_what_protobuf_reads(data: bytes) -> None:
    written = otlp.write_encoded(otlp.read_encoded(data))
    assert canonical(ExportTraceServiceRequest.FromString(written)) == canonical(ExportTraceServiceRequest.FromString(data))


@given(requests())
def test_the_head_of_a_span_says_what_the_span_says(data: bytes) -> None:
    for group in otlp.read_encoded(data):
        for encoded, head in otlp.heads_of(group):
            span = Span.FromString(encoded)
            assert (head.trace_id, head.span_id, head.parent_span_id) == (span.trace_id, span.span_id, span.parent_span_id)
            assert (head.kind, head.start_time_unix_nano) == (span.kind, span.start_time_unix_nano)
            assert head.end_time_unix_nano == span.end_time_unix_nano
            assert [(link.trace_id, link.span_id) for link in head.links] == [(li.trace_id, li.span_id) for li in span.links]


@given(spans, st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1))
def test_a_span_with_other_times_is_the_same_but_for_them(span: Span, start: int, end: int) -> None:
    found = Span.FromString(otlp.with_times(span.SerializeToString(), start, end))
    span.start_time_unix_nano, span.end_time_unix_nano = start, end
    assert found == span


@pytest.mark.parametrize(
    ("span", "field"),
    [
        (b"\x0a\xff", ""),
        (message((1, b"short"), (2, b"spanspan")), ".trace_id"),
        (message((1, b"t" * 16), (2, bytes(8))), ".span_id"),
        (message((1, b"t" * 16), (2, b"spanspan"), (13, message((1, b"l")))), ".links[0].trace_id"),
    ],
)
def test_an_invalid_span_is_named(span: bytes, field: str) -> None:
    data = message((1, message((2, message((2, message((1, b"t" * 16), (2, b"spanspan"))), (2, span))))))
    with pytest.raises(DecodeError) as error:
        [list(otlp.heads_of(group)) for group in otlp.read_encoded(data)]
    assert error.value.field == f"resource_spans[0].scope_spans[0].spans[1]{field}"


@pytest.mark.parametrize("number", [1, 2])
def test_a_resource_and_a_scope_that_are_none_are_named(number: int) -> None:
    bad = message((1, message((1, b"\xff"))))
    scope = message((1, bad if number == 2 else b""), (2, message((1, b"t" * 16), (2, b"spanspan"))))
    data = message((1, message((1, bad if number == 1 else b""), (2, scope))))
    with pytest.raises(DecodeError) as error:
        list(otlp.read_encoded(data))
    assert error.value.field == "resource_spans[0]" + (".resource", ".scope_spans[0].scope")[number - 1]


def test_what_would_be_stored_far_too_often_is_refused_without_being_unpacked() -> None:
    resource = message((1, message((1, "x" * 900_000))))
    data = message((1, message((1, resource), (2, message(*[(2, b"")] * (MAX_REPEATED // 900_000 + 1))))))
    with pytest.raises(DecodeError, match=r"resource_spans\[0\].scope_spans\[0\]: resource, scope"):
        list(otlp.read_encoded(data))


@pytest.mark.parametrize("of_resource", [True, False])
def test_a_schema_counts_as_what_is_stored_with_each_span(of_resource: bool) -> None:  # noqa: FBT001 - a parameter
    span = Span(trace_id=b"t" * 16, span_id=b"s" * 8).SerializeToString()
    url = (3, "u" * 900_000)
    many = [(2, span)] * (MAX_REPEATED // 900_000 + 1)
    scope = message(*many) if of_resource else message(url, *many)
    data = message((1, message(*([url] if of_resource else []), (2, scope))))
    for decode in (lambda: list(otlp.read_encoded(data)), lambda: otlp.parse_spans(data), lambda: otlp.SpanPacker().pack(data)):
        with pytest.raises(DecodeError, match="would be stored with each item"):
            decode()


def test_scopes_of_one_resource_share_all_that_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = 0

    def counted(message: Resource, schema_url: str) -> object:
        nonlocal decoded
        decoded += 1
        return resource_of(message, schema_url)

    monkeypatch.setattr("telemetry.otlp.packed.resource_of", counted)
    spans = [Span(trace_id=b"t" * 16, span_id=n.to_bytes(8, "big")).SerializeToString() for n in range(1, 101)]
    resource = message((1, message((1, "k" * 5000))))
    scopes = [(2, message((1, message((1, str(n)))), (2, span))) for n, span in enumerate(spans)]
    empty = [(2, message((3, "u" * 5000)))]
    packed = otlp.SpanPacker().pack(message((1, message((1, resource), (3, "s" * 5000), *scopes, *empty))))
    assert (len(packed), len({id(span.group.resource_schema) for span in packed})) == (100, 1)
    found, invalid = unpack(packed, KnownGroups())
    assert (len(found), invalid, len({id(span.resource) for span in found.values()})) == (100, 0, 1)
    assert {span.scope.name for span in found.values()} == set(map(str, range(100)))
    assert decoded == 2, "once for its service, and once to be drawn"
