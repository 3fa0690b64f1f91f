"""Whether what a producer wrote is JSON or protobuf: nobody says so on Kafka."""

from __future__ import annotations

from typing import Final

BOM: Final = b"\xef\xbb\xbf"
"""Before a text of some writers on Windows. JSON has none, and parsers refuse it."""

_BLANKS: Final = b" \t\r\n"


def json_in(value: bytes) -> bytes:
    """The JSON object or array that a value seems to be, without a byte order mark and blanks before it; empty for none.

    Where `may_be_protobuf` says so, it may be none all the same.
    """
    text = value.removeprefix(BOM).lstrip(_BLANKS)
    return text if text[:1] in {b"{", b"["} else b""


def may_be_protobuf(value: bytes) -> bool:
    """Whether a message may begin like this value: a line end is also the tag of field 1, and a bracket its length."""
    return value[:1] == b"\n"
