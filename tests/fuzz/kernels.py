"""The native kernels beside their reference: whatever comes, they say the same."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import orjson
from google.protobuf.message import DecodeError as ProtobufDecodeError

from processors.kernels import reference
from processors.kernels.choose import choose
from processors.kernels.protocol import KnownGroups
from stores.checks import json_text
from telemetry import otlp
from telemetry.documents.encoded_span import EncodedSpanDocument
from telemetry.documents.signals import span_document
from telemetry.errors import DecodeError
from telemetry.otlp import PackedSpan, SpanGroup
from tests.contracts.kernels.outcome import outcome
from tests.contracts.kernels.wire import Writer
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


TARGETS = (
    Target("kernel-split-spans", _split, _SEEDS, _WORDS, seconds_per_byte=60e-6, bytes_per_byte=3000),
    Target("kernel-span-documents", _document, _SPANS, _WORDS, seconds_per_byte=60e-6, bytes_per_byte=3000),
    Target("kernel-unpack", _unpack, _SPANS, _WORDS, seconds_per_byte=60e-6, bytes_per_byte=3000),
)
