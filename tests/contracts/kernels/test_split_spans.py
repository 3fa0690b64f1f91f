"""The split of a request by partition, in Python and in the native core."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from processors.kernels import reference
from processors.kernels.native import NativeKernels
from processors.kernels.protocol import SplitSpans
from processors.kernels.trace_partition import of_trace
from telemetry import otlp
from telemetry.errors import DecodeError
from telemetry.span_links import LinkQuery, SpanReference
from tests.contracts.kernels.outcome import outcome
from tests.contracts.kernels.wire import Writer
from tests.generated import traces

if TYPE_CHECKING:
    from processors.kernels.extension import Extension
    from processors.kernels.protocol import Kernels

ARRIVED = 1_700_000_000_000_000_000


def request_of(count: int = 20) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(otlp.encode_spans([span for trace in traces(count) for span in trace]))


@pytest.mark.parametrize("partitions", [1, 4, 300])
def test_each_span_is_in_the_part_of_its_trace_as_it_came(kernels: Kernels, partitions: int) -> None:
    request = request_of()
    sent = {span.span_id: span for group in request.resource_spans for span in group.scope_spans[0].spans}
    split = kernels.split_spans(request.SerializeToString(), partitions, ARRIVED)
    for partition, value in split.parts.items():
        for group in ExportTraceServiceRequest.FromString(value).resource_spans:
            assert group.resource in [one.resource for one in request.resource_spans]
            for span in group.scope_spans[0].spans:
                assert of_trace(span.trace_id, partitions) == partition
                assert sent.pop(span.span_id) == span
    assert sent == {}
    assert (split.queries, split.untimed) == ([], 0)


def test_spans_without_times_get_that_of_their_arrival(kernels: Kernels) -> None:
    request = request_of(1)
    spans = [span for group in request.resource_spans for span in group.scope_spans[0].spans][:4]
    for span, times in zip(spans, ((0, 0), (7, 0), (0, 2 * 10**18), (0, 5)), strict=True):
        span.start_time_unix_nano, span.end_time_unix_nano = times
    changed = {span.span_id for span in spans}
    split = kernels.split_spans(request.SerializeToString(), 1, ARRIVED)
    (value,) = split.parts.values()
    found = {
        span.span_id: (span.start_time_unix_nano, span.end_time_unix_nano)
        for group in ExportTraceServiceRequest.FromString(value).resource_spans
        for span in group.scope_spans[0].spans
        if span.span_id in changed
    }
    assert split.untimed == 4
    assert [found[span.span_id] for span in spans] == [
        (ARRIVED, ARRIVED), (7, 7), (2 * 10**18, 2 * 10**18), (ARRIVED - 5, ARRIVED),
    ]  # fmt: skip


def test_spans_that_receive_messages_ask_for_their_senders(kernels: Kernels) -> None:
    request = request_of(1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.kind = Span.SPAN_KIND_CONSUMER
    span.links.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    span.links.add(trace_id=span.trace_id, span_id=b"s" * 8)  # its own trace
    span.links.add(trace_id=bytes(16), span_id=b"s" * 8)  # nobody's
    split = kernels.split_spans(request.SerializeToString(), 4, ARRIVED)
    assert split.queries == [LinkQuery(SpanReference(b"t" * 16, b"s" * 8), span.trace_id, span.start_time_unix_nano)]


def test_what_is_invalid_is_an_error_that_names_the_field(kernels: Kernels) -> None:
    request = request_of(1)
    request.resource_spans[1].scope_spans[0].spans[0].trace_id = b"short"
    with pytest.raises(DecodeError, match=r"resource_spans\[1\].scope_spans\[0\].spans\[0\].trace_id"):
        kernels.split_spans(request.SerializeToString(), 4, ARRIVED)


def test_what_would_be_stored_a_hundred_thousand_times_is_refused(kernels: Kernels) -> None:
    request = request_of(1)
    request.resource_spans[0].resource.attributes.add(key="large").value.string_value = "x" * (2 << 20)
    spans = request.resource_spans[0].scope_spans[0].spans
    for _ in range(64):
        spans.add().CopyFrom(spans[0])
    with pytest.raises(DecodeError, match="more than 134217728 bytes"):
        kernels.split_spans(request.SerializeToString(), 4, ARRIVED)


def test_nothing_that_sdks_write_is_handed_back(native: NativeKernels) -> None:
    for trace in traces(100):
        native.split_spans(otlp.encode_spans(trace), 4, ARRIVED)
    for seed in range(100):
        native.split_spans(Writer(Random(seed)).request(), 4, ARRIVED)
    assert native.counts == {("split_spans", "native"): 200}


@settings(max_examples=400, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    odd=st.sampled_from((0.0, 0.002, 0.02)),
    partitions=st.sampled_from((1, 2, 4, 7)),
    arrived=st.sampled_from((0, 1, ARRIVED)),
)
def test_both_give_the_same_bytes(extension: Extension, seed: int, odd: float, partitions: int, arrived: int) -> None:
    request, native = Writer(Random(seed), odd).request(), NativeKernels(extension)
    expected = outcome(lambda: reference.split_spans(request, partitions, arrived))
    found = outcome(lambda: native.split_spans(request, partitions, arrived))
    assert found == expected
    if isinstance(found, SplitSpans) and isinstance(expected, SplitSpans):
        assert list(found.parts) == list(expected.parts)


@pytest.mark.parametrize(
    ("partitions", "arrived", "way"),
    [
        (1, 0, "native"),
        (2**16, 2**63 - 1, "native"),
        (2**16 + 1, ARRIVED, "handed_back"),
        (2**32 - 1, ARRIVED, "handed_back"),
        (2**32, ARRIVED, "handed_back"),
        (4, 2**63, "handed_back"),
        (4, -1, "handed_back"),
    ],
)
def test_numbers_that_the_core_has_no_room_for_are_handed_back(
    native: NativeKernels, partitions: int, arrived: int, way: str
) -> None:
    request = otlp.encode_spans(next(traces(1)))
    assert native.split_spans(request, partitions, arrived) == reference.split_spans(request, partitions, arrived)
    assert native.counts == {("split_spans", way): 1}
