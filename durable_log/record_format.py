"""How records lie in a segment file: batches, each with a checksum.

A batch is a header and its records. CRC-32 covers all that follows it. `synced` is the partition's end when the batch
was written, so everything before it was durable then: from that a torn tail, which nobody was promised, can be distinguished
from damage to what was confirmed. Little-endian.

    header   magic 4s | length of records u32 | crc u32 | first offset i64 | synced i64 | last offset - first u32
    record   offset - first u32 | timestamp ms i64 | key length i32 | value length i32 | headers u16 | key | value | headers
    a header name length u16 | value length i32 | name | value           (length -1: null)
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is one
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from mmap import mmap

MAGIC = b"SLB1"
HEADER = Struct("<4sIIqqI")
_AFTER_CRC = 12
_RECORD = Struct("<IqiiH")
_FIELD = Struct("<Hi")

Headers = tuple[tuple[str, bytes | None], ...]


class Record(NamedTuple):
    """One record of a partition. `timestamp` in milliseconds since the epoch, as Kafka has it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Bytes of the record in a file."""
        size = _RECORD.size + len(self.key or b"") + len(self.value or b"")
        for name, value in self.headers:
            size += _FIELD.size + len(name.encode()) + len(value or b"")
        return size


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Where a batch lies in what was read, and which offsets it spans."""

    first: int
    last: int
    synced: int
    begin: int
    end: int


def encode_batch(records: Iterable[Record], synced: int) -> bytearray:
    """A batch of at least one record; offsets ascend."""
    parts: list[bytes] = [bytes(HEADER.size)]
    first = last = -1
    for offset, timestamp, key, value, headers in records:
        if first < 0:
            first = offset
        last = offset
        key_length = -1 if key is None else len(key)
        value_length = -1 if value is None else len(value)
        parts.append(_RECORD.pack(offset - first, timestamp, key_length, value_length, len(headers)))
        if key:
            parts.append(key)
        if value:
            parts.append(value)
        for name, content in headers:
            encoded = name.encode()
            parts += (_FIELD.pack(len(encoded), -1 if content is None else len(content)), encoded, content or b"")
    data = bytearray().join(parts)  # values are large: copied once, and the header put in front in place
    length = len(data) - HEADER.size
    HEADER.pack_into(data, 0, MAGIC, length, 0, first, synced, last - first)
    crc = crc32(memoryview(data)[_AFTER_CRC:])
    HEADER.pack_into(data, 0, MAGIC, length, crc, first, synced, last - first)
    return data


def batch_at(data: bytes | mmap, position: int) -> RecordBatch | None:
    """The batch whose header is at `position`; it may end past the data. None where no header is or fits."""
    if position + HEADER.size > len(data):
        return None
    magic, length, _, first, synced, span = HEADER.unpack_from(data, position)
    if magic != MAGIC:
        return None
    return RecordBatch(first, first + span, synced, position, position + HEADER.size + length)


def is_intact(data: bytes | mmap, batch: RecordBatch) -> bool:
    """Whether the whole batch is there and its checksum is right."""
    if batch.end > len(data):
        return False
    crc: int = HEADER.unpack_from(data, batch.begin)[2]
    return crc == crc32(memoryview(data)[batch.begin + _AFTER_CRC : batch.end])


def decode_batch(data: bytes, batch: RecordBatch) -> Iterator[Record]:
    """The records of an intact batch.

    Raises:
        ValueError: its checksum is right, and yet it is not what `encode_batch` writes.
    """
    try:
        yield from _decoded(data, batch)
    except StructError as error:
        raise ValueError(str(error)) from error


def _decoded(data: bytes, batch: RecordBatch) -> Iterator[Record]:
    position = batch.begin + HEADER.size
    while position < batch.end:
        delta, timestamp, key_length, value_length, header_count = _RECORD.unpack_from(data, position)
        position += _RECORD.size
        key, position = _read_field(data, position, key_length)
        value, position = _read_field(data, position, value_length)
        headers: Headers = ()
        if header_count:
            found = []
            for _ in range(header_count):
                name_length, content_length = _FIELD.unpack_from(data, position)
                name, position = _read_field(data, position + _FIELD.size, name_length)
                content, position = _read_field(data, position, content_length)
                found.append(((name or b"").decode(), content))
            headers = tuple(found)
        yield Record(batch.first + delta, timestamp, key, value, headers)


def _read_field(data: bytes, position: int, length: int) -> tuple[bytes | None, int]:
    if length < 0:
        return None, position
    return data[position : position + length], position + length
