from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.exchange import partitions
from pipeline.exchange.batch_sender import BatchSender
from pipeline.exchange.codec import HEADER, BatchKind
from pipeline.incoming import RekeyCounts, protobuf
from pipeline.rekey import log_documents, merge_requests
from processors.call_graph.span_links import link_queries_of
from processors.kernels.reference import split_spans
from telemetry import otlp
from telemetry.errors import DecodeError
from telemetry.logs import LogRecord
from telemetry.metrics import Series
from telemetry.resource import Resource
from telemetry.span_links import LinkQuery, SpanReference
from telemetry.spans import SpanKind, SpanLink
from telemetry.structure import TooManyElementsError
from tests.generated import traces
from tests.pipeline.parts import Event, KeepingTopic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.spans import Span


def spans(count: int, seed: int = 1) -> list[Span]:
    return [span for trace in traces(count, seed) for span in trace]


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 16), st.integers(0, 100))
def test_a_request_is_split_into_requests_of_whole_traces_with_every_span_once(count: int, parts: int, seed: int) -> None:
    sent = spans(count, seed)
    found = {
        partition: otlp.decode_spans(value) for partition, value in split_spans(otlp.encode_spans(sent), parts, 0)[0].items()
    }
    assert Counter(map(repr, sent)) == Counter(repr(span) for part in found.values() for span in part)
    for partition, part in found.items():
        assert {partitions.of_trace(span.trace_id, parts) for span in part} == {partition}


def test_resource_scope_and_fields_that_we_do_not_read_survive_the_split() -> None:
    request = ExportTraceServiceRequest.FromString(otlp.encode_spans(spans(1)))
    group = request.resource_spans[0]
    group.schema_url, group.resource.dropped_attributes_count = "https://schema/1", 3
    group.scope_spans[0].schema_url, group.scope_spans[0].scope.version = "https://schema/2", "9"
    group.scope_spans[0].spans[0].flags = 257
    (value,) = split_spans(request.SerializeToString(), 1, 0)[0].values()
    assert ExportTraceServiceRequest.FromString(value) == request


def test_an_invalid_span_names_its_field_and_nothing_of_the_request_is_sent() -> None:
    request = ExportTraceServiceRequest.FromString(otlp.encode_spans(spans(1)))
    request.resource_spans[1].scope_spans[0].spans[0].trace_id = b"short"
    with pytest.raises(DecodeError, match=r"resource_spans\[1\].scope_spans\[0\].spans\[0\].trace_id"):
        split_spans(request.SerializeToString(), 4, 0)


def test_requests_one_behind_the_other_are_one_request() -> None:
    first, second = spans(1, 1), spans(2, 2)
    merged = otlp.decode_spans(merge_requests([otlp.encode_spans(first), otlp.encode_spans(second)]))
    assert {span.span_id for span in merged} == {span.span_id for span in first + second}


def hexed(message: Any) -> Any:
    """OTLP's JSON has ids in hex where protobuf's has base64."""
    text: Any = json_format.MessageToDict(message)
    for group, plain in zip(message.resource_spans, text["resourceSpans"], strict=True):
        for scope, plain_scope in zip(group.scope_spans, plain["scopeSpans"], strict=True):
            for span, plain_span in zip(scope.spans, plain_scope["spans"], strict=True):
                plain_span |= {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex(), "kind": span.kind}
                if span.parent_span_id:
                    plain_span["parentSpanId"] = span.parent_span_id.hex()
                if span.HasField("status") and span.status.code:
                    plain_span["status"]["code"] = span.status.code
    return text


def test_json_and_protobuf_of_one_request_are_the_same_to_us() -> None:
    value = otlp.encode_spans(spans(2))
    text = json.dumps(hexed(ExportTraceServiceRequest.FromString(value))).encode()
    assert otlp.decode_spans(protobuf(Event("otlp_spans", 0, 0, text), "spans", RekeyCounts())) == otlp.decode_spans(value)
    assert protobuf(Event("otlp_spans", 0, 0, value), "spans", RekeyCounts()) == value


@pytest.mark.parametrize("value", [b"{", b'{"resourceSpans": 7}'])
def test_json_that_is_no_request_is_an_error_of_input(value: bytes) -> None:
    with pytest.raises(DecodeError):
        protobuf(Event("otlp_spans", 0, 0, value), "spans", RekeyCounts())


