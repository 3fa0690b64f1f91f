"""Compaction: of segments that are no longer written, one that has the last record of each key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_log.segment import LogSegment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from durable_log.record_format import Record

_READ_BYTES = 1 << 20


def compacted(sealed: Sequence[LogSegment], after: LogSegment, *, delete_tombstones_before: int) -> LogSegment:
    """One durable segment that stands for `sealed`, which are left as they are.

    Offsets stay what they were. The very last record stays in any case: who reads up to the end waits for its offset.

    Args:
        sealed: neighbours, oldest first, with records.
        after: the segment that follows them.
        delete_tombstones_before: deletions (records without value) of segments ended earlier than this go too.
    """
    latest: dict[bytes | None, int] = {}
    last = -1
    for segment in sealed:
        for record in _records(segment):
            latest[record.key] = last = record.offset

    def kept() -> Iterator[Record]:
        for segment, following in zip(sealed, (*sealed[1:], after), strict=True):
            delete_tombstones = following.created < delete_tombstones_before
            for record in _records(segment):
                is_deleted = record.value is None and delete_tombstones
                if record.offset == last or (latest[record.key] == record.offset and not is_deleted):
                    yield record

    return LogSegment.replace(sealed[0].path.parent, sealed[0].first, after.first, sealed[-1].created, kept())


def _records(segment: LogSegment) -> Iterator[Record]:
    offset = segment.first
    while records := segment.read(offset, _READ_BYTES):
        yield from records
        offset = records[-1].offset + 1
