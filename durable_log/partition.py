"""A partition: segments of which the last is written to, and what may be deleted of them."""

from __future__ import annotations

import threading
from bisect import bisect_right
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import orjson

from durable_log.compaction import compacted
from durable_log.errors import CorruptLogError, LogError
from durable_log.load import load_segments
from durable_log.segment import LogSegment, sync_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from durable_log.ends import Ends
    from durable_log.record_format import Record

DAY_MS = 24 * 60 * 60 * 1000
_NS_A_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """How a topic is kept.

    Attributes:
        partitions: how many; fixed when the topic is created.
        compact: keep only the last record of each key.
        retention_ms: delete segments whose records are all older; 0: no bound.
        retention_bytes: delete the oldest segments of a partition that is larger; 0: no bound.
        segment_bytes: size at which a segment ends. What is deleted or compacted are whole ended segments.
    """

    partitions: int
    compact: bool = False
    retention_ms: int = 7 * DAY_MS
    retention_bytes: int = 1 << 30
    segment_bytes: int = 16 << 20

    @property
    def roll_at(self) -> int:
        """Bytes at which a segment ends: a partition of a small bound needs small segments to keep it."""
        return min(self.segment_bytes, self.retention_bytes // 4) if self.retention_bytes else self.segment_bytes


def read_settings(path: Path, partitions: int) -> TopicSettings:
    """What a topic.json says; `partitions` had records when the log was last open.

    Raises:
        ValueError, TypeError: it says what no topic has.
    """
    settings = TopicSettings(**orjson.loads(path.read_bytes()))
    for name, value in asdict(settings).items():
        expected = bool if name == "compact" else int
        if type(value) is not expected or value < 0:
            raise ValueError(f"{name} is {value!r}")
    there = sum(1 for found in path.parent.glob("*") if found.name.isdecimal())
    if settings.partitions < max(1, partitions, there):
        raise ValueError(f"partitions is {settings.partitions}, and there are {max(1, partitions, there)}")
    return settings


@dataclass(frozen=True, slots=True)
class DeletedOffsets:
    """What retention took away."""

    segments: int = 0
    size_bytes: int = 0


class Partition:
    """Records of one partition, by offset.

    One thread writes, another may `retain` and `compact`; a lock keeps those two apart. Reading takes no lock: it works
    on the tuple of segments of the moment.

    Args:
        directory: of its segments.
        settings: of its topic.
        now: nanoseconds since the epoch.
        ends: knows what it must have.
        repairs: where damage is repaired, gets a line for each; without it damage is an error.

    Raises:
        CorruptLogError: confirmed records are damaged or missing.
    """

    def __init__(
        self, directory: Path, settings: TopicSettings, now: int, ends: Ends | None = None, repairs: list[str] | None = None
    ) -> None:
        self.directory = directory
        self.settings = settings
        self.torn_bytes = 0
        self._lock = threading.Lock()
        self._unsynced = 0
        self._ends = ends
        known = ends.get(directory.parent.name, int(directory.name)) if ends is not None else None
        directory.mkdir(parents=True, exist_ok=True)
        segments, self.end, self.torn_bytes = load_segments(directory, known, repairs)
        if not segments or segments[-1].next:
            segments.append(LogSegment.create(directory, self.end, now))
        self._segments = tuple(segments)
        self._remember()

    def _remember(self) -> None:
        if self._ends is not None:
            self._ends.put(self.directory.parent.name, int(self.directory.name), self.start, self.end)

    @property
    def start(self) -> int:
        """The first offset that is kept."""
        return self._segments[0].first

    @property
    def size(self) -> int:
        """Durable bytes."""
        return sum(segment.size for segment in self._segments)

    @property
    def segments(self) -> int:
        """How many files it has."""
        return len(self._segments)

    def read(self, offset: int, max_bytes: int) -> list[Record]:
        """Durable records from `offset` on (from the first that is kept, where that is later); empty at the end.

        Whole batches, so more than `max_bytes` where a batch is larger.

        Raises:
            CorruptLogError: a checksum does not match.
        """
        while True:
            segments = self._segments
            at = bisect_right(segments, offset, key=lambda segment: segment.first)
            try:
                for segment in segments[max(at - 1, 0) :]:
                    records = segment.read(offset, max_bytes)
                    if records:
                        return records
            except FileNotFoundError as error:
                if segments is self._segments:
                    raise CorruptLogError(str(error.filename), 0, "the segment is missing") from error
                continue  # retention or compaction took it meanwhile
            return []

    def write(self, records: Sequence[Record], now: int) -> None:
        """Add records that begin at `end`. They count after `sync`.

        Raises:
            LogError: nothing was added.
        """
        with self._lock:
            active = self._segments[-1]
            try:
                if active.size >= self.settings.roll_at:
                    active = self._roll(now)
                active.write(records, self.end)
            except OSError as error:
                active.undo()
                raise LogError(
                    f"{active.path}: cannot write: {error.strerror}; make room on the disk, then try again"
                ) from error
            self._unsynced = len(records)

    def sync(self) -> None:
        """Make what was written durable, then visible.

        Raises:
            OSError: whether it is durable is not known, and asking again would not show it.
        """
        with self._lock:
            self._segments[-1].sync()
            self.end += self._unsynced
            self._unsynced = 0
            self._remember()

    def _roll(self, now: int) -> LogSegment:
        segment = LogSegment.create(self.directory, self.end, now)
        self._segments[-1].close()
        self._segments = (*self._segments, segment)
        return segment

    def skip_to(self, offset: int, now: int) -> None:
        """Go on at a later offset, where the files that held the offsets before it were removed."""
        with self._lock:
            self._segments[-1].close()
            self._segments[-1].stand_until(offset)
            self.end = offset
            self._roll(now)
            self._remember()

    def retain(self, now: int) -> DeletedOffsets:
        """Delete whole segments by age and by size, oldest first. The segment being written stays."""
        settings = self.settings
        with self._lock:
            expired_before = now - settings.retention_ms * _NS_A_MS if settings.retention_ms else None
            active = self._segments[-1]
            is_silent = not (active.is_empty or self._unsynced)
            if expired_before is not None and active.created < expired_before and is_silent:
                self._roll(now)  # else the records of a topic that fell silent would stay for ever
            segments = self._segments
            size, count = self.size, 0
            for segment, after in pairwise(segments):
                too_old = expired_before is not None and after.created < expired_before
                too_large = settings.retention_bytes and size > settings.retention_bytes
                if not (too_old or too_large):
                    break
                size, count = size - segment.size, count + 1
            self._segments = segments[count:]
            self._remember()  # before they go, or a crash in between would look like a loss
        return self._remove(segments[:count])

    def compact(self, now: int) -> DeletedOffsets:
        """Keep the last record of each key of the ended segments, once half of what lies there is new.

        Half, as Kafka's `min.cleanable.dirty.ratio`: what is written again stays in proportion to what was written.
        """
        with self._lock:
            sealed, active = self._segments[:-1], self._segments[-1]
        clean = sum(segment.size for segment in sealed if segment.next)
        dirty = sum(segment.size for segment in sealed if not segment.next)
        if not dirty or dirty < clean:
            return DeletedOffsets()
        # A reader that was away must still learn of a deletion, so tombstones stay a day: Kafka's `delete.retention.ms`.
        merged = compacted(sealed, active, delete_tombstones_before=now - DAY_MS * _NS_A_MS)
        with self._lock:
            self._segments = (merged, *self._segments[len(sealed) :])
        deleted = self._remove(sealed)
        return DeletedOffsets(deleted.segments, deleted.size_bytes - merged.size)

    def _remove(self, segments: Sequence[LogSegment]) -> DeletedOffsets:
        if not segments:
            return DeletedOffsets()
        for segment in segments:
            segment.remove()
        sync_directory(self.directory)
        return DeletedOffsets(len(segments), sum(segment.size for segment in segments))

    def close(self) -> None:
        """Close the files. Safe twice."""
        with self._lock:
            self._segments[-1].close()
