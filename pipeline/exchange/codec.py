"""Values of the records between our own stages. Spans stay OTLP; the rest is JSON (see also `learning`), named by a header.

Whoever may write to Kafka may write these records, so each is checked against its form when it is read: decoders raise
DecodeError for everything that an encoder could not have written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from components.bounded_cache import remembered
from processors.assembly.assembler import ExemplarReference, LogReference
from telemetry.errors import DecodeError
from telemetry.json_object import JsonObject
from telemetry.metrics import STALE, Point, Series, is_stale
from telemetry.span_links import LinkQuery, LinkTarget, SpanReference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Item = TypeVar("Item")

Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Number = Annotated[float, Field(allow_inf_nan=False)]
TraceId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
SpanId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
AnyId = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{2})*$", max_length=64)]
"""An id in hex, or none."""


class _Points(BaseModel):
    model_config = ConfigDict(strict=True)

    series: list[str]
    points: list[tuple[Annotated[int, Field(ge=0)], Whole, Number | None]]
    other: list[tuple[int, Literal["NaN", "Infinity", "-Infinity"]]] = []


_STRICT = ConfigDict(strict=True)
_LOG_REFERENCES = TypeAdapter(list[tuple[TraceId, str, Whole, Whole]], config=_STRICT)
_EXEMPLARS = TypeAdapter(list[tuple[TraceId, AnyId, Whole, str, Number | None]], config=_STRICT)
_LINK_QUERIES = TypeAdapter(list[tuple[TraceId, SpanId, TraceId, Whole]], config=_STRICT)
_LINK_TARGETS = TypeAdapter(list[tuple[TraceId, TraceId, SpanId, bool, Whole, Whole, str, str, str, Whole]], config=_STRICT)
_POINTS = TypeAdapter(_Points)
_SERIES = TypeAdapter(tuple[str, list[tuple[str, str]]] | tuple[str, list[tuple[str, str]], bool], config=_STRICT)
_LOGS = TypeAdapter(list[tuple[str, str, str, Whole, Whole, str, AnyId, AnyId]], config=_STRICT)
_BODIES = TypeAdapter(list[JsonObject], config=_STRICT)


def read(form: TypeAdapter[Item], value: bytes | str | None) -> Item:
    """A value of that form.

    Raises:
        DecodeError: it has another.
    """
    try:
        return form.validate_json(value or b"")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        path = "".join(f"[{part!r}]" for part in first["loc"])
        raise DecodeError(path, f"{first['msg']} ({error.error_count()} errors)") from None


HEADER = "spanloom.batch"
"""Header that names the batch of a record of the topics between stages."""


class BatchKind(StrEnum):
    """What a record's value is."""

    SPANS = "spans"  # OTLP export request
    TRACES = "traces"  # a sample of whole ones, as visits
    LOG_REFERENCES = "log-references"
    EXEMPLARS = "exemplars"
    LINK_QUERIES = "receipts"  # to the owner of the trace that sent a message
    LINK_TARGETS = "origins"  # to the owner of the trace that received it
    POINTS = "points"
    EDGES = "edges"
    LOGS = "logs"
    LOG_TEMPLATES = "log-templates"  # lines in traces, by the templates that were mined of them
    ANOMALIES = "anomalies"
    ANSWERS = "answers"  # of humans, to requests for approval
    GLOBAL_POINTS = "global-points"  # of environments of other partitions, for rules over all
    SOURCES = "sources"  # that feed telemetry from now on
    MARKS = "marks"  # what somebody said of anomalies, over HTTP
    SETTINGS = "settings"  # that somebody changed for all environments, over HTTP


MAX_RECORD = 900_000
"""Bytes of a record's value past which a batch is sent in parts: brokers accept 1 MiB by default."""


def within(items: Sequence[Item], encode: Callable[[Sequence[Item]], bytes]) -> tuple[list[bytes], int]:
    """The items encoded in as few halvings as keep each value within MAX_RECORD, and how many were dropped.

    An item that is larger alone is dropped: handed to a broker, it would end the process at each start.
    """
    if not items:
        return [], 0
    value = encode(items)
    if len(value) <= MAX_RECORD:
        return [value], 0
    if len(items) == 1:
        return [], 1
    middle = len(items) // 2
    first, last = within(items[:middle], encode), within(items[middle:], encode)
    return first[0] + last[0], first[1] + last[1]


def encode_log_references(references: Iterable[LogReference]) -> bytes:
    """The value of a LOG_REFERENCES record."""
    return orjson.dumps([(item.trace_id.hex(), item.id, item.time, item.severity) for item in references])


def decode_log_references(value: bytes) -> list[LogReference]:
    """Inverse of `encode_log_references`."""
    return [
        LogReference(bytes.fromhex(trace_id), id_, time, severity)
        for trace_id, id_, time, severity in read(_LOG_REFERENCES, value)
    ]


def encode_exemplars(references: Iterable[ExemplarReference]) -> bytes:
    """The value of an EXEMPLARS record."""
    return orjson.dumps([(item.trace_id.hex(), item.span_id.hex(), item.time, item.metric, item.value) for item in references])


def decode_exemplars(value: bytes) -> list[ExemplarReference]:
    """Inverse of `encode_exemplars`. An infinity becomes NaN, as JSON has neither."""
    return [
        ExemplarReference(bytes.fromhex(trace_id), bytes.fromhex(span_id), time, metric, math.nan if number is None else number)
        for trace_id, span_id, time, metric, number in read(_EXEMPLARS, value)
    ]


