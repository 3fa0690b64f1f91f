"""A span that is too large for a record, made to fit: its longest values are cut, and it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRUNCATED = "spanloom.truncated"
"""Attribute of a span that was cut: how many of its values."""

MAX_PARTS = 20_000
"""Attributes, events and links of a span that is truncated. To walk through a million takes seconds."""

_MARK_BYTES = 64  # the attribute above, and lengths that take fewer bytes to say


def truncate_spans(request: ExportTraceServiceRequest, max_bytes: int) -> None:
    """Cut the longest text and bytes values of a parsed trace request until it has at most `max_bytes`.

    All values longer than some length are cut to that length, the greatest that will do: attribute values of span,
    events, links, scope and resource. Names and ids stay. Each span of the request is marked with TRUNCATED.

    Raises:
        DecodeError: without its values it is still too large.
    """
    size = request.ByteSize()
    if size <= max_bytes:
        return
    parts = sum(len(span.attributes) + len(span.events) + len(span.links) for span in _spans(request))
    if parts > MAX_PARTS:
        raise DecodeError("", f"a span of {size} bytes, {max_bytes} is the limit, with {parts} attributes, events and links")
    excess = size - max_bytes + _MARK_BYTES * sum(1 for _ in _spans(request))
    values = list(_values(request))
    lengths = [_length(value) for value in values]
    low, high = 0, max(lengths, default=0)
    while low < high:  # the greatest length that cuts enough
        middle = (low + high + 1) // 2
        if sum(length - middle for length in lengths if length > middle) >= excess:
            low = middle
        else:
            high = middle - 1
    if sum(length - low for length in lengths if length > low) < excess:
        raise DecodeError(
            "", f"a span of {size} bytes, {max_bytes} is the limit, and its attribute values are not what is large"
        )
    cut = 0
    for value, length in zip(values, lengths, strict=True):
        if length > low:
            cut += 1
            if value.HasField("bytes_value"):
                value.bytes_value = value.bytes_value[:low]
            else:
                # A cut in the middle of a character leaves it out.
                value.string_value = value.string_value.encode()[:low].decode(errors="ignore")
    for span in _spans(request):
        span.attributes.add(key=TRUNCATED).value.int_value = cut


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for by_resource in request.resource_spans:
        for by_scope in by_resource.scope_spans:
            yield from by_scope.spans


def _values(request: ExportTraceServiceRequest) -> Iterator[AnyValue]:
    for by_resource in request.resource_spans:
        yield from _leaves(by_resource.resource.attributes)
        for by_scope in by_resource.scope_spans:
            yield from _leaves(by_scope.scope.attributes)
    for span in _spans(request):
        yield from _leaves(span.attributes)
        for event in span.events:
            yield from _leaves(event.attributes)
        for link in span.links:
            yield from _leaves(link.attributes)


def _leaves(attributes: Iterable[KeyValue]) -> Iterator[AnyValue]:
    for item in attributes:
        yield from _leaves_of(item.value)


def _leaves_of(value: AnyValue) -> Iterator[AnyValue]:
    which = value.WhichOneof("value")
    if which in {"string_value", "bytes_value"}:
        yield value
    elif which == "array_value":
        for item in value.array_value.values:
            yield from _leaves_of(item)
    elif which == "kvlist_value":
        yield from _leaves(value.kvlist_value.values)


def _length(value: AnyValue) -> int:
    return len(value.bytes_value) if value.HasField("bytes_value") else len(value.string_value.encode())
