"""Files of OTLP/JSON lines, plain or gzip, as the OpenTelemetry Collector's file exporter writes them."""

from __future__ import annotations

import gzip
import zlib
from typing import IO, TYPE_CHECKING

from telemetry import otlp
from telemetry.errors import DecodeError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from telemetry.otlp import Signal

    Request = tuple[Signal, bytes, int]
    """Its signal, its protobuf bytes, and the number of its line, from 1."""

MAX_LINE_BYTES = 64 * 2**20
"""A line longer than this is not read on: it would be held in memory, and a file without line ends is no file of ours."""

_GZIP_MAGIC = b"\x1f\x8b"


class BadLineError(InputError):
    """A line that is not a valid export request, or has invalid items. The message begins with `file:line`."""


def read_requests(path: Path, on_error: Callable[[BadLineError], None] | None = None) -> Iterator[Request]:
    """The export requests of a file, in its order; see `OtlpFile`."""
    return iter(OtlpFile(path, on_error))


class OtlpFile:
    """Reads a file of OTLP/JSON lines. Empty lines are skipped.

    Args:
        path: the file; that it is gzip is seen from its first bytes.
        on_error: called with each bad line, after which reading goes on; the valid items of such a line are still returned.

    Raises:
        BadLineError: when iterating, at the first bad line, unless `on_error` is given.
        OSError: when iterating, the file cannot be opened.
    """

    def __init__(self, path: Path, on_error: Callable[[BadLineError], None] | None = None) -> None:
        self._path = path
        self._on_error = on_error
        self.position = 0
        """How many bytes of the file have been read, as they are on disk."""
        self.replaced = 0
        """Texts that are no Unicode so far, in which U+FFFD stands for what is none."""

    def __iter__(self) -> Iterator[Request]:
        with self._path.open("rb") as raw:
            packed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            for number, line in enumerate(self._lines(gzip.GzipFile(fileobj=raw) if packed else raw), 1):
                self.position = raw.tell()
                if not line.isspace():
                    yield from self._requests(line, number)

    def _lines(self, source: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
        number = 1
        while True:
            try:
                line = source.readline(MAX_LINE_BYTES + 1)
            except (OSError, EOFError, zlib.error) as error:
                self._report(number, f"cannot be read on from here: {error}", error)
                return
            if not line:
                return
            if len(line) > MAX_LINE_BYTES:
                self._report(number, f"the line has more than {MAX_LINE_BYTES} bytes; the rest of the file is not read", None)
                return
            yield line
            number += 1

    def _requests(self, line: bytes, number: int) -> Iterator[Request]:
        try:
            found, replaced = otlp.read_any_json(line)
        except DecodeError as error:
            self._report(number, str(error), error)
            return
        self.replaced += replaced
        for signal, request in found:
            invalid = otlp.reject(signal, request)
            if invalid is not None:
                field_path = otlp.json_path(invalid.first.field)
                self._report(
                    number, f"{field_path}: {invalid.first.reason} (invalid in this line: {invalid.count})", invalid.first
                )
                if not otlp.count_items(signal, request):
                    continue
            yield signal, request.SerializeToString(), number

    def _report(self, number: int, reason: str, cause: Exception | None) -> None:
        error = BadLineError(f"{self._path}:{number}: {reason}")
        if self._on_error is None:
            raise error from cause
        self._on_error(error)
