"""Segment files of the embedded log, damaged: what was confirmed is given back whole, or the damage is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_log.errors import LogError
from durable_log.record_format import HEADER, Record, batch_at, decode_batch, encode_batch
from durable_log.segment import LogSegment
from telemetry.errors import InputError
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = [
    Record(0, 1, b"key", b"value", (("name", b"content"), ("null", None))),
    Record(1, 2, None, None),
    Record(2, 3, b"", b"x" * 300, (("ü", b""),)),
]
_LATER = [Record(3, 4, b"a", b"b"), Record(4, 5, b"c", b"d" * 50)]


def _segment(folder: Path) -> bytes:
    """A segment of two batches, the second written when the first was durable."""
    segment = LogSegment.create(folder, 0, 1)
    segment.write(RECORDS, synced=0)
    segment.sync()
    segment.write(_LATER, synced=3)
    segment.sync()
    segment.close()
    return segment.path.read_bytes()


def of_segments(folder: Path) -> Target:
    """Opening, recovering and reading of a segment file."""
    (folder / "seed").mkdir()
    (folder / "read").mkdir()
    seed = _segment(folder / "seed")
    path = folder / "read" / f"{0:020d}.log"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        segment = LogSegment.open(path)
        try:
            end, torn = segment.recover()
            read: list[Record] = []
            while read[-1:] == [] or read[-1].offset + 1 < end:
                found = segment.read(read[-1].offset + 1 if read else 0, 1 << 20)
                if not found:
                    break
                read += found
            if data.startswith(seed[:20]) and len(data) >= len(seed) and data[: len(seed)] == seed:
                assert read[:5] == [*RECORDS, *_LATER], "records of intact batches are not given back"
            assert 0 <= torn <= len(data)
        finally:
            segment.close()

    words = (b"SLB1", b"SPANLOG1", b"\xff" * 8, b"\x00" * 8, b"\xff\xff\xff\x7f")
    return Target("log-segment", run, (seed, seed[:-7], seed[:80]), words, allowed=(InputError, LogError))


def _batch(data: bytes) -> None:
    """The records of a batch whose checksum is right, whatever is in it: what another release might have written."""
    batch = batch_at(data, 0)
    if batch is not None and batch.end <= len(data):
        list(decode_batch(data, batch))


TARGETS = (
    Target(
        "log-batch",
        _batch,
        (bytes(encode_batch(RECORDS, 0)), bytes(encode_batch(_LATER, 3))),
        (b"SLB1", b"\xff" * 4, b"\xff\xff", bytes(HEADER.size)),
        allowed=(ValueError,),
    ),
)
