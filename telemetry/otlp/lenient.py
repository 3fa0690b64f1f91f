"""Export requests read although some of their text is no Unicode: it is replaced, and counted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from telemetry.otlp.decode import parse
from telemetry.otlp.json import parse_any_json, parse_json
from telemetry.otlp.request import SHAPES
from telemetry.replaced_text import parse_replacing, replace_in_json, replace_in_protobuf

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from telemetry.otlp.request import Signal


class ReadRequest(NamedTuple):
    """A request, the bytes that it was read from, and how many of its texts are not as they came."""

    message: Message
    data: bytes
    replaced: int


def read_protobuf(signal: Signal, data: bytes) -> ReadRequest:
    """As `parse`, with text replaced where that is what is wrong. Items are not checked (see `reject`).

    Raises:
        DecodeError: not such a request.
    """
    replace = partial(replace_in_protobuf, SHAPES[signal].message)
    return ReadRequest(*parse_replacing(partial(parse, signal), replace, data))


def read_json(signal: Signal, data: bytes) -> ReadRequest:
    """As `parse_json`, with text replaced where that is what is wrong. Items are not checked (see `reject`).

    Raises:
        DecodeError: not JSON, or not such a request.
    """
    return ReadRequest(*parse_replacing(partial(parse_json, signal), replace_in_json, data))


def read_any_json(data: bytes) -> tuple[list[tuple[Signal, Message]], int]:
    """As `parse_any_json`, with text replaced where that is what is wrong; and how many texts were.

    Raises:
        DecodeError: not JSON, or not such a request.
    """
    found, _, replaced = parse_replacing(parse_any_json, replace_in_json, data)
    return found, replaced
