"""Encoded spans to spans, in Python and in the native core."""

from __future__ import annotations

import gc
import tracemalloc
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from processors.kernels import reference
from processors.kernels.native import NativeKernels
from processors.kernels.protocol import KnownGroups
from telemetry import otlp
from telemetry.otlp import PackedSpan, SpanGroup, SpanPacker
from telemetry.spans import NONE_DROPPED, SpanKind, StatusCode
from tests.contracts.kernels.wire import Writer, bytes_field
from tests.generated import traces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processors.kernels.extension import Extension
    from processors.kernels.protocol import Kernels

GROUP = SpanGroup(bytes_field(1, bytes_field(1, b"service.name") + bytes_field(2, bytes_field(1, b"cart"))), "", b"", "")


def packed(encoded: Iterable[bytes]) -> list[PackedSpan]:
    return [PackedSpan(b"", number.to_bytes(8, "big"), 0, one, GROUP, b"") for number, one in enumerate(encoded)]


def test_spans_are_what_was_sent(kernels: Kernels) -> None:
    sent = [span for trace in traces(30) for span in trace]
    found, invalid = kernels.unpack(SpanPacker().pack(otlp.encode_spans(sent)), KnownGroups())
    assert invalid == 0
    assert sorted(map(repr, found.values())) == sorted(map(repr, sent))
    assert all(span.dropped is NONE_DROPPED for span in found.values())


def test_numbers_that_no_kind_or_status_has_are_unspecified(kernels: Kernels) -> None:
    message = SpanMessage(trace_id=b"t" * 16, parent_span_id=bytes(8))
    encoded = message.SerializeToString() + b"\x30\x63" + bytes_field(15, b"\x18\x63")
    found, _ = kernels.unpack(packed([encoded]), KnownGroups())
    (span,) = found.values()
    assert (span.kind, span.status, span.parent_span_id) == (SpanKind.UNSPECIFIED, StatusCode.UNSET, b"")


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(b"\x0a\x10short", id="cut off"),
        pytest.param(bytes_field(5, b"\xff"), id="no text"),
        pytest.param(bytes_field(11, b"\x09" + b"\xff" * 8), id="an event past the year 2262"),
    ],
)
def test_what_is_no_span_is_counted_and_costs_no_other(kernels: Kernels, wrong: bytes) -> None:
    right = SpanMessage(name="right").SerializeToString()
    found, invalid = kernels.unpack(packed([right, wrong, right]), KnownGroups())
    assert invalid == 1
    assert [span.name for span in found.values()] == ["right", "right"]


def test_nothing_that_sdks_write_is_handed_back(native: NativeKernels) -> None:
    spans = packed(Writer(Random(seed)).span() for seed in range(500))
    assert len(native.unpack(spans, KnownGroups())[0]) == 500
    assert native.counts == {("unpack", "native"): 500, ("unpack", "handed_back"): 0}


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((0.0, 0.002, 0.02)))
def test_both_give_the_same_spans(extension: Extension, seed: int, odd: float) -> None:
    writer = Writer(Random(seed), odd)
    spans = packed(writer.span() for _ in range(5))
    expected, expected_invalid = reference.unpack(spans, KnownGroups())
    found, invalid = NativeKernels(extension).unpack(spans, KnownGroups())
    assert (repr(found), invalid) == (repr(expected), expected_invalid)


def test_names_that_never_come_again_do_not_pile_up(native: NativeKernels) -> None:
    def some(first: int) -> None:
        pairs = (bytes_field(9, bytes_field(1, b"key.%d" % number)) for number in range(first, first + 20_000))
        native.unpack(packed([b"".join(pairs)]), KnownGroups())

    some(0)
    tracemalloc.start()
    for round_ in range(1, 6):
        some(20_000 * round_)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1 << 20
