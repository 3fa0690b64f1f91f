"""The bounds on what a request unfolds to: what passes them has no more elements than allowed, whatever its bytes are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from collectors.compression import Body, SizeLimit
from collectors.decoding import parse
from telemetry import otlp
from telemetry.errors import DecodeError
from telemetry.otlp.request import SHAPES
from telemetry.structure import check_json, check_protobuf
from tests.fuzz.otlp import REQUESTS
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from telemetry.otlp import Signal

FEW = 40
"""Elements allowed here, so that small inputs reach the bound."""


def _elements(message: Any) -> int:
    """Messages within a message, at all depths."""
    total = 0
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in value if field.is_repeated else (value,):
                total += 1 + _elements(each)
    return total


def _values(value: Any) -> int:
    match value:
        case dict():
            return 1 + sum(map(_values, value.values()))
        case list():
            return 1 + sum(map(_values, value))
    return 1


def _of_protobuf(signal: Signal) -> Target:
    def run(data: bytes) -> None:
        check_protobuf(SHAPES[signal].message.DESCRIPTOR, data, FEW)
        elements = _elements(otlp.parse(signal, data))
        assert elements <= FEW, f"{elements} elements passed a bound of {FEW}"

    seed = otlp.json_to_protobuf(signal, orjson.dumps(REQUESTS[signal]))
    return Target(
        f"structure-protobuf-{signal}",
        run,
        (b"\x0a\x02\x12\x00" * 3, seed),
        (b"\x0a\x00", b"\x8a\x00", b"\x12\x00" * 20, b"\x0a\x02\x12\x00"),
    )


def _json(data: bytes) -> None:
    check_json(data, FEW)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DecodeError("", str(error)) from None
    assert _values(value) <= FEW, f"{_values(value)} values passed a bound of {FEW}"


def _gzip(data: bytes) -> None:
    body = Body(data, compression="gzip", limit=SizeLimit(1 << 16, "a setting"), at_once=1 << 8)
    body.decompress()
    assert body.size == len(body.plain) <= 1 << 16
    parse("spans", body.plain, encoding="protobuf", max_elements=FEW)


_JSON_WORDS = (b"[" * 30, b"{}," * 30, b'"\\"', b'"', b"\\", b"1,", b'{"a":', b"]" * 30, b"\n")
TARGETS = (
    *map(_of_protobuf, otlp.SIGNALS),
    Target("structure-json", _json, (b'{"a":[1,"x,y",{"b":null}]}', b"[" + b"0," * 30 + b"0]"), _JSON_WORDS),
    Target(
        "gzip",
        _gzip,
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00",),
        (b"\x1f\x8b\x08", b"\x00" * 8, b"\xff" * 4, b"\x04", b"\x08x\x00"),
    ),
)
