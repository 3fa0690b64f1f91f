"""Reads the records between stages, and distinguishes one that cannot be read from one of a later release."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.exchange import codec, inner_bodies, learning
from pipeline.exchange.codec import HEADER, BatchKind
from telemetry import otlp
from telemetry.errors import DecodeError, SpanloomError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pydantic import TypeAdapter

    from pipeline.record import Record
    from telemetry.spans import Span

FORMAT_HEADER = "spanloom.format"
"""Header with the number of the format of a record's value. None is 1, which every release so far writes."""

FORMAT = 1
"""The highest that this release reads. A release that changes what these records say writes the next, and reads both."""


_MAX_DIGITS = 9
"""Of the number of a format: Python refuses to read one of thousands."""


class NewerRecordError(SpanloomError):
    """A later release wrote the record: it is whole, and only for this process unreadable."""


def decode_spans(value: bytes) -> list[Span]:
    """The spans of a record between stages, which were found valid before."""
    return otlp.decode_spans(value, checked=True)


def received(
    event: Record, accepted: Collection[BatchKind], spans: Callable[[bytes], Sequence[Any]] = decode_spans
) -> tuple[BatchKind, Any]:
    """What a record of a topic between stages is, and its items.

    Args:
        event: with the record's headers and value.
        accepted: the batches of its topic.
        spans: how spans are read.

    Raises:
        NewerRecordError: it is of a later release; whoever skips it loses telemetry.
        DecodeError: no release of ours wrote it so.
    """
    headers = event.headers or {}
    version = (headers.get(FORMAT_HEADER) or b"1").decode(errors="replace")
    if not version.isdecimal() or len(version) > _MAX_DIGITS:
        raise DecodeError(FORMAT_HEADER, f"{version[:40]!r} is no number")
    if int(version) > FORMAT:
        raise NewerRecordError(
            f"the record has format {version}, and this release reads up to {FORMAT}: upgrade this worker, or stop it and let "
            "a newer one have the partition"
        )
    name = headers.get(HEADER)
    if name is None:
        raise DecodeError(HEADER, "there is no such header: no worker of Spanloom wrote this record")
    try:
        batch = BatchKind(name.decode(errors="replace"))
    except ValueError as error:
        raise DecodeError(HEADER, f"{name[:40]!r} is no batch of ours") from error
    if batch not in accepted:
        raise DecodeError(HEADER, f"{batch} is no batch of this topic")
    try:
        return batch, (spans if batch is BatchKind.SPANS else _DECODERS[batch])(event.value or b"")
    except DecodeError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise DecodeError("", f"no {batch} batch: {type(error).__name__}: {error}") from error


def _bodies(form: TypeAdapter[Any], value: bytes) -> list[Any]:
    return inner_bodies.check(form, codec.decode_bodies(value))


def _expect(values: Sequence[object], *types: type) -> None:
    wrong = set(map(type, values)).difference(types)
    if wrong:
        raise TypeError(f"a value is {', '.join(sorted(kind.__name__ for kind in wrong))}")


def _items(decode: Callable[[bytes], list[Any]], columns: dict[str, tuple[type, ...]], value: bytes) -> list[Any]:
    """Items with fields of these types: JSON holds any, and a stage fails much later at one that it does not expect."""
    items = decode(value)
    for name, types in columns.items():
        _expect([getattr(item, name) for item in items], *types)
    return items


_NUMBER = (int, float)

_DECODERS: dict[BatchKind, Callable[[bytes], list[Any]]] = {
    BatchKind.LOG_REFERENCES: partial(
        _items, codec.decode_log_references, {"id": (str,), "time": (int,), "severity": (int,)}
    ),
    BatchKind.EXEMPLARS: partial(
        _items, codec.decode_exemplars, {"time": (int,), "metric": (str,), "value": (*_NUMBER, type(None))}
    ),
    BatchKind.LINK_QUERIES: partial(_items, codec.decode_link_queries, {"time": (int,)}),
    BatchKind.LINK_TARGETS: partial(
        _items, codec.decode_link_targets, {"start": (int,), "end": (int,), "service": (str,), "time": (int,)}
    ),
    BatchKind.POINTS: partial(_items, codec.decode_points, {"time": (int,), "value": _NUMBER}),
    BatchKind.GLOBAL_POINTS: partial(_items, codec.decode_points, {"time": (int,), "value": _NUMBER}),
    BatchKind.EDGES: partial(_bodies, inner_bodies.EDGES),
    BatchKind.LOGS: partial(
        _items, codec.decode_logs, {"service": (str,), "time": (int,), "severity": (int,), "text": (str,)}
    ),
    BatchKind.TRACES: learning.decode_traces,
    BatchKind.LOG_TEMPLATES: learning.decode_lines,
    BatchKind.ANOMALIES: partial(_bodies, inner_bodies.ANOMALIES),
    BatchKind.ANSWERS: partial(_bodies, inner_bodies.ANSWERS),
    BatchKind.SOURCES: partial(_bodies, inner_bodies.SOURCES),
    BatchKind.SETTINGS: partial(_bodies, inner_bodies.SETTINGS),
    BatchKind.MARKS: partial(_bodies, inner_bodies.MARKS),
}  # fmt: skip
