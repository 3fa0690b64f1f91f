"""Reads Kafka's records whose header names are not UTF-8, as producers that are not Java's can write them.

aiokafka decodes header names while it iterates a batch, and raises in the middle of it: nothing behind such a record would ever
be read. Here their bytes become escapes, and the record is one like all others: what reads it ignores headers it does not know.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_any_header_names() -> None:
    """From now on the consumers of this process do; aiokafka has no setting for it. Safe twice."""
    fetcher.MemoryRecords = _AnyHeaders


class _AnyHeaders(_MemoryRecordsPy):  # type: ignore[misc] # final for its authors' sake
    """What a fetch brought of one partition."""

    def next_batch(self, *args: Any) -> Any:
        data = self._next_slice
        batch = super().next_batch(*args)
        return batch if batch is None or batch.magic < 2 else _Batch(data, batch)


class _Batch:
    """A batch of which each record can be read."""

    def __init__(self, data: Any, batch: Any) -> None:
        self._data, self._batch = data, batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._batch:
                yield record
                read += 1
        except (UnicodeDecodeError, CorruptRecordException) as error:
            if not isinstance(error, UnicodeDecodeError) and not isinstance(error.__cause__, UnicodeDecodeError):
                raise
            yield from islice(_tolerant(self._data), read, None)


def _tolerant(data: Any) -> Iterator[Any]:
    batch = _DefaultRecordBatchPy(data)
    records: Iterator[Any] = iter(batch)  # which decompresses
    batch._buffer = _Text(batch._buffer)  # noqa: SLF001 - the only place where names are decoded
    return records


class _Text(bytearray):
    """Bytes of which each slice can be decoded."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Text(found) if isinstance(at, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)
