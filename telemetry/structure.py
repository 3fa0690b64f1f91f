"""How much a message in protobuf or JSON would unfold to, found without building it.

A message of two bytes on the wire is a hundred and more in memory, so a small body can fill a large machine. What is counted
here are elements: messages within messages (spans, events, links, attributes and their values, data points, exemplars,
quantiles), and values in JSON. Every one of them is at least two bytes, so that most bodies need no look at all; then a sum
over single bytes gives an upper bound; only where that is too high the elements are counted, level by level: the parts of
messages of one level put one behind the other are again one message, which protobuf's own parser parses, in pieces of some MiB.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError as ProtobufDecodeError

from telemetry.errors import DecodeError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google._upb._message import Descriptor as UpbDescriptor
    from google._upb._message import FieldDescriptor as UpbFieldDescriptor
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    AnyDescriptor = Descriptor | UpbDescriptor

MAX_ELEMENTS: Final = 1_000_000
"""Elements of one message, unless configured: some 8 MiB of ordinary spans, and 170 MiB of empty ones."""

ELEMENT_BYTES: Final = 180
"""Bytes of an element in memory at most, as measured: an empty span, and its place in a list that doubles as it grows."""

PIECE_BYTES: Final = 4 * 2**20
"""Bytes of messages that are counted together: an element of two bytes takes 34 while it is."""

_MAX_DEPTH: Final = 100  # parsers of protobuf go no deeper

_VARINT, _LENGTH, _SIZES, _LONGEST_VARINT = 0, 2, {1: 8, 3: 0, 4: 0, 5: 4, 6: 0, 7: 0}, 10  # by wire type

_JSON_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)


class TooManyElementsError(InputError):
    """A message that would unfold to more than the limit. Smaller batches would pass."""


def check_protobuf(descriptor: AnyDescriptor, data: bytes, max_elements: int = MAX_ELEMENTS) -> None:
    """Refuse a protobuf message that has more elements than allowed.

    Args:
        descriptor: of the message.
        data: the message.
        max_elements: how many messages within messages there may be.

    Raises:
        TooManyElementsError: there are more.
        DecodeError: not such a message. One that passes may still be none.
    """
    if len(data) // 2 > max_elements and protobuf_bound(descriptor, data) > max_elements:
        _count(descriptor, data, max_elements)


def check_json(data: bytes, max_elements: int = MAX_ELEMENTS) -> None:
    """Refuse JSON that has more values than allowed.

    Raises:
        TooManyElementsError: there are more.
    """
    if (len(data) + 1) // 2 > max_elements and json_bound(data) > max_elements:
        values = json_bound(_JSON_STRING.sub(b"", data))
        if values > max_elements:
            raise _too_many(max_elements, "JSON values")


def protobuf_bound(descriptor: AnyDescriptor, data: bytes) -> int:
    """At least as many elements as a message has: bytes that could be the tag of one."""
    return len(data) - len(data.translate(None, _tags(descriptor)))


def json_bound(data: bytes) -> int:
    """At least as many values as JSON has: each but the first follows a bracket or a comma."""
    return 1 + data.count(b"{") + data.count(b"[") + data.count(b",")


def _too_many(limit: int, what: str) -> TooManyElementsError:
    return TooManyElementsError(f"the message holds more than {limit} {what}, which is the limit; send smaller batches")


def _count(descriptor: AnyDescriptor, data: bytes, max_elements: int) -> None:
    total = 0
    level: dict[AnyDescriptor, list[bytes]] = {descriptor: [data]}
    for _ in range(_MAX_DEPTH):
        below: dict[AnyDescriptor, list[bytes]] = {}
        for kind, parts in level.items():
            for piece in _pieces(parts, max_elements):
                try:
                    shallow = _shallow(kind).FromString(piece)
                except ProtobufDecodeError as error:
                    raise DecodeError("", f"not a protobuf {descriptor.name}: {error}") from error
                for field, inner in _message_fields(kind):
                    found = getattr(shallow, field.name)
                    total += len(found)
                    if total > max_elements:
                        raise _too_many(max_elements, f"elements ({field.name} and what is beside and around them)")
                    if found and _message_fields(inner):
                        below.setdefault(inner, []).append(b"".join(found))
        if not below:
            return
        level = below


def _pieces(parts: Iterable[bytes], max_elements: int) -> Iterator[bytes]:
    """Messages of one kind, put one behind the other up to PIECE_BYTES; one that is larger is cut between its fields."""
    gathered: list[bytes] = []
    size = 0
    for part in parts:
        for piece in (part,) if len(part) <= PIECE_BYTES else _cut(part, max_elements):
            if size + len(piece) > PIECE_BYTES and gathered:
                yield b"".join(gathered)
                gathered, size = [], 0
            gathered.append(piece)
            size += len(piece)
    if gathered:
        yield b"".join(gathered)


def _cut(data: bytes, max_elements: int) -> Iterator[bytes]:
    """A message in pieces with whole fields."""
    begin = end = 0
    for fields, following in enumerate(_field_ends(data)):
        if fields > max_elements:  # of so large a message, nearly every field is an element
            raise _too_many(max_elements, "fields in one message")
        if following - begin > PIECE_BYTES and end > begin:
            yield data[begin:end]
            begin = end
        end = following
    yield data[begin:]


def _field_ends(data: bytes) -> Iterator[int]:
    """Where each field of a message ends; no more of them from where it is none."""
    at, size = 0, len(data)
    while at + 1 < size:
        wire = data[at] & 7
        at = at + 1 if data[at] < 0x80 else _number_at(data, at)[1]
        if wire == _LENGTH and at < size and data[at] < 0x80:  # nearly always, where there are many
            at += 1 + data[at]
        elif wire in {_VARINT, _LENGTH}:
            number, at = _number_at(data, at)
            at += number if wire == _LENGTH else 0
        else:
            at += _SIZES[wire]
        if at > size:
            return
        yield at


def _number_at(data: bytes, at: int) -> tuple[int, int]:
    """A varint, and where it ends; past the data where it has no end."""
    number = shift = 0
    for place in range(at, min(at + _LONGEST_VARINT, len(data))):
        byte = data[place]
        if byte < 0x80:
            return number | byte << shift, place + 1
        number |= (byte & 0x7F) << shift
        shift += 7
    return 0, len(data) + 1


@cache
def _message_fields(descriptor: AnyDescriptor) -> tuple[tuple[FieldDescriptor | UpbFieldDescriptor, AnyDescriptor], ...]:
    """The fields that hold messages, and what these are."""
    return tuple((field, field.message_type) for field in descriptor.fields if field.message_type is not None)


@cache
def _shallow(descriptor: AnyDescriptor) -> type[Message]:
    """The message with nothing but the bytes of the messages in it, each field as often as it comes."""
    file = descriptor_pb2.FileDescriptorProto(name="shallow.proto", package="shallow", syntax="proto3")
    message = file.message_type.add(name="Shallow")
    for field, _ in _message_fields(descriptor):
        message.field.add(
            name=field.name,
            number=field.number,
            type=descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
            label=descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shallow.Shallow"))


@cache
def _tags(descriptor: AnyDescriptor) -> bytes:
    """The first bytes that tags of messages within a message can have; a tag may be written longer than it needs to be."""
    seen: set[AnyDescriptor] = set()
    todo = [descriptor]
    first: set[int] = set()
    while todo:
        kind = todo.pop()
        if kind in seen:
            continue
        seen.add(kind)
        for field, inner in _message_fields(kind):
            first.add((field.number << 3 | 2) & 0x7F)
            todo.append(inner)
    return bytes(sorted(first | {byte | 0x80 for byte in first}))
