"""Stage 1: sends each signal to the partition of its trace or series, and stores logs and metrics.

A span is not decoded here: only its ids, times and links are read, and its bytes go into the request of its partition.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, TypeVar

from pipeline.exchange import codec, partitions
from pipeline.exchange.batch_sender import BatchSender
from pipeline.exchange.codec import BatchKind, LogLine
from pipeline.incoming import arrival, is_checked, otlp_request, protobuf, read, timed
from processors.assembly.assembler import ExemplarReference, LogReference
from processors.series.points import points_of
from telemetry import otlp
from telemetry.documents.signals import log_document, metric_document
from telemetry.resource import text_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.delivery.offset_tracker import OffsetTracker
    from pipeline.incoming import RekeyCounts, Request
    from pipeline.record import OutputTopic, Record
    from processors.kernels.protocol import Kernels, SplitSpans
    from telemetry.documents import Document
    from telemetry.errors import InputError
    from telemetry.logs import LogRecord
    from telemetry.metrics import Metric
    from telemetry.span_links import LinkQuery

    Work = tuple[Sequence[Awaitable[object]], InputError | None, int]
    """What has to end before a record is done with, what was wrong with a part of it, and how many documents it made."""

    Rekey = Callable[[Record], Work]

Item = TypeVar("Item")


def merge_requests(requests: Sequence[bytes]) -> bytes:
    """One export request of many: protobuf joins repeated fields of messages that stand one behind the other."""
    return b"".join(requests)


def rekey_spans(
    traced: OutputTopic,
    counts: RekeyCounts,
    now: Callable[[], int],
    kernels: Kernels,
    request: Callable[[Record, RekeyCounts], Request] = otlp_request,
) -> Rekey:
    """Send each span to the partition of its trace; `request` reads what the topic has, `now` is the clock, ns."""
    sender = BatchSender(traced, BatchKind.SPANS, merge_requests, counts.dropped, size=16)
    link_query_sender = BatchSender(traced, BatchKind.LINK_QUERIES, codec.encode_link_queries, counts.dropped)

    async def sent(spans: Sequence[Awaitable[object]], received: Sequence[LinkQuery]) -> None:
        # The receiver's span is on the log before its link query, so that it always comes before the answer.
        await asyncio.gather(*spans)
        by_owner = _split((partitions.of_trace(item.message.trace_id, traced.partitions), item) for item in received)
        await asyncio.gather(*(link_query_sender.add(partition, part) for partition, part in by_owner.items()))

    def work(record: Record) -> Work:
        requested, foreign_flaw = request(record, counts)
        arrived = arrival(record, now())

        def split(value: bytes) -> SplitSpans:
            if not is_checked(record):
                otlp.parse_spans(value)
            return kernels.split_spans(value, traced.partitions, arrived)

        (parts, received, untimed), flaw = read("spans", requested, split, counts)
        flaw = foreign_flaw or flaw
        counts.untimed["spans"] += untimed
        _count_empty(record, counts, parts or flaw)
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

    return _with_values(work, counts)


def rekey_logs(
    traced: OutputTopic,
    series: OutputTopic,
    writer: DocumentWriter,
    offsets: OffsetTracker,
    counts: RekeyCounts,
    now: Callable[[], int],
) -> Rekey:
    """Store log records, send references to the owners of their traces, and their text to where templates are mined."""
    references = BatchSender(traced, BatchKind.LOG_REFERENCES, codec.encode_log_references, counts.dropped)
    lines = BatchSender(series, BatchKind.LOGS, codec.encode_logs, counts.dropped)

    async def refer(stored: Awaitable[frozenset[str]], found: Sequence[LogReference]) -> None:
        # A trace that is joined again is joined with the logs that are stored: one of which it knew has to be among them.
        rejected = await stored
        by_trace = _split(
            (partitions.of_trace(one.trace_id, traced.partitions), one) for one in found if one.id not in rejected
        )
        await asyncio.gather(*(references.add(partition, part) for partition, part in by_trace.items()))

    def work(record: Record) -> Work:
        batch, flaw = read("logs", protobuf(record, "logs", counts), otlp.decode_logs, counts)
        arrived = arrival(record, now())
        counts.untimed["logs"] += sum(not (line.time or line.observed_time) for line in batch)
        _count_empty(record, counts, batch or flaw)
        documents = list(log_documents(batch, arrived))
        found = [_reference(line, document) for line, document in zip(batch, documents, strict=True) if line.trace_id]
        lines_of = [_line(log, arrived) for log in batch]
        by_service = _split(
            (partitions.of_service(line.service, line.environment, series.partitions), line) for line in lines_of
        )
        stored = writer.write(documents, lambda: not offsets.has_ended(record))
        first = asyncio.ensure_future(refer(stored, found)) if found else stored
        return [first, *(lines.add(partition, part) for partition, part in by_service.items())], flaw, len(documents)

    return _with_values(work, counts)


def rekey_metrics(
    traced: OutputTopic,
    series: OutputTopic,
    writer: DocumentWriter,
    offsets: OffsetTracker,
    counts: RekeyCounts,
    now: Callable[[], int],
) -> Rekey:
    """Store metric points, send exemplars to the owners of their traces, and each point to the partition of its series."""
    exemplars = BatchSender(traced, BatchKind.EXEMPLARS, codec.encode_exemplars, counts.dropped)
    sender = BatchSender(series, BatchKind.POINTS, codec.encode_points, counts.dropped)

    def work(record: Record) -> Work:
        batch, flaw = read("metrics", protobuf(record, "metrics", counts), otlp.decode_metrics, counts)
        arrived = arrival(record, now())
        documents = list(metric_documents(batch, arrived))
        counts.untimed["metrics"] += sum(not point.time for metric in batch for point in metric.points)
        _count_empty(record, counts, documents or flaw)
        batch = list(timed(batch, arrived))
        by_trace = _split((partitions.of_trace(item.trace_id, traced.partitions), item) for item in _exemplars(batch))
        points = [point for metric in batch for point in points_of(metric)]
        analysed = [point for point in points if codec.fits_series_limit(point.series)]
        counts.dropped["large_points"] += len(points) - len(analysed)
        by_series = _split((partitions.of_series(point.series, series.partitions), point) for point in analysed)
        after: list[Awaitable[object]] = [writer.write(documents, lambda: not offsets.has_ended(record))]
        after += [exemplars.add(partition, part) for partition, part in by_trace.items()]
        after += [sender.add(partition, part) for partition, part in by_series.items()]
        return after, flaw, len(documents)

    return _with_values(work, counts)


def _with_values(work: Rekey, counts: RekeyCounts) -> Rekey:
    """The work of records that have a value: a tombstone says nothing, and is counted."""

    def counted(record: Record) -> Work:
        if record.value is None:
            counts.empty["tombstone"] += 1
            return [], None, 0
        return work(record)

    return counted


def _count_empty(record: Record, counts: RekeyCounts, found: object) -> None:
    """Count a record in which nothing was found, not even an error: of no bytes, or of fields that nobody here knows."""
    if not found:
        counts.empty["unknown" if record.value else "empty"] += 1


def log_documents(batch: Iterable[LogRecord], arrived: int) -> Iterator[Document]:
    """Documents of the records of one request; what is there twice, character by character, is two documents.

    Those without a time are at that of their arrival.
    """
    seen: dict[str, int] = {}
    for record in batch:
        document = log_document(record, arrived)
        repetition = seen.get(document.id, 0)
        seen[document.id] = repetition + 1
        yield log_document(record, arrived, repetition) if repetition else document


def metric_documents(batch: Iterable[Metric], arrived: int) -> Iterator[Document]:
    """Documents of the points of one request. Of those without a time, what is there twice is two documents."""
    seen: dict[str, int] = {}
    for metric in batch:
        for point in metric.points:
            document = metric_document(metric, point, arrived)
            if not point.time:
                repetition = seen.get(document.id, 0)
                seen[document.id] = repetition + 1
                if repetition:
                    document = metric_document(metric, point, arrived, repetition)
            yield document


def _reference(record: LogRecord, document: Document) -> LogReference:
    return LogReference(record.trace_id, document.id, document.time, record.severity)


def _line(record: LogRecord, arrived: int) -> LogLine:
    resource = record.resource
    return LogLine(
        resource.service,
        resource.instance,
        resource.environment,
        record.time or record.observed_time or arrived,
        record.severity,
        text_of(record.body),
        record.trace_id,
        record.span_id,
    )


def _exemplars(batch: Iterable[Metric]) -> Iterator[ExemplarReference]:
    for metric in batch:
        for point in metric.points:
            for item in point.exemplars:
                if item.trace_id:
                    value = math.nan if item.value is None else float(item.value)
                    yield ExemplarReference(item.trace_id, item.span_id, item.time or point.time, metric.name, value)


def _split(pairs: Iterable[tuple[int, Item]]) -> dict[int, list[Item]]:
    parts: dict[int, list[Item]] = {}
    for partition, item in pairs:
        parts.setdefault(partition, []).append(item)
    return parts
