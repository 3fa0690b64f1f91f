"""Bodies of requests, decompressed within a bound: what exporters of the OpenTelemetry Collector and of SDKs compress with."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import cramjam

from collectors.errors import TooLargeError, UnsupportedError
from telemetry.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Compression = Literal["identity", "gzip", "deflate", "zstd", "snappy"]

_BY_NAME: Final[Mapping[str, Compression]] = {
    "": "identity",
    "identity": "identity",
    "gzip": "gzip",
    "x-gzip": "gzip",  # RFC 9110, 8.4.1.3
    "deflate": "deflate",
    "zlib": "deflate",  # as the Collector calls it too
    "zstd": "zstd",
    "snappy": "snappy",
    "x-snappy-framed": "snappy",
}
_WINDOW: Final[Mapping[Compression, int]] = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_SNAPPY_FRAMED: Final = b"\xff\x06\x00\x00sNaPpY"
_SNAPPY_LENGTH_BYTES: Final = 5

_USUAL_RATIO: Final = 16  # between what telemetry takes decompressed and compressed, nearly always less

CHUNK: Final = 64 * 1024
"""Bytes of gzip that are looked at together: what is behind the end of a member is copied."""

MAX_MEMBERS: Final = 10_000
"""Members of gzip in a body. Writers that flush make one of each piece."""


def compression_of(name: str) -> Compression:
    """What a Content-Encoding says.

    Raises:
        UnsupportedError: nothing that is read here.
    """
    found = _BY_NAME.get(name.strip().lower())
    if found is None:
        raise UnsupportedError(f"content encoding {name[:100]!r}: send gzip, deflate, zstd, snappy, or nothing compressed")
    return found


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """How large a request may be, and the setting that says so."""

    bytes: int
    setting: str

    def exceeded(self) -> TooLargeError:
        """The error of a body over it."""
        limit = f"{self.bytes} bytes, which is the limit ({self.setting})"
        return TooLargeError(f"the request has more than {limit}; send smaller batches or raise it")


class Body:
    """The body of a request, as it came or decompressed.

    Args:
        data: all of it.
        compression: what it is compressed with.
        limit: how large it may be, decompressed.
        at_once: how many bytes of it are decompressed here.

    Raises:
        TooLargeError: it is larger. `decompress` finds that too.
        DecodeError: it is not what it is said to be. `decompress` finds that too.
    """

    def __init__(self, data: bytes, *, compression: Compression, limit: SizeLimit, at_once: int) -> None:
        self._limit, self._compression = limit, compression
        self._rest = b"" if compression == "identity" else data
        self.plain = data if compression == "identity" else b""
        """What of it is decompressed."""
        self.is_whole = compression == "identity"
        """Whether all of it is decompressed."""
        self._stream = _Stream(data, compression) if compression in _WINDOW else None
        if self._stream is not None:
            self._read(self._stream, at_once)
        elif len(self.plain) > limit.bytes:
            raise limit.exceeded()

    @property
    def size(self) -> int:
        """Bytes that it uses."""
        return len(self.plain) + len(self._rest)

    def decompress(self) -> None:
        """Decompress the rest."""
        if self.is_whole:
            return
        if self._stream is not None:
            self._read(self._stream, self._limit.bytes + 1)
            return
        try:
            self.plain = _zstd(self._rest, self._limit) if self._compression == "zstd" else _snappy(self._rest, self._limit)
        except cramjam.DecompressionError as error:
            raise DecodeError("", f"not {self._compression}: {error}") from error
        self.is_whole, self._rest = True, b""

    def _read(self, stream: _Stream, size: int) -> None:
        self.plain += stream.read(min(size, self._limit.bytes + 1 - len(self.plain)))
        if len(self.plain) > self._limit.bytes:
            raise self._limit.exceeded()
        if stream.is_done:
            self.is_whole, self._rest, self._stream = True, b"", None


class _Stream:
    """Gzip of any number of members, or zlib."""

    def __init__(self, data: bytes, compression: Compression) -> None:
        self._data, self._name, self._window = data, compression, _WINDOW[compression]
        self._at = 0
        self._tail = b""  # read from the data, and not decompressed yet
        self._members = 1
        self._stream = zlib.decompressobj(self._window)
        self.is_done = False

    def read(self, size: int) -> bytes:
        """So many bytes more; fewer at the end.

        Raises:
            DecodeError: it is cut off, or is no such stream.
        """
        out = bytearray()
        while not self.is_done and len(out) < size:
            if not self._tail:
                self._tail = self._data[self._at : self._at + CHUNK]
                self._at += len(self._tail)
            more = self._decompress(size - len(out))
            out += more
            if self._stream.eof:
                self._end_member()
            elif not more and not self._tail and self._at >= len(self._data):
                raise DecodeError("", f"not {self._name}: it is cut off")
        return bytes(out)

    def _decompress(self, size: int) -> bytes:
        try:
            more = self._stream.decompress(self._tail, size)
        except zlib.error as error:
            raise DecodeError("", f"not {self._name}: {error}") from error
        self._tail = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        return more

    def _end_member(self) -> None:
        if not self._tail and self._at >= len(self._data):
            self.is_done = True
            return
        self._members += 1
        if self._name != "gzip" or self._members > MAX_MEMBERS:
            raise DecodeError("", f"not {self._name}: something follows its end")
        self._stream = zlib.decompressobj(self._window)


def _zstd(data: bytes, limit: SizeLimit) -> bytes:
    return _into_buffer(cramjam.zstd.decompress_into, data, limit)


def _snappy(data: bytes, limit: SizeLimit) -> bytes:
    """Framed, as the Collector's exporters wrote it for long, or a block, as they write it now, whatever it is called."""
    if data.startswith(_SNAPPY_FRAMED):
        return _into_buffer(cramjam.snappy.decompress_into, data, limit)
    length = 0
    for place, byte in enumerate(data[:_SNAPPY_LENGTH_BYTES]):
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            break
    if length > limit.bytes:
        raise limit.exceeded()
    return bytes(cramjam.snappy.decompress_raw(data))


def _into_buffer(decompress: Callable[[bytes, bytearray], int], data: bytes, limit: SizeLimit) -> bytes:
    """Decompressed into a buffer that is large enough for most bodies, and else into one that holds what the limit allows."""
    most = limit.bytes + 1
    for size in (min(_USUAL_RATIO * len(data) + CHUNK, most), most):
        buffer = bytearray(size)
        try:
            filled = decompress(data, buffer)
        except cramjam.DecompressionError as error:
            if "write whole buffer" not in str(error):  # the only sign of it
                raise
            continue
        if filled <= limit.bytes:
            return bytes(memoryview(buffer)[:filled])
    raise limit.exceeded()