def test_a_record_without_a_value_has_no_spans() -> None:
    event = Event("otlp_spans", 0, 0)
    event.value = None  # a tombstone
    assert split_spans(protobuf(event, "spans", RekeyCounts()), 4, 0) == ({}, [], 0)


def test_log_lines_that_are_twice_in_a_request_are_two_documents_and_the_same_two_when_read_again() -> None:
    line = LogRecord(1, "out of memory", Resource({"service.name": "shop"}))
    other = LogRecord(1, "started", Resource({"service.name": "shop"}))
    first = [document.id for document in log_documents([line, other, line], 0)]
    assert len(set(first)) == 3
    assert [document.id for document in log_documents([line, other, line], 0)] == first
    assert next(log_documents([line], 0)).id == first[0]


@given(st.binary(min_size=16, max_size=16), st.integers(1, 64))
def test_the_owner_of_a_trace_is_one_of_the_partitions(trace_id: bytes, count: int) -> None:
    assert 0 <= partitions.of_trace(trace_id, count) < count


def test_ids_of_which_half_is_not_random_are_spread_all_the_same() -> None:
    owners = Counter(partitions.of_trace(bytes(8) + number.to_bytes(8, "big"), 4) for number in range(4000))
    assert min(owners.values()) > 800
    series = Counter(partitions.of_series(Series("up", (("instance", str(number)),)), 4) for number in range(4000))
    assert min(series.values()) > 800


def joined(items: Sequence[bytes]) -> bytes:
    return b"|".join(items)


async def test_small_records_leave_together_when_there_are_enough_of_them() -> None:
    topic: Any = KeepingTopic()
    sender = BatchSender[bytes](topic, BatchKind.SPANS, joined, Counter(), size=3, linger=60)
    futures = [sender.add(1, [value]) for value in (b"a", b"b", b"c")]
    await asyncio.gather(*futures)
    (sent,) = topic.sent
    assert (sent.partition, sent.value, sent.headers) == (1, b"a|b|c", {HEADER: b"spans"})


async def test_few_of_them_leave_when_they_have_waited() -> None:
    topic: Any = KeepingTopic()
    sender = BatchSender[bytes](topic, BatchKind.SPANS, joined, Counter(), size=100, linger=0.001)
    await asyncio.gather(sender.add(0, [b"a"]), sender.add(1, [b"b"]))
    assert sorted((sent.partition, sent.value) for sent in topic.sent) == [(0, b"a"), (1, b"b")]


async def test_a_log_that_refuses_is_told_to_everyone_who_waits() -> None:
    topic: Any = KeepingTopic()

    async def refuse(**_: Any) -> None:
        raise ConnectionError("gone")

    topic.send = refuse
    sender = BatchSender[bytes](topic, BatchKind.SPANS, joined, Counter(), size=2, linger=60)
    first, second = sender.add(0, [b"a"]), sender.add(0, [b"b"])
    for future in (first, second):
        with pytest.raises(ConnectionError):
            await future


def test_a_request_tells_the_receipts_of_its_spans() -> None:
    receiver, other = next(traces(1))[:2]
    link = SpanLink(b"elsewhere-------", b"sender--", {})
    zeros = SpanLink(bytes(16), bytes(8), {})
    receiver = replace(receiver, kind=SpanKind.CONSUMER, links=(link, SpanLink(other.trace_id, other.span_id, {}), zeros))
    _, received, _ = split_spans(otlp.encode_spans([receiver, replace(other, kind=SpanKind.SERVER, links=(link,))]), 4, 0)
    message = SpanReference(link.trace_id, link.span_id)
    assert received == list(link_queries_of(receiver)) == [LinkQuery(message, receiver.trace_id, receiver.start)]


@pytest.mark.parametrize("signal", otlp.SIGNALS)
@pytest.mark.parametrize("value", [b"\x0a\x00" * 1_100_000, b'{"a":[' + b",".join([b"{}"] * 1_100_000) + b"]}"])
def test_a_record_that_would_unfold_to_more_than_it_may_is_not_built(signal: otlp.Signal, value: bytes) -> None:
    with pytest.raises(TooManyElementsError, match="more than 1000000 "):
        protobuf(Event("otlp_spans", 0, 0, value), signal, RekeyCounts())
