"""A request's body to records for the log: decompressed, checked, invalid items out, split where it is too large. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from collectors.errors import TooLargeError, TooManyItemsError
from telemetry import otlp
from telemetry.errors import DecodeError, InputError
from telemetry.otlp.request import SHAPES
from telemetry.structure import check_json, check_protobuf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from telemetry.otlp import Signal

_GROUPS: Final = 3  # an item may well have a resource and a scope of its own

_MAX_ITEMS: Final = "ingest.max_items, or that of its token"

Encoding = Literal["protobuf", "json"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request that was accepted: how many of its items were refused, and why the first of them.

    With none refused, the message is a warning.
    """

    rejected: int = 0
    message: str = ""


@dataclass(slots=True)
class Prepared:
    """Records for the log, and what is to be counted and answered."""

    records: list[bytes] = field(default_factory=list)
    items: int = 0
    outcome: Outcome = Outcome()
    refused: dict[str, int] = field(default_factory=dict)  # items by reason
    truncated: int = 0
    replaced: int = 0  # texts
    empty: str = ""  # why there are no items


class NothingLeftError(Exception):
    """No item of a request can be used. Carries the items refused by reason, and the error to answer with."""

    def __init__(self, refused: Mapping[str, int], error: InputError) -> None:
        super().__init__(str(error))
        self.refused = refused
        self.error = error


def parse(signal: Signal, body: bytes, *, encoding: Encoding, max_elements: int) -> otlp.ReadRequest:
    """A request as protobuf has it, once it is known not to unfold to more than allowed.

    Raises:
        TooManyElementsError: it would.
        DecodeError: it cannot be read.
    """
    if encoding == "json":
        check_json(body, max_elements)
        return otlp.read_json(signal, body)
    check_protobuf(SHAPES[signal].message.DESCRIPTOR, body, max_elements)
    return otlp.read_protobuf(signal, body)


def prepare(signal: Signal, read: otlp.ReadRequest, *, encoding: Encoding, max_items: int, max_record_bytes: int) -> Prepared:
    """What to ship of a parsed request.

    A protobuf request without invalid items is shipped byte for byte as it came, unless it is too large for one record: then
    it is split, and a span that is too large alone is truncated, see `otlp.fit`.

    Args:
        signal: what it carries.
        read: what `parse` made of its body; its invalid items are removed.
        encoding: of the body.
        max_items: how many items it may have.
        max_record_bytes: the largest record of the log.

    Raises:
        TooManyItemsError: it has more items.
        DecodeError: its documents, or its records, would be far larger than it.
        NothingLeftError: no item of it can be used, with the DecodeError or TooLargeError that says why.
    """
    request = read.message
    if otlp.has_more_than(_GROUPS * max_items, signal, request):
        limit = f"{_GROUPS * max_items} {signal}, resources and scopes together, which is {_GROUPS} times the limit"
        raise TooManyItemsError(f"the request has more than {limit} ({_MAX_ITEMS})")
    items = otlp.count_items(signal, request)
    if items > max_items:
        limit = f"{max_items} is the limit ({_MAX_ITEMS}); send smaller batches"
        raise TooManyItemsError(f"the request has {items} {signal}, {limit}")
    otlp.check_repetition(signal, request)
    prepared = Prepared(replaced=read.replaced)
    invalid = otlp.reject(signal, request)
    if invalid is not None:
        prepared.refused["invalid"] = invalid.count
        path = otlp.json_path(invalid.first.field) if encoding == "json" else invalid.first.field
        reason = f"{invalid.first.reason} ({invalid.count} of {items} refused)"
        items -= invalid.count
        if not items:
            raise NothingLeftError(prepared.refused, DecodeError(path, reason))
        prepared.outcome = Outcome(invalid.count, f"{path}: {reason}")
    prepared.items = items
    if items:
        value = read.data if encoding == "protobuf" and invalid is None else request.SerializeToString()
        prepared.records = [value]
        if len(value) > max_record_bytes:
            _fit(signal, request, prepared, max_record_bytes)
    elif invalid is None:
        _note_empty(signal, read, prepared)
    if read.replaced:
        before = prepared.outcome
        warning = f"{read.replaced} texts were no Unicode: what is none of it was replaced by U+FFFD"
        prepared.outcome = Outcome(before.rejected, f"{before.message}; {warning}" if before.message else warning)
    return prepared


def _note_empty(signal: Signal, read: otlp.ReadRequest, prepared: Prepared) -> None:
    """Say why a request holds nothing: it was sent so, or what it has is of another signal or another version of OTLP."""
    by_resource = SHAPES[signal].by_resource
    if getattr(read.message, by_resource) or read.data.strip() in {b"", b"{}"}:
        prepared.empty = "empty"
        return
    prepared.empty = "unknown"
    expected = otlp.json_path(by_resource)
    prepared.outcome = Outcome(
        0, f"the request has no {expected}, and nothing else that is known here: was it for another path?"
    )


def _fit(signal: Signal, request: Message, prepared: Prepared, max_record_bytes: int) -> None:
    fitted = otlp.fit(signal, request, max_record_bytes)
    dropped = len(fitted.dropped)
    prepared.records, prepared.truncated = fitted.parts, fitted.truncated
    if dropped:
        prepared.refused["too_large"] = dropped
        reason = f"{fitted.dropped[0]} (shipper.max_record_bytes; {dropped} of {prepared.items} refused)"
        if not fitted.parts:
            raise NothingLeftError(prepared.refused, TooLargeError(reason))
        prepared.items -= dropped
        before = prepared.outcome
        prepared.outcome = Outcome(before.rejected + dropped, before.message or reason)
