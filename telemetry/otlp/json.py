"""OTLP/JSON export requests to protobuf.

The rules of the OTLP specification, "JSON Protobuf Encoding", on top of ProtoJSON: trace and span ids in hex of any case,
enums as integers only, unknown names ignored, 64-bit integers as a string or a number. Names in lowerCamelCase; the names
of the .proto files are accepted too, as by the OpenTelemetry Collector.

A table of readers is made from each message's descriptor, once; reading walks the JSON along it and gives upb the whole
request in one call.
"""

from __future__ import annotations

import base64
import math
import re
from functools import cache, cached_property
from typing import TYPE_CHECKING

import orjson
from google.protobuf.descriptor import FieldDescriptor

from telemetry.errors import DecodeError
from telemetry.json_text import BOM
from telemetry.otlp.request import MAX_DEPTH, NOT_HEX, SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from telemetry.otlp.request import Signal

    Reader = Callable[[object, int], object]

_HEX_FIELDS = {"trace_id", "span_id", "parent_span_id"}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,400})(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_STANDARD_ALPHABET = str.maketrans("-_", "+/")
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def json_to_protobuf(signal: Signal, data: bytes) -> bytes:
    """The protobuf export request that an OTLP/JSON export request means.

    Raises:
        DecodeError: as `parse_json`.
    """
    encoded: bytes = parse_json(signal, data).SerializeToString()
    return encoded


def parse_json(signal: Signal, data: bytes) -> Message:
    """The export request of OTLP/JSON as a protobuf message; its items are not checked (see `reject`).

    Raises:
        DecodeError: not JSON, or not such a request; names the field, as in `resourceSpans[0].scopeSpans[1].spans[4].kind`.
    """
    return _message(signal, _loads(data))


def parse_any_json(data: bytes) -> list[tuple[Signal, Message]]:
    """As `parse_json`, for one that does not say its signal: it is known from the names at the top. Usually there is one.

    Raises:
        DecodeError: as `parse_json`, or the signal cannot be known.
    """
    value = _loads(data)
    if type(value) is dict:
        found = [
            signal for signal, shape in SHAPES.items() if shape.by_resource in value or json_path(shape.by_resource) in value
        ]
        if found:
            return [(signal, _message(signal, value)) for signal in found]
    expected = ", ".join(json_path(shape.by_resource) for shape in SHAPES.values())
    raise DecodeError("", f"not an OTLP export request: an object with one of {expected} is expected")


def _loads(data: bytes) -> object:
    try:
        return orjson.loads(data.removeprefix(BOM))
    except orjson.JSONDecodeError as error:
        raise DecodeError("", f"not JSON: {error}") from error


def _message(signal: Signal, value: object) -> Message:
    message = SHAPES[signal].message
    try:
        return message(**_message_reader(message.DESCRIPTOR)(value, 1))
    except _WrongError as wrong:
        raise DecodeError("".join(reversed(wrong.path)).removeprefix("."), wrong.reason) from None


class _WrongError(Exception):
    """A value that does not fit; gathers its path, innermost first, on the way out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []

    def inside(self, step: str) -> _WrongError:
        self.path.append(step)
        return self


def _is_not(value: object, what: str) -> _WrongError:
    return _WrongError(f"must be {what}, not {_shown(value)}")


def _shown(value: object) -> str:
    try:
        shown = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # it reads what is nested deeper than it writes
        shown = "what is nested so deep"
    return shown if len(shown) <= 60 else shown[:57] + "..."


class _MessageReader:
    """Reads one kind of message. Its table is made at the first use, for AnyValue holds AnyValue."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor

    @cached_property
    def _fields(self) -> dict[str, tuple[str, str, str | None, Reader]]:
        """By name in JSON: the name in protobuf, the name to show, the oneof if any, and the reader of the value."""
        fields = {}
        for field in self._descriptor.fields:
            oneof = field.containing_oneof
            reader = _field_reader(field)
            entry = (
                field.name,
                field.json_name,
                oneof.name if oneof is not None and len(oneof.fields) > 1 else None,
                _list_reader(reader) if field.is_repeated else reader,
            )
            fields[field.json_name] = fields[field.name] = entry
        return fields

    def __call__(self, value: object, depth: int) -> dict[str, object]:
        if type(value) is not dict:
            raise _is_not(value, "an object")
        if depth > MAX_DEPTH:
            raise _WrongError(f"nested deeper than {MAX_DEPTH} messages")
        fields = self._fields
        result: dict[str, object] = {}
        oneofs: list[str] = []
        for key, item in value.items():
            known = fields.get(key)
            if known is None or item is None:
                continue
            name, shown, oneof, reader = known
            if name in result:
                raise _WrongError("given twice, under both its names").inside(f".{shown}")
            if oneof is not None:
                if oneof in oneofs:
                    raise _WrongError("stands beside another of which only one can be").inside(f".{shown}")
                oneofs.append(oneof)
            try:
                result[name] = reader(item, depth + 1)
            except _WrongError as wrong:
                raise wrong.inside(f".{shown}")  # noqa: B904 - the same error, with its place
        return result


_message_reader = cache(_MessageReader)


def _list_reader(reader: Reader) -> Reader:
    def read(value: object, depth: int) -> list[object]:
        if type(value) is not list:
            raise _is_not(value, "an array")
        result = []
        for i, item in enumerate(value):
            try:
                result.append(reader(item, depth))
            except _WrongError as wrong:
                raise wrong.inside(f"[{i}]")  # noqa: B904 - the same error, with its place
        return result

    return read


def _field_reader(field: FieldDescriptor) -> Reader:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return _message_reader(field.message_type)
    if field.name in _HEX_FIELDS:
        return _hex
    if field.name.endswith("time_unix_nano"):
        return _time
    return _SCALARS[field.type]


def _string(value: object, _depth: int) -> str:
    if type(value) is not str:
        raise _is_not(value, "a string")
    return value


def _bool(value: object, _depth: int) -> bool:
    if type(value) is not bool:
        raise _is_not(value, "true or false")
    return value


def _hex(value: object, _depth: int) -> bytes:
    """An id. One that is none refuses its item only, see `telemetry.otlp.check`."""
    try:
        decoded = bytes.fromhex(value) if type(value) is str else None
    except ValueError:
        decoded = None
    if decoded is None or 2 * len(decoded) != len(value):  # type: ignore[arg-type] # fromhex skips blanks
        return NOT_HEX + _shown(value).encode()
    return decoded


def _base64(value: object, _depth: int) -> bytes:
    """Standard or URL-safe alphabet, with or without padding, as ProtoJSON has it."""
    if type(value) is not str:
        raise _is_not(value, "bytes in base64")
    bare = value.translate(_STANDARD_ALPHABET).rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        raise _is_not(value, "bytes in base64") from None


def _enum(value: object, _depth: int) -> int:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise _is_not(value, "an enum's integer (OTLP has no enum names)")
    return value


def _integer(low: int, high: int) -> Callable[[object, int], int]:
    what = f"an integer from {low} to {high}"

    def read(value: object, _depth: int) -> int:
        if type(value) is int:
            number = value
        elif (type(value) is str and _INTEGER.fullmatch(value)) or (type(value) is float and value.is_integer()):
            number = int(value)
        else:
            raise _is_not(value, what)
        if not low <= number <= high:
            raise _is_not(value, what)
        return number

    return read


_signed_or_unsigned = _integer(-(2**63), 2**64 - 1)


def _time(value: object, depth: int) -> int:
    """Nanoseconds. A negative one keeps its bits in protobuf: Go writers send their unset time so."""
    return _signed_or_unsigned(value, depth) % 2**64


def _double(value: object, _depth: int) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    if type(value) is str:
        if value in _WORDS:
            return _WORDS[value]
        if _NUMBER.fullmatch(value):
            return float(value)
    raise _is_not(value, "a number")


_SCALARS: dict[int, Reader] = {
    FieldDescriptor.TYPE_STRING: _string,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_BYTES: _base64,
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_ENUM: _enum,
    FieldDescriptor.TYPE_UINT64: _integer(0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: _integer(0, 2**64 - 1),
    FieldDescriptor.TYPE_SFIXED64: _integer(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_INT64: _integer(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: _integer(0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: _integer(0, 2**32 - 1),
    FieldDescriptor.TYPE_INT32: _integer(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: _integer(-(2**31), 2**31 - 1),
}
"""How the scalar types that OTLP uses are read."""


def json_path(path: str) -> str:
    """A field's path in the names of OTLP/JSON: `resource_spans[0]` as `resourceSpans[0]`."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), path)
