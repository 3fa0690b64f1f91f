"""Stage 1: sends each signal to the partition of its trace or series, and stores logs and metrics.

A span is not decoded here: only its trace id is read, and protobuf copies it into the request of its partition.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.exchange import codec, partitions
from pipeline.exchange.batch_sender import BatchSender
from pipeline.exchange.codec import BatchKind, LogLine
from processors.assembly.assembler import ExemplarReference, LogReference
from processors.call_graph.span_links import link_queries
from processors.series.points import points_of
from telemetry import otlp
from telemetry.documents.signals import log_document, metric_document
from telemetry.errors import DecodeError, InputError
from telemetry.other_formats.jaeger import decode_jaeger
from telemetry.other_formats.zipkin import decode_zipkin
from telemetry.otlp.request import SHAPES
from telemetry.structure import check_json, check_protobuf

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.delivery.offset_tracker import OffsetTracker
    from pipeline.record import OutputTopic, Record
    from telemetry.documents import Document
    from telemetry.logs import LogRecord
    from telemetry.metrics import Metric
    from telemetry.span_links import LinkQuery

    Work = tuple[Sequence[Awaitable[object]], InputError | None, int]
    """What has to end before a record is done with, what was wrong with a part of it, and how many documents it made."""

    Rekey = Callable[[Record], Work]

    Request = tuple[bytes, InputError | None]
    """An export request in protobuf, and what was wrong with a part of the record that it is of."""

Decoded = TypeVar("Decoded")
Item = TypeVar("Item")


@dataclass(slots=True)
class RekeyCounts:
    """What the stage did."""

    truncated: int = 0
    dropped: Counter[str] = field(default_factory=Counter)  # too large for a record, or for the analysis


def merge_requests(requests: Sequence[bytes]) -> bytes:
    """One export request of many: protobuf joins repeated fields of messages that stand one behind the other."""
    return b"".join(requests)


def split_spans(value: bytes, count: int) -> tuple[dict[int, bytes], list[LinkQuery]]:
    """A request's spans by the partition of their trace, each a request of its own; link queries to other traces.

    Raises:
        DecodeError: names the field.
    """
    request = otlp.parse_spans(value)
    parts: dict[int, ExportTraceServiceRequest] = {}
    received: list[LinkQuery] = []
    for resource_spans in request.resource_spans:
        resources: dict[int, ResourceSpans] = {}
        for scope_spans in resource_spans.scope_spans:
            scopes: dict[int, ScopeSpans] = {}
            for span in scope_spans.spans:
                partition = partitions.of_trace(span.trace_id, count)
                scope = scopes.get(partition)
                if scope is None:
                    resource = resources.get(partition)
                    if resource is None:
                        part = parts.get(partition)
                        if part is None:
                            part = parts[partition] = ExportTraceServiceRequest()
                        resource = resources[partition] = part.resource_spans.add()
                        resource.resource.CopyFrom(resource_spans.resource)
                        resource.schema_url = resource_spans.schema_url
                    scope = scopes[partition] = resource.scope_spans.add()
                    scope.scope.CopyFrom(scope_spans.scope)
                    scope.schema_url = scope_spans.schema_url
                scope.spans.append(span)
                if span.links:
                    received += link_queries(span.trace_id, span.kind, span.start_time_unix_nano, span.links)
    return {partition: part.SerializeToString() for partition, part in parts.items()}, received


def read(signal: otlp.Signal, value: bytes, decode: Callable[[bytes], Decoded]) -> tuple[Decoded, InputError | None]:
    """A request decoded; where items of it are invalid, the others, and an error that says how many were dropped.

    Raises:
        DecodeError: nothing of it can be used.
    """
    try:
        return decode(value), None
    except DecodeError:
        request = otlp.parse(signal, value)
        rejection = otlp.reject(signal, request)
        kept = otlp.count_items(signal, request)
        if rejection is None or not kept:
            raise
        first, count = rejection.first, rejection.count
        flaw = DecodeError(first.field, f"{first.reason} ({count} of {count + kept} {signal} dropped, the others kept)")
        return decode(request.SerializeToString()), flaw


def otlp_request(record: Record) -> Request:
    """Spans as OTLP has them."""
    return protobuf(record, "spans"), None


def jaeger_request(record: Record) -> Request:
    """Spans as Jaeger has them."""
    return otlp.encode_spans(decode_jaeger(record.value or b"")), None


def zipkin_request(record: Record) -> Request:
    """Spans as Zipkin has them."""
    spans, flaw = decode_zipkin(record.value or b"")
    return otlp.encode_spans(spans), flaw


def rekey_spans(traced: OutputTopic, counts: RekeyCounts, request: Callable[[Record], Request] = otlp_request) -> Rekey:
    """Send each span to the partition of its trace; `request` reads what the topic has."""
    sender = BatchSender(traced, BatchKind.SPANS, merge_requests, counts.dropped, size=16)
    link_query_sender = BatchSender(traced, BatchKind.LINK_QUERIES, codec.encode_link_queries, counts.dropped)

    async def sent(spans: Sequence[Awaitable[object]], received: Sequence[LinkQuery]) -> None:
        # The receiver's span is on the log before its link query, so that it always comes before the answer.
        await asyncio.gather(*spans)
        by_owner = _split((partitions.of_trace(item.message.trace_id, traced.partitions), item) for item in received)
        await asyncio.gather(*(link_query_sender.add(partition, part) for partition, part in by_owner.items()))

    def work(record: Record) -> Work:
        requested, foreign_flaw = request(record)
        (parts, received), flaw = read("spans", requested, lambda value: split_spans(value, traced.partitions))
        flaw = foreign_flaw or flaw
        after: list[Awaitable[object]] = []
        for partition, value in parts.items():
            values = [value]
            if len(value) > codec.MAX_RECORD:
                fitted = otlp.fit("spans", otlp.parse("spans", value), codec.MAX_RECORD)
                values, dropped = fitted.parts, fitted.dropped
                counts.truncated += fitted.truncated
                flaw = flaw or (dropped[0] if dropped else None)
            if values:
                after.append(sender.add(partition, values))
        return [asyncio.ensure_future(sent(after, received))] if received else after, flaw, 0

    return work


def rekey_logs(
    traced: OutputTopic, series: OutputTopic, writer: DocumentWriter, offsets: OffsetTracker, counts: RekeyCounts
) -> Rekey:
    """Store log records, send references to the owners of their traces, and their text to where templates are mined."""
    references = BatchSender(traced, BatchKind.LOG_REFERENCES, codec.encode_log_references, counts.dropped)
    lines = BatchSender(series, BatchKind.LOGS, codec.encode_logs, counts.dropped)

    def work(record: Record) -> Work:
        batch, flaw = read("logs", protobuf(record, "logs"), otlp.decode_logs)
        documents = list(log_documents(batch))
        by_trace = _split(
            (partitions.of_trace(line.trace_id, traced.partitions), _reference(line, document))
            for line, document in zip(batch, documents, strict=True)
            if line.trace_id
        )
        by_service = _split((partitions.of_text(line.service, series.partitions), _line(line)) for line in batch)
        after: list[Awaitable[object]] = [writer.write(documents, lambda: not offsets.has_ended(record))]
        after += [references.add(partition, part) for partition, part in by_trace.items()]
        after += [lines.add(partition, part) for partition, part in by_service.items()]
        return after, flaw, len(documents)

    return work


def rekey_metrics(
    traced: OutputTopic, series: OutputTopic, writer: DocumentWriter, offsets: OffsetTracker, counts: RekeyCounts
) -> Rekey:
    """Store metric points, send exemplars to the owners of their traces, and each point to the partition of its series."""
    exemplars = BatchSender(traced, BatchKind.EXEMPLARS, codec.encode_exemplars, counts.dropped)
    sender = BatchSender(series, BatchKind.POINTS, codec.encode_points, counts.dropped)

    def work(record: Record) -> Work:
        batch, flaw = read("metrics", protobuf(record, "metrics"), otlp.decode_metrics)
        by_trace = _split((partitions.of_trace(item.trace_id, traced.partitions), item) for item in _exemplars(batch))
        points = [point for metric in batch for point in points_of(metric)]
        analysed = [point for point in points if codec.fits_series_limit(point.series)]
        counts.dropped["large_points"] += len(points) - len(analysed)
        by_series = _split((partitions.of_series(point.series, series.partitions), point) for point in analysed)
        documents = [metric_document(metric, point) for metric in batch for point in metric.points]
        after: list[Awaitable[object]] = [writer.write(documents, lambda: not offsets.has_ended(record))]
        after += [exemplars.add(partition, part) for partition, part in by_trace.items()]
        after += [sender.add(partition, part) for partition, part in by_series.items()]
        return after, flaw, len(documents)

    return work


def protobuf(record: Record, signal: otlp.Signal) -> bytes:
    """The record's value as a protobuf export request.

    Producers that are not ours may write JSON (the Collector's `otlp_json`) and say so nowhere: an object's first byte
    is `{`, and that of a request in protobuf is the tag of field 1, 0x0a.

    Raises:
        DecodeError: the value is neither.
        TooManyElementsError: it would unfold to more than a record may: anybody may write to these topics.
    """
    value = record.value or b""
    if value[:1] == b"{":
        check_json(value)
        return otlp.json_to_protobuf(signal, value)
    check_protobuf(SHAPES[signal].message.DESCRIPTOR, value)
    return value


def log_documents(batch: Iterable[LogRecord]) -> Iterator[Document]:
    """Documents of the records of one request; what is there twice, character by character, is two documents."""
    seen: dict[str, int] = {}
    for record in batch:
        document = log_document(record)
        repetition = seen.get(document.id, 0)
        seen[document.id] = repetition + 1
        yield log_document(record, repetition) if repetition else document


def _reference(record: LogRecord, document: Document) -> LogReference:
    return LogReference(record.trace_id, document.id, document.time, record.severity)


def _line(record: LogRecord) -> LogLine:
    resource = record.resource
    return LogLine(
        resource.service,
        resource.instance,
        resource.environment,
        record.time or record.observed_time,
        record.severity,
        record.body if isinstance(record.body, str) else str(record.body),
        record.trace_id,
        record.span_id,
    )


def _exemplars(batch: Iterable[Metric]) -> Iterator[ExemplarReference]:
    for metric in batch:
        for point in metric.points:
            for item in point.exemplars:
                if item.trace_id:
                    yield ExemplarReference(item.trace_id, item.span_id, item.time, metric.name, float(item.value))


def _split(pairs: Iterable[tuple[int, Item]]) -> dict[int, list[Item]]:
    parts: dict[int, list[Item]] = {}
    for partition, item in pairs:
        parts.setdefault(partition, []).append(item)
    return parts
