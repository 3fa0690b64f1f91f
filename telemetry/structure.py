"""How much a message in protobuf or JSON would unfold to, found without building it.

A message of two bytes on the wire is a hundred and more in memory, so a small body can fill a large machine. What is counted
here are elements: messages within messages (spans, events, links, attributes and their values, data points, exemplars,
quantiles), and values in JSON. Every one of them is at least two bytes, so that most bodies need no look at all; then a sum
over single bytes gives an upper bound; only where that is too high the elements are counted, level by level: the parts of
all messages of one level put one behind the other are again one message, which protobuf's own parser parses.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError as ProtobufDecodeError

from telemetry.errors import DecodeError, InputError

if TYPE_CHECKING:
    from google._upb._message import Descriptor as UpbDescriptor
    from google._upb._message import FieldDescriptor as UpbFieldDescriptor
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    AnyDescriptor = Descriptor | UpbDescriptor

MAX_ELEMENTS: Final = 1_000_000
"""Elements of one message, unless said otherwise: some 8 MiB of ordinary spans, and 170 MiB of empty ones."""

ELEMENT_BYTES: Final = 180
"""Bytes of an element in memory at most, as measured: an empty span, and its place in a list that doubles as it grows."""

_MAX_DEPTH: Final = 100  # parsers of protobuf go no deeper

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
            try:
                shallow = _shallow(kind).FromString(b"".join(parts))
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
