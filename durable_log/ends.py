"""What each partition of the log must have: the first offset that it keeps, and the offset after its last confirmed record.

A file of fixed slots beside the topics, written after each sync of a partition and not synced itself: a killed process loses
nothing of it, and after a power failure it may say less than there is, never more. So whatever is missing then was lost.
"""

from __future__ import annotations

import os
import threading
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import structlog

if TYPE_CHECKING:
    from pathlib import Path

_SLOT = Struct("<200sIqqI")  # topic, partition, start, end, CRC-32 of all before it

log = structlog.get_logger(__name__)


class Span(NamedTuple):
    """Offsets of a partition."""

    start: int
    end: int


class Ends:
    """The file; of one process, of any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()
        self._slots: dict[tuple[str, int], int] = {}
        self._spans: dict[tuple[str, int], Span] = {}
        data = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        self._count = -(-len(data) // _SLOT.size)
        for slot in range(len(data) // _SLOT.size):
            name, partition, start, end, crc = _SLOT.unpack_from(data, slot * _SLOT.size)
            begin = slot * _SLOT.size
            if crc32(data[begin : begin + _SLOT.size - 4]) != crc:
                log.warning("log_end_unknown", file=str(path), slot=slot, hint="what is missing there is not noticed this time")
                continue
            key = name.rstrip(b"\0").decode(), partition
            self._slots[key], self._spans[key] = slot, Span(start, end)

    def get(self, topic: str, partition: int) -> Span | None:
        """What a partition must have; None where that is not known."""
        return self._spans.get((topic, partition))

    def partitions(self) -> dict[str, int]:
        """Topics that have records, and how many partitions at least."""
        found: dict[str, int] = {}
        for (topic, partition), span in self._spans.items():
            if span.end:
                found[topic] = max(found.get(topic, 0), partition + 1)
        return found

    def put(self, topic: str, partition: int, start: int, end: int) -> None:
        """Remember."""
        key = topic, partition
        with self._lock:
            slot = self._slots.setdefault(key, self._count)
            self._count = max(self._count, slot + 1)
            self._spans[key] = Span(start, end)
            data = _SLOT.pack(topic.encode(), partition, start, end, 0)[:-4]
            os.pwrite(self._descriptor, data + crc32(data).to_bytes(4, "little"), slot * _SLOT.size)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
