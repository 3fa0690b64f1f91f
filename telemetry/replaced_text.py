"""Text that is no Unicode, replaced by U+FFFD, so that one cut emoji does not cost a whole batch.

Parsers of protobuf and JSON refuse a message for one string that is not UTF-8, or for one half of a surrogate pair. Programs
send them: a log line cut in the middle of a character, a file name in Latin-1, a text of JavaScript cut in an emoji. The
Collector's own pipeline passes them on. Here only a message that was refused is looked at again.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.protobuf.message_factory import GetMessageClass

from telemetry.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

Parsed = TypeVar("Parsed")

MAX_REPLACED: Final = 10_000
"""Texts of a protobuf message that are replaced; one with more is refused. Each costs some microseconds."""

_MAX_DEPTH: Final = 100  # parsers of protobuf go no deeper
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}

_HIGH, _LOW = rb"u[dD][89abAB][0-9a-fA-F]{2}", rb"u[dD][c-fC-F][0-9a-fA-F]{2}"
_WHOLE = rb"(?:[^\\]++|\\(?:[^u]|u(?![dD][89a-fA-F])|" + _HIGH + rb"\\" + _LOW + rb"))*+"
_LONE_SURROGATE: Final = re.compile(rb"(" + _WHOLE + rb")(\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\|\Z)")


def parse_replacing(
    parse: Callable[[bytes], Parsed], replace: Callable[[bytes], tuple[bytes, int]], data: bytes
) -> tuple[Parsed, bytes, int]:
    """What a parser makes of data; where it refuses it for its text, of the data with that text replaced.

    Args:
        parse: raises DecodeError.
        replace: `replace_in_protobuf` or `replace_in_json`.
        data: what came.

    Returns:
        What was parsed, the data that it was parsed from, and how many texts were replaced.

    Raises:
        DecodeError: the text is not what is wrong with it, or not all.
    """
    try:
        return parse(data), data, 0
    except DecodeError:
        replaced, count = replace(data)
        if not count:
            raise
    return parse(replaced), replaced, count


def replace_in_json(data: bytes) -> tuple[bytes, int]:
    """JSON with U+FFFD for each byte sequence that is no UTF-8 and each escape of half a surrogate pair, and their number."""
    count = 0
    try:
        data.decode()
    except UnicodeDecodeError:
        text = data.decode(errors="replace")
        count = text.count(_REPLACEMENT) - data.count(_REPLACEMENT.encode())
        data = text.encode()
    lone = 0

    def without(found: re.Match[bytes]) -> bytes:
        nonlocal lone
        if len(found[2]) <= 1:
            return found[0]
        lone += 1
        return found[1] + rb"\ufffd"

    if rb"\u" in data:
        data = _LONE_SURROGATE.sub(without, data)
    return data, count + lone


def replace_in_protobuf(message: type[Message], data: bytes) -> tuple[bytes, int]:
    """A message in protobuf with U+FFFD for what is no UTF-8 in its strings, and how many strings had to change.

    What is wrong with it beside that stays as it is.

    Raises:
        DecodeError: more than MAX_REPLACED strings are no UTF-8.
    """
    replacing = _Replacing()
    try:
        return replacing.message(message, data, 0), replacing.count
    except _MalformedError:
        return data, 0


class _MalformedError(Exception):
    """Not protobuf, whatever its text."""


class _Replacing:
    """Counts what it replaces. Of each message it walks through only those parts that the parser refuses."""

    def __init__(self) -> None:
        self.count = 0

    def message(self, kind: type[Message], data: bytes, depth: int) -> bytes:
        """A message with its strings replaced where they have to be."""
        try:
            kind.FromString(data)
        except ProtobufDecodeError:
            if depth >= _MAX_DEPTH:
                raise _MalformedError from None
        else:
            return data
        fields = _fields(kind)  # type: ignore[arg-type] # a class has a hash, whatever its instances have
        parts: list[bytes] = []
        for number, wire, start, begin, end in _walk(data):
            inner = fields.get(number) if wire == _BYTES else None
            if inner is None:
                parts.append(data[start:end])
                continue
            value = data[begin:end]
            new = self._string(value) if inner is str else self.message(inner, value, depth + 1)
            parts.append(data[start:end] if new is value else _varint(number << 3 | _BYTES) + _varint(len(new)) + new)
        return b"".join(parts)

    def _string(self, value: bytes) -> bytes:
        try:
            value.decode()
        except UnicodeDecodeError:
            self.count += 1
            if self.count > MAX_REPLACED:
                raise DecodeError("", f"more than {MAX_REPLACED} texts are no UTF-8") from None
            return value.decode(errors="replace").encode()
        return value


@cache
def _fields(kind: type[Message]) -> dict[int, type]:
    """The strings of a message, as `str`, and the messages in it, by number."""
    return {
        field.number: GetMessageClass(field.message_type) if field.message_type else str  # type: ignore[arg-type] # of upb
        for field in kind.DESCRIPTOR.fields
        if field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE}
    }


def _walk(data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """The fields of a message: number, wire type, where the field, its value, and what follows begin."""
    at, size = 0, len(data)
    while at < size:
        tag, begin = _read_varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            _, end = _read_varint(data, begin)
        elif wire == _BYTES:
            length, begin = _read_varint(data, begin)
            end = begin + length
        elif wire in _FIXED:
            end = begin + _FIXED[wire]
        else:  # groups, which no message of ours has
            raise _MalformedError
        if end > size:
            raise _MalformedError
        yield tag >> 3, wire, at, begin, end
        at = end


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while shift < 70:
        if at >= len(data):
            break
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return number, at
        shift += 7
    raise _MalformedError


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
