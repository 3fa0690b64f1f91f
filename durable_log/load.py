"""The segments of a partition as found at a start: complete; damaged, which is reported, or repaired where that was asked."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from durable_log.errors import CorruptLogError
from durable_log.segment import LogSegment

if TYPE_CHECKING:
    from pathlib import Path

    from durable_log.ends import Span


class Loaded(NamedTuple):
    """What was found."""

    segments: list[LogSegment]  # oldest first; the last is open for writing where nothing stands for what follows it
    end: int  # the offset after the last record
    torn: int  # bytes that were cut off, which were never confirmed


def load_segments(directory: Path, known: Span | None, repairs: list[str] | None) -> Loaded:
    """The segments of a partition.

    Args:
        directory: of the partition.
        known: what it must have, where that is known.
        repairs: gets a line for each loss that is accepted; None: nothing is accepted.

    Raises:
        CorruptLogError: a confirmed record is missing or cannot be read.
    """
    return _Loading(directory, known, repairs).load()


class _Loading:
    def __init__(self, directory: Path, known: Span | None, repairs: list[str] | None) -> None:
        self._directory, self._repairs = directory, repairs
        self._start, self._end = known if known is not None else (0, 0)
        self._place = f"{directory.parent.name}[{directory.name}]"

    def load(self) -> Loaded:
        for unfinished in self._directory.glob("*.tmp"):
            unfinished.unlink()
        found = [segment for path in sorted(self._directory.glob("*.log")) if (segment := self._open(path)) is not None]
        segments = _current(found)
        if not segments:
            if self._start < self._end:
                self._lose(self._directory, 0, self._start, self._end, "its segments are missing")
            return Loaded([], self._end, 0)
        if self._start < segments[0].first:
            self._lose(self._directory, 0, self._start, segments[0].first, "a segment is missing")
        for segment, after in pairwise(segments):
            self._check_ended(segment, after.first)
        return Loaded(segments, *self._check_last(segments[-1]))

    def _open(self, path: Path) -> LogSegment | None:
        first = int(path.stem.partition("-")[0])
        if path.stat().st_size < LogSegment.HEADER_BYTES and first >= self._end:
            return None  # it was being begun when the process died: nothing can be in it
        try:
            return LogSegment.open(path)
        except CorruptLogError as error:
            self._accept(error, f"{self._place}: {path.name} is no segment; it is kept as {path.stem}.damaged")
            path.rename(path.with_suffix(".damaged"))
            return None

    def _check_ended(self, segment: LogSegment, after: int) -> None:
        if segment.next:
            self._check_whole(segment)
            return
        end, position = (segment.truncated_bytes(), segment.size) if self._repairs is not None else segment.end()
        if end != after:
            self._lose(segment.path, position, end, after, "records behind it are missing")
            segment.stand_until(after)

    def _check_whole(self, segment: LogSegment) -> None:
        """What compaction left is as long as its name says, and ends with a batch."""
        missing, size = segment.missing, segment.size
        if self._repairs is None:
            end, position = segment.end()
        else:
            end, position = segment.truncated_bytes(), segment.size
        if missing or position < size:
            reason = "it is cut short" if missing else "no batch of records where one should begin"
            self._lose(segment.path, position, end, segment.next, f"{reason}, of what compaction left")
            segment.stand_until(segment.next)

    def _check_last(self, segment: LogSegment) -> tuple[int, int]:
        if segment.next:
            self._check_whole(segment)
            if segment.next < self._end:
                self._lose(self._directory, 0, segment.next, self._end, "a segment is missing")
                segment.stand_until(self._end)
            return segment.next, 0
        try:
            return segment.recover(self._end)
        except CorruptLogError as error:
            self._accept(error, f"{self._place}: {segment.path.name}: {error.reason}; a copy is kept as .damaged")
            segment.stand_until(max(self._end, segment.truncated_bytes()))
            return segment.next, 0

    def _lose(self, file: Path, position: int, first: int, end: int, reason: str) -> None:
        """Raise, or accept the loss of records."""
        error = CorruptLogError(str(file), position, f"{reason}: confirmed records {first} to {end - 1} of {self._place}")
        self._accept(error, f"{self._place}: records {first} to {end - 1} are lost")

    def _accept(self, error: CorruptLogError, line: str) -> None:
        if self._repairs is None:
            raise error
        self._repairs.append(line)


def _current(found: list[LogSegment]) -> list[LogSegment]:
    """Without those that a crash left behind a compaction."""
    segments: list[LogSegment] = []
    covered = 0
    for segment in sorted(found, key=lambda segment: (segment.first, -segment.next)):
        if segment.first < covered:
            segment.remove()  # a compacted segment holds what is left of it
        else:
            segments.append(segment)
            covered = segment.next
    return segments
