"""What producers wrote, as export requests in protobuf: of any format, with text that is none replaced, and times filled in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from components.sender import HEADER
from telemetry import otlp
from telemetry.errors import DecodeError, InputError
from telemetry.json_text import json_in, may_be_protobuf
from telemetry.other_formats.jaeger import decode_jaeger
from telemetry.other_formats.protobuf import JaegerSpan, ZipkinSpans
from telemetry.other_formats.zipkin import decode_zipkin
from telemetry.otlp.request import SHAPES
from telemetry.replaced_text import parse_replacing, replace_in_json, replace_in_protobuf
from telemetry.structure import check_json, check_protobuf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from google.protobuf.message import Message

    from pipeline.record import Record
    from telemetry.metrics import Metric

    Request = tuple[bytes, InputError | None]
    """An export request in protobuf, and what was wrong with a part of the record that it is of."""

Decoded = TypeVar("Decoded")

_DAY: Final = 86_400 * 1_000_000_000
_KAFKA: Final = 41 * 365 * _DAY  # 2010; Kafka was published in 2011


@dataclass(slots=True)
class RekeyCounts:
    """What the first stage did."""

    truncated: int = 0
    dropped: Counter[str] = field(default_factory=Counter)  # too large for a record, or for the analysis
    empty: Counter[str] = field(default_factory=Counter)  # records without an item that is known, by what they are
    replaced: int = 0  # texts that were no Unicode
    untimed: Counter[str] = field(default_factory=Counter)  # items without a time, by signal


def arrival(record: Record, now: int) -> int:
    """When a record came to the log, in nanoseconds: what stands for the time of an item that has none.

    Producers to Kafka set it, so it may be anything. What is from before Kafka was, or later than tomorrow, is no time:
    then it is `now`, when it was read.
    """
    stamped = round((record.message.timestamp or 0) * 1000) * 1_000_000
    return stamped if _KAFKA <= stamped <= now + _DAY else now


def otlp_request(record: Record, counts: RekeyCounts) -> Request:
    """Spans as OTLP has them."""
    return protobuf(record, "spans", counts), None


def jaeger_request(record: Record, counts: RekeyCounts) -> Request:
    """Spans as Jaeger has them."""
    spans, _, replaced = parse_replacing(decode_jaeger, partial(_replace, JaegerSpan), record.value or b"")
    counts.replaced += replaced
    return otlp.encode_spans(spans), None


def zipkin_request(record: Record, counts: RekeyCounts) -> Request:
    """Spans as Zipkin has them."""
    (spans, flaw), _, replaced = parse_replacing(decode_zipkin, partial(_replace, ZipkinSpans), record.value or b"")
    counts.replaced += replaced
    return otlp.encode_spans(spans), flaw


def is_checked(record: Record) -> bool:
    """Whether a collector of ours wrote the record, so that all of it was found valid before.

    Who may write to the topic can say so of any record. What is wrong with such a one is found when it is decoded.
    """
    return HEADER in (record.headers or {})


def _replace(message: type[Message], value: bytes) -> tuple[bytes, int]:
    if json_in(value):
        found = replace_in_protobuf(message, value) if may_be_protobuf(value) else (value, 0)
        return found if found[1] else replace_in_json(value)
    return replace_in_protobuf(message, value)


def protobuf(record: Record, signal: otlp.Signal, counts: RekeyCounts) -> bytes:
    """The record's value as a protobuf export request. What is in protobuf is not parsed yet, see `read`.

    Producers that are not ours may write JSON (the Collector's `otlp_json`) and say so nowhere.

    Raises:
        DecodeError: the value is neither.
        TooManyElementsError: it would unfold to more than a record may: anybody may write to these topics.
    """
    value = record.value or b""
    text = json_in(value)
    if text[:1] == b"{":
        try:
            check_json(text)
            request, _, replaced = otlp.read_json(signal, text)
        except DecodeError:
            if not may_be_protobuf(value):
                raise
        else:
            counts.replaced += replaced
            return request.SerializeToString()
    check_protobuf(SHAPES[signal].message.DESCRIPTOR, value)
    return value


def read(
    signal: otlp.Signal, value: bytes, decode: Callable[[bytes], Decoded], counts: RekeyCounts
) -> tuple[Decoded, InputError | None]:
    """A request decoded; where items of it are invalid, the others, and an error that says how many were dropped.

    Raises:
        DecodeError: nothing of it can be used.
    """
    try:
        return decode(value), None
    except DecodeError:
        request, _, replaced = otlp.read_protobuf(signal, value)
        counts.replaced += replaced
        rejection = otlp.reject(signal, request)
        kept = otlp.count_items(signal, request)
        if not replaced and (rejection is None or not kept):
            raise
        if rejection is None:
            return decode(request.SerializeToString()), None
        first, count = rejection.first, rejection.count
        if not kept:
            raise first from None
        flaw = DecodeError(first.field, f"{first.reason} ({count} of {count + kept} {signal} dropped, the others kept)")
        return decode(request.SerializeToString()), flaw


def timed(batch: Iterable[Metric], arrived: int) -> Iterator[Metric]:
    """The metrics, with the time of arrival for points that have none."""
    for metric in batch:
        if all(point.time for point in metric.points):
            yield metric
        else:
            points = tuple(point if point.time else replace(point, time=arrived) for point in metric.points)
            yield replace(metric, points=points)
