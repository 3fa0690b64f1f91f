"""One file of a partition: when it was begun, then batches of records in order of offset."""

from __future__ import annotations

import mmap
import os
import shutil
from bisect import bisect_right
from contextlib import closing
from struct import Struct
from typing import TYPE_CHECKING, Self

from components.private_files import FILE
from durable_log.errors import CorruptLogError
from durable_log.record_format import HEADER, MAGIC, Record, batch_at, decode_batch, encode_batch, is_intact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FILE_HEADER = Struct("<8sq")
_FILE_MAGIC = b"SPANLOG1"

BATCH_BYTES = 256 * 1024
"""Records a batch takes before the next is begun: a reader never has to take in much more than it asked for."""

INDEX_BYTES = 64 * 1024
"""Distance of index entries. Sparse, because batches say where the next begins."""


def sync_directory(path: Path) -> None:
    """Make created, renamed and removed names durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LogSegment:
    """Batches of the offsets from `first` on.

    One thread writes; others may read meanwhile, and see what is in front of `size`, which is always durable. The name
    says the first offset, and of a compacted segment also the offset after the last one that it stands for: it takes
    the place of all segments in between, and whichever of them a crash left behind is known to be superseded. It also says
    the size: nothing else distinguishes what compaction left from what is left after the file was cut short.

    Attributes:
        first: the first offset that may be in it.
        next: of a compacted segment the offset after those it stands for, else 0.
        created: when it was begun, nanoseconds since the epoch.
        size: bytes that are durable.
    """

    HEADER_BYTES = _FILE_HEADER.size

    def __init__(self, path: Path, created: int, size: int) -> None:
        first, after, whole = [*path.stem.split("-"), "0", "0"][:3]
        self.path = path
        self.first = int(first)
        self.next = int(after)
        self._whole = int(whole)
        self.created = created
        self.size = size
        self._written = size
        self._index: list[tuple[int, int]] = []
        self._indexed = size == _FILE_HEADER.size  # nothing in it yet
        self._descriptor: int | None = None

    @classmethod
    def create(cls, directory: Path, first: int, created: int) -> Self:
        """Begin a new file, open for writing. Its name is durable."""
        segment = cls._begin(directory / f"{first:020d}.log", created)
        segment.sync()
        sync_directory(directory)
        return segment

    @classmethod
    def replace(cls, directory: Path, first: int, after: int, created: int, records: Iterable[Record]) -> Self:
        """A file with these records that stands for the offsets from `first` to before `after`, durable under its name."""
        unfinished = directory / f"{first:020d}-{after:020d}.tmp"
        segment = cls._begin(unfinished, created)
        try:
            segment.write(records, synced=after)
            segment.sync()
        finally:
            segment.close()
        segment.stand_until(after)
        return segment

    @classmethod
    def _begin(cls, path: Path, created: int) -> Self:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE)
        try:
            os.write(descriptor, _FILE_HEADER.pack(_FILE_MAGIC, created))
        except OSError:
            os.close(descriptor)
            raise
        segment = cls(path, created, _FILE_HEADER.size)
        segment._descriptor = descriptor
        return segment

    @classmethod
    def open(cls, path: Path) -> Self:
        """A file that is there.

        Raises:
            CorruptLogError: it does not begin like a segment.
        """
        with path.open("rb") as file:
            header = file.read(_FILE_HEADER.size)
            size = os.fstat(file.fileno()).st_size
        if len(header) < _FILE_HEADER.size or header[: len(_FILE_MAGIC)] != _FILE_MAGIC:
            raise CorruptLogError(str(path), 0, "not a segment of the log")
        return cls(path, _FILE_HEADER.unpack(header)[1], size)

    @property
    def is_empty(self) -> bool:
        """Whether it has no durable record."""
        return self.size <= _FILE_HEADER.size

    @property
    def missing(self) -> int:
        """Bytes that it lacks by its name; 0 where an earlier release named it."""
        return max(0, self._whole - self.size)

    def recover(self, least: int = 0) -> tuple[int, int]:
        """Open for writing behind the last intact batch; a torn tail is cut off.

        Args:
            least: the offset after the last record that was confirmed, as far as that is known.

        Returns:
            The offset after the last record, and how many bytes were cut.

        Raises:
            CorruptLogError: records that were confirmed are unreadable.
        """
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        position, next_offset = _FILE_HEADER.size, self.first
        self._index.clear()
        with closing(mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)) as data:
            while (batch := batch_at(data, position)) is not None and is_intact(data, batch):
                self._note(batch.first, position)
                position, next_offset = batch.end, batch.last + 1
            torn = len(data) - position
            if torn:
                self._refuse_damage(data, position, next_offset)
        if next_offset < least:
            raise CorruptLogError(
                str(self.path), position, f"it is cut short: confirmed records {next_offset} to {least - 1} are missing"
            )
        self._indexed = True
        if torn:
            os.ftruncate(self._descriptor, position)
            os.fsync(self._descriptor)
        self.size = self._written = position
        return next_offset, torn

    def end(self) -> tuple[int, int]:
        """The offset after its last record, and the position after it, as its batches say; their checksums are not read."""
        position, next_offset = _FILE_HEADER.size, self.first
        with self.path.open("rb") as file, closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
            while (batch := batch_at(data, position)) is not None and batch.end <= len(data):
                position, next_offset = batch.end, batch.last + 1
        return next_offset, position

    def truncated_bytes(self) -> int:
        """Cut off everything from the first damage on; a copy of the file stays beside it. The offset after what is left."""
        self.close()
        position, next_offset = _FILE_HEADER.size, self.first
        data = self.path.read_bytes()
        while (batch := batch_at(data, position)) is not None and is_intact(data, batch):
            position, next_offset = batch.end, batch.last + 1
        if position < len(data):
            shutil.copy2(self.path, self.path.with_suffix(".damaged"))
            os.truncate(self.path, position)
        self.size = self._written = position
        self._index.clear()
        self._indexed = False
        return next_offset

    def stand_until(self, after: int) -> None:
        """From now on it also stands for the offsets up to this one, of which there are no records any more."""
        path = self.path.with_name(f"{self.first:020d}-{after:020d}-{self.size:020d}.log")
        self.path.rename(path)
        sync_directory(path.parent)
        self.path, self.next, self._whole = path, after, self.size

    def _refuse_damage(self, data: mmap.mmap, position: int, expected: int) -> None:
        """A batch behind the gap that was written when offsets in the gap were durable proves them confirmed."""
        at = data.find(MAGIC, position + 1)
        while at >= 0:
            batch = batch_at(data, at)
            if batch is not None and batch.synced > expected and is_intact(data, batch):
                raise CorruptLogError(
                    str(self.path),
                    position,
                    f"checksum mismatch: confirmed records {expected} to {batch.synced - 1} are damaged",
                )
            at = data.find(MAGIC, at + 1)

    def write(self, records: Iterable[Record], synced: int) -> None:
        """Add records behind all others. They are seen after `sync`.

        Raises:
            OSError: nothing was added.
        """
        batch: list[Record] = []
        size = 0
        for record in records:
            batch.append(record)
            size += record.size
            if size >= BATCH_BYTES:
                self._write_batch(batch, synced)
                batch, size = [], 0
        if batch:
            self._write_batch(batch, synced)

    def _write_batch(self, records: list[Record], synced: int) -> None:
        data = memoryview(encode_batch(records, synced))
        position = self._written
        while data:
            count = os.pwrite(self._open_descriptor(), data, position)
            data, position = data[count:], position + count
        self._note(records[0].offset, self._written)
        self._written = position

    def undo(self) -> None:
        """Take back what was written since the last `sync`."""
        os.ftruncate(self._open_descriptor(), self.size)
        self._index = [entry for entry in self._index if entry[1] < self.size]
        self._written = self.size

    def sync(self) -> None:
        """Make what was written durable, and then visible."""
        os.fdatasync(self._open_descriptor())
        self.size = self._written

    def read(self, offset: int, max_bytes: int) -> list[Record]:
        """Records from `offset` on, in whole batches: at least one batch where there is one, else about `max_bytes`.

        Raises:
            CorruptLogError: a checksum does not match.
            FileNotFoundError: the file was removed by retention or compaction.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            position = self._position(offset, descriptor)
            records: list[Record] = []
            while position < self.size and not records:
                data = os.pread(descriptor, min(max(max_bytes, HEADER.size), self.size - position), position)
                consumed = self._decode(data, position, offset, records)
                if not consumed:  # a batch larger than max_bytes
                    data = os.pread(descriptor, self._batch_size(data, position), position)
                    consumed = self._decode(data, position, offset, records)
                position += consumed
            return records
        finally:
            os.close(descriptor)

    def _decode(self, data: bytes, position: int, offset: int, records: list[Record]) -> int:
        """Add the records of the whole batches in `data`; how many bytes those have."""
        consumed = 0
        while (batch := batch_at(data, consumed)) is not None and batch.end <= len(data):
            if batch.last >= offset:
                if not is_intact(data, batch):
                    raise CorruptLogError(
                        str(self.path), position + consumed, f"checksum mismatch in records {batch.first} to {batch.last}"
                    )
                try:
                    records.extend(record for record in decode_batch(data, batch) if record.offset >= offset)
                except ValueError as error:
                    reason = f"records {batch.first} to {batch.last} are not as this release writes them: {error}"
                    raise CorruptLogError(str(self.path), position + consumed, reason) from error
            consumed = batch.end
        return consumed

    def _batch_size(self, data: bytes, position: int) -> int:
        batch = batch_at(data, 0)
        if batch is None or position + batch.end > self.size:
            raise CorruptLogError(str(self.path), position, "no batch of records where one should begin")
        return batch.end

    def _position(self, offset: int, descriptor: int) -> int:
        """Where a batch begins in front of which no batch has `offset`."""
        if not self._indexed:
            self._build_index(descriptor)
        at = bisect_right(self._index, offset, key=lambda entry: entry[0])
        return self._index[at - 1][1] if at else _FILE_HEADER.size

    def _build_index(self, descriptor: int) -> None:
        position = _FILE_HEADER.size
        with closing(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)) as data:
            while position < self.size and (batch := batch_at(data, position)) is not None:
                self._note(batch.first, position)
                position = batch.end
        self._indexed = True

    def _note(self, offset: int, position: int) -> None:
        if not self._index or position - self._index[-1][1] >= INDEX_BYTES:
            self._index.append((offset, position))

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise ValueError(f"{self.path} is not open for writing")
        return self._descriptor

    def close(self) -> None:
        """Close for writing. Safe twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Delete the file."""
        self.close()
        self.path.unlink(missing_ok=True)
