"""The native kernels beside their reference: whatever comes, they say the same."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import orjson
from google.protobuf.message import DecodeError as ProtobufDecodeError

from processors.assembly.assembler import log_summary
from processors.kernels import reference
from processors.kernels.choose import choose
from processors.kernels.protocol import HopPlace, KnownGroups
from stores.checks import json_text
from telemetry import otlp
from telemetry.documents import trace_document
from telemetry.documents.encoded_hop import EncodedHopDocument
from telemetry.documents.encoded_span import EncodedSpanDocument
from telemetry.documents.encoded_trace import EncodedTraceDocument
from telemetry.documents.signals import span_document
from telemetry.errors import DecodeError
from telemetry.otlp import PackedSpan, SpanGroup
from tests.contracts.kernels.counters import counters
from tests.contracts.kernels.outcome import outcome
from tests.contracts.kernels.wire import Writer
from tests.contracts.kernels.worlds import world
from tests.fuzz.otlp import REQUESTS
from tests.fuzz.target import Target

_CHOSEN = choose("auto")
"""The native ones where they are installed; elsewhere the reference is compared with itself."""

_SEEDS = (
    otlp.json_to_protobuf("spans", orjson.dumps(REQUESTS["spans"])),
    *(Writer(Random(seed)).request(2) for seed in range(4)),
)
_SPANS = tuple(Writer(Random(seed)).span() for seed in range(6))
_WORDS = (b"\x0a\x00", b"\xff" * 10, b"\x12\x00" * 8, b"\x0a\x02\x12\x00", b"\x3a\x01a", b"\x39" + bytes(8), b"\x0b\x0c")


def _split(data: bytes) -> None:
    found = outcome(lambda: _CHOSEN.split_spans(data, 4, 1))
    assert found == outcome(lambda: reference.split_spans(data, 4, 1)), "the parts differ"
    if isinstance(found, str):
        raise DecodeError("", found)


def _unpack(data: bytes) -> None:
    spans = [PackedSpan(b"", b"", 0, data, SpanGroup(b"", "", b"", ""), b"")]
    found = _CHOSEN.unpack(spans, KnownGroups())
    assert repr(found) == repr(reference.unpack(spans, KnownGroups())), "the spans differ"
    if found[1]:
        raise DecodeError("", "no span")


_GROUP = SpanGroup(b"", "", b"", "")


def _document(data: bytes) -> None:
    packed = PackedSpan(b"", b"", 0, data, _GROUP, b"")
    try:
        span = packed.unpack()
    except ProtobufDecodeError as error:
        raise DecodeError("", str(error)) from error
    (document,) = _CHOSEN.span_documents([span], [replace(packed, side=span.side)])
    expected = span_document(span)
    assert (document.id, document.time) == (expected.id, expected.time), "the ids differ"
    if isinstance(document, EncodedSpanDocument):
        assert document.json == json_text(expected.body), "the bodies differ"
    else:
        assert repr(document) == repr(expected), "the documents differ"


_PLACE = HopPlace(revision=2, partition=1, width=10_000_000_000)


def _draw(data: bytes) -> None:
    """A request of which the spans of the first trace are drawn."""
    packed = {one.span_id + one.side: one for one in otlp.SpanPacker().pack(data)}
    first = next(iter(packed.values()), None)
    spans, _ = reference.unpack([one for one in packed.values() if first and one.trace_id == first.trace_id], KnownGroups())
    if not spans:
        raise DecodeError("", "no span")
    of_trace = list(spans.values())
    found, expected = (
        _CHOSEN.draw_trace(of_trace, [packed[span.key] for span in of_trace], _PLACE),
        reference.draw_trace(of_trace, _PLACE),
    )
    assert repr(found.graph) == repr(expected.graph), "the graphs differ"
    for document, other in zip(found.hops, expected.hops, strict=True):
        assert (document.id, document.time) == (other.id, other.time), "the ids differ"
        assert not isinstance(document, EncodedHopDocument) or document.json == json_text(other.body), "the bodies differ"
    assert counters(_CHOSEN, [found], _PLACE) == counters(_PYTHON, [expected], _PLACE), "the counters differ"
    if found.json is not None:
        document = EncodedTraceDocument(found.graph, found.json, 2, _LOGS)
        assert document.json == json_text(trace_document(expected.graph, 2, _LOGS).body), "the traces' documents differ"


_LOGS = log_summary([], [])
_PYTHON = choose("off")
_TRACES = tuple(otlp.encode_spans(world(Random(seed), 6)) for seed in range(6))

TARGETS = (
    Target("kernel-draw-trace", _draw, _TRACES, _WORDS, seconds_per_byte=60e-6, bytes_per_byte=3000),
    Target("kernel-split-spans", _split, _SEEDS, _WORDS, seconds_per_byte=60e-6, bytes_per_byte=3000),
    Target("kernel-span-documents", _document, _SPANS, _WORDS, seconds_per_byte=60e-6, bytes_per_byte=3000),
    Target("kernel-unpack", _unpack, _SPANS, _WORDS, seconds_per_byte=60e-6, bytes_per_byte=3000),
)
