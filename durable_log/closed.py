"""A log that nobody has open, read without changing it: it takes no lock, no torn tail cut off, no file made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from durable_log.errors import CorruptLogError
from durable_log.log import OFFSETS
from durable_log.partition import read_settings
from durable_log.record_format import batch_at, decode_batch, is_intact
from durable_log.segment import LogSegment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from durable_log.partition import TopicSettings
    from durable_log.record_format import Record


class ClosedLog:
    """Topics, records and committed offsets of a log's directory.

    Args:
        directory: of a log. Who writes to it meanwhile may be seen half.
    """

    def __init__(self, directory: Path) -> None:
        self._topics = directory / "topics"

    def topics(self) -> dict[str, TopicSettings]:
        """The topics and how they are kept; without that of offsets.

        Raises:
            CorruptLogError: a topic's settings cannot be read.
            OSError: a file or folder cannot be.
        """
        found = {}
        for folder in sorted(self._topics.iterdir()):  # `glob` passes over what may not be read
            path = folder / "topic.json"
            if not path.exists():
                continue
            try:
                settings = read_settings(path, 1)
            except (ValueError, TypeError) as error:
                raise CorruptLogError(str(path), 0, f"it does not say how a topic is kept: {error}") from error
            if path.parent.name != OFFSETS:
                found[path.parent.name] = settings
        return found

    def records(self, topic: str, partition: int, offset: int = 0) -> Iterator[Record]:
        """The records of a partition from an offset on; up to the first that is torn or damaged.

        Raises:
            CorruptLogError: a file is no segment, or holds records that no release of ours has written so.
            OSError: a file or folder cannot be read.
        """
        covered = 0
        folder = self._topics / topic / str(partition)
        segments = [LogSegment.open(path) for path in (folder.iterdir() if folder.exists() else ()) if path.suffix == ".log"]
        for segment in sorted(segments, key=lambda segment: (segment.first, -segment.next)):
            if segment.first < covered:
                continue  # a compacted one has what is left of it
            covered = segment.next
            yield from (record for record in _records(segment) if record.offset >= offset)

    def committed(self) -> dict[str, dict[tuple[str, int], int]]:
        """Of each group the next offset that it will read, by topic and partition.

        Raises:
            CorruptLogError: offsets have another form.
        """
        found = {}
        for record in self.records(OFFSETS, 0):
            found[(record.key or b"").decode(errors="replace")] = record.value or b"{}"
        try:
            return {
                group: {(topic, int(number)): int(at) for topic, of in orjson.loads(value).items() for number, at in of.items()}
                for group, value in found.items()
            }
        except (ValueError, TypeError, AttributeError) as error:
            raise CorruptLogError(str(self._topics / OFFSETS), 0, f"committed offsets cannot be read: {error}") from error


def _records(segment: LogSegment) -> Iterator[Record]:
    data = segment.path.read_bytes()  # 16 MiB at most, but for one batch that is larger
    position = LogSegment.HEADER_BYTES
    while (batch := batch_at(data, position)) is not None and is_intact(data, batch):
        try:
            yield from decode_batch(data, batch)
        except ValueError as error:
            reason = f"records {batch.first} to {batch.last} are not as this release writes them: {error}"
            raise CorruptLogError(str(segment.path), position, reason) from error
        position = batch.end
