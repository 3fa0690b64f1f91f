"""The native kernels beside their reference: whatever comes, they say the same."""

from __future__ import annotations

from random import Random

import orjson

from processors.kernels import reference
from processors.kernels.choose import choose
from processors.kernels.protocol import KnownGroups
from telemetry import otlp
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


TARGETS = (
    Target("kernel-split-spans", _split, _SEEDS, _WORDS, seconds_per_byte=60e-6, bytes_per_byte=3000),
    Target("kernel-unpack", _unpack, _SPANS, _WORDS, seconds_per_byte=60e-6, bytes_per_byte=3000),
)