def encode_link_queries(link_queries: Iterable[LinkQuery]) -> bytes:
    """The value of a LINK_QUERIES record."""
    return orjson.dumps([(*_message(item.message), item.receiver.hex(), item.time) for item in link_queries])


def decode_link_queries(value: bytes) -> list[LinkQuery]:
    """Inverse of `encode_link_queries`."""
    return [
        LinkQuery(SpanReference(bytes.fromhex(trace_id), bytes.fromhex(span_id)), bytes.fromhex(receiver), time)
        for trace_id, span_id, receiver, time in read(_LINK_QUERIES, value)
    ]


def encode_link_targets(link_targets: Iterable[LinkTarget]) -> bytes:
    """The value of a LINK_TARGETS record."""
    return orjson.dumps(
        [
            (
                item.trace_id.hex(),
                *_message(item.message),
                item.timed,
                item.start,
                item.end,
                item.service,
                item.instance,
                item.host,
                item.time,
            )
            for item in link_targets
        ]
    )


def decode_link_targets(value: bytes) -> list[LinkTarget]:
    """Inverse of `encode_link_targets`."""
    return [
        LinkTarget(
            bytes.fromhex(to),
            SpanReference(bytes.fromhex(trace_id), bytes.fromhex(span_id)),
            timed,
            start,
            end,
            name,
            on,
            host,
            at,
        )
        for to, trace_id, span_id, timed, start, end, name, on, host, at in read(_LINK_TARGETS, value)
    ]


def _message(message: SpanReference) -> tuple[str, str]:
    return message.trace_id.hex(), message.span_id.hex()


SERIES_CACHE_SIZE = 32 << 20
"""Bytes of series whose text is remembered: more than a worker scores, at about half a kilobyte each. Parsing labels again for
each batch took half the time of stages 3 and 4."""


MAX_SERIES = 16_384
"""Characters of the name and labels of a series that is analysed. Prometheus' large stores take 30 labels of 2,048 characters,
and few use a tenth of that; each is kept in several models."""


def fits_series_limit(series: Series) -> bool:
    """Whether a series is within MAX_SERIES."""
    return series.length <= MAX_SERIES


def encode_points(points: Sequence[Point]) -> bytes:
    """The value of a POINTS record: each series named once.

    JSON has no NaN and no infinities. They are null, which earlier releases skip, and so are stale markers; which null is
    a value is in `other`.
    """
    index: dict[Series, int] = {}
    rows = [(index.setdefault(point.series, len(index)), point.time, point.value) for point in points]
    record: dict[str, object] = {"series": [_text_of(series) for series in index], "points": rows}
    other = [(i, _name_of(value)) for i, (_, _, value) in enumerate(rows) if not math.isfinite(value) and not is_stale(value)]
    if other:
        record["other"] = other
    return orjson.dumps(record)


_NAMES: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _name_of(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def decode_points(value: bytes) -> list[Point]:
    """Inverse of `encode_points`."""
    batch = read(_POINTS, value)
    series = [_series_of(text) for text in batch.series]
    other = {place: _NAMES[name] for place, name in batch.other}
    try:
        return [
            Point(series[i], time, other.get(place, STALE) if number is None else number)
            for place, (i, time, number) in enumerate(batch.points)
        ]
    except IndexError:
        raise DecodeError("points", f"a point of a series past the {len(series)} that are named") from None


@remembered(SERIES_CACHE_SIZE, lambda series: 2 * series.length)
def _text_of(series: Series) -> str:
    return orjson.dumps([series.name, series.labels, *([True] if series.total else [])]).decode()


@remembered(SERIES_CACHE_SIZE, lambda text: 3 * len(text))
def _series_of(text: str) -> Series:
    name, labels, *total = read(_SERIES, text)
    return Series(name, tuple(labels), bool(total and total[0]))


@dataclass(frozen=True, slots=True)
class LogLine:
    """What the analysis needs of a log record."""

    service: str
    instance: str
    environment: str
    time: int
    severity: int
    text: str
    trace_id: bytes = b""
    span_id: bytes = b""


MAX_LOG_TEXT = 1024
"""Characters of a log line that the analysis sees: template mining reads the first 1000 of the first line."""

MAX_NAME = 1024
"""Characters of its service, instance and environment that it sees."""


def encode_logs(lines: Iterable[LogLine]) -> bytes:
    """The value of a LOGS record."""
    return orjson.dumps(
        [
            (
                line.service[:MAX_NAME],
                line.instance[:MAX_NAME],
                line.environment[:MAX_NAME],
                line.time,
                line.severity,
                line.text[:MAX_LOG_TEXT],
                line.trace_id.hex(),
                line.span_id.hex(),
            )
            for line in lines
        ]
    )


def decode_logs(value: bytes) -> list[LogLine]:
    """Inverse of `encode_logs`."""
    return [
        LogLine(service, instance, environment, time, severity, text, bytes.fromhex(trace_id), bytes.fromhex(span_id))
        for service, instance, environment, time, severity, text, trace_id, span_id in read(_LOGS, value)
    ]


def encode_bodies(bodies: Sequence[dict[str, object]]) -> bytes:
    """The value of a record of bodies (edges, anomalies, answers)."""
    return orjson.dumps(bodies)


def decode_bodies(value: bytes) -> list[JsonObject]:
    """Inverse of `encode_bodies`."""
    return read(_BODIES, value)
