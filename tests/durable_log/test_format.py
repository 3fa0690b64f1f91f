"""The bytes of a segment file as its description says, packed by hand, and what is said of bytes that are otherwise."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING
from zlib import crc32

import pytest

from durable_log.compaction import compacted
from durable_log.ends import Ends, Span
from durable_log.errors import CorruptLogError
from durable_log.partition import DAY_MS, TopicSettings, read_settings
from durable_log.record_format import HEADER, Record, batch_at, decode_batch, encode_batch, is_intact
from durable_log.segment import BATCH_BYTES, LogSegment

if TYPE_CHECKING:
    from pathlib import Path

FULL = Record(7, 1_700_000_000_123, b"key", b"value", (("name", b"x"), ("é", None)))
EMPTY = Record(9, -1, None, None)
BLANK = Record(10, 0, b"", b"")


def packed(record: Record, first: int) -> bytes:
    """A record as the description of the format has it."""
    key, value = record.key, record.value
    data = struct.pack(
        "<IqiiH",
        record.offset - first,
        record.timestamp,
        -1 if key is None else len(key),
        -1 if value is None else len(value),
        len(record.headers),
    )
    data += (key or b"") + (value or b"")
    for name, content in record.headers:
        data += struct.pack("<Hi", len(name.encode()), -1 if content is None else len(content))
        data += name.encode() + (content or b"")
    return data


def batch(records: list[Record], synced: int) -> bytes:
    first, last = records[0].offset, records[-1].offset
    body = b"".join(packed(record, first) for record in records)
    covered = struct.pack("<qqI", first, synced, last - first) + body
    return b"SLB1" + struct.pack("<II", len(body), crc32(covered)) + covered


@pytest.mark.parametrize("records", [[FULL], [EMPTY], [FULL, EMPTY, BLANK]], ids=["full", "null", "three"])
def test_a_batch_is_laid_out_as_described_and_read_back(records: list[Record]) -> None:
    data = bytes(encode_batch(records, 5))
    assert data == batch(records, 5)
    found = batch_at(b"before" + data, 6)
    assert found is not None
    assert (found.first, found.last, found.synced) == (records[0].offset, records[-1].offset, 5)
    assert (found.begin, found.end) == (6, 6 + len(data))
    assert list(decode_batch(b"before" + data, found)) == records
    assert is_intact(b"before" + data, found)


@pytest.mark.parametrize("record", [FULL, EMPTY, BLANK], ids=["full", "null", "blank"])
def test_the_size_of_a_record_is_what_it_has_in_a_file(record: Record) -> None:
    assert record.size == len(packed(record, record.offset))


def test_a_header_that_does_not_fit_or_has_another_mark_is_no_batch() -> None:
    data = batch([FULL], 5)
    assert batch_at(data[: HEADER.size - 1], 0) is None
    assert batch_at(data[: HEADER.size], 0) is not None, "a batch may end past what was read"
    assert batch_at(data, 1) is None
    assert batch_at(b"SLB2" + data[4:], 0) is None


@pytest.mark.parametrize("position", [8, 12, 20, 28, 32, -1])
def test_any_byte_from_the_checksum_on_shows_when_it_is_another(position: int) -> None:
    data = bytearray(batch([FULL, EMPTY], 5))
    found = batch_at(bytes(data), 0)
    assert found is not None
    assert is_intact(bytes(data), found)
    assert not is_intact(bytes(data[:-1]), found)
    data[position] ^= 1
    assert not is_intact(bytes(data), found)


def test_an_intact_batch_of_another_release_is_an_error_of_its_value() -> None:
    body = b"\1\2\3"
    covered = struct.pack("<qqI", 0, 0, 0) + body
    data = b"SLB1" + struct.pack("<II", len(body), crc32(covered)) + covered
    found = batch_at(data, 0)
    assert found is not None
    assert is_intact(data, found)
    with pytest.raises(ValueError, match="requires a buffer"):
        list(decode_batch(data, found))


def written(path: Path, *batches: list[Record], created: int = 77) -> LogSegment:
    """A segment in which each batch was made durable by itself."""
    segment = LogSegment.create(path, batches[0][0].offset, created)
    for records in batches:
        segment.write(records, records[0].offset)
        segment.sync()
    return segment


def test_a_segment_is_its_mark_its_time_and_its_batches_under_the_name_of_its_first_offset(tmp_path: Path) -> None:
    segment = written(tmp_path, [FULL], [EMPTY, BLANK])
    assert segment.path.name == "00000000000000000007.log"
    data = segment.path.read_bytes()
    assert data == b"SPANLOG1" + struct.pack("<q", 77) + batch([FULL], 7) + batch([EMPTY, BLANK], 9)
    assert segment.size == len(data)
    again = LogSegment.open(segment.path)
    assert (again.first, again.next, again.created, again.size, again.missing) == (7, 0, 77, len(data), 0)
    assert not again.is_empty
    assert again.end() == (11, len(data))
    assert again.recover(11) == (11, 0)
    again.close()
    segment.close()


def test_an_empty_segment_is_its_head(tmp_path: Path) -> None:
    segment = LogSegment.create(tmp_path, 3, 77)
    assert segment.is_empty
    assert segment.size == LogSegment.HEADER_BYTES == 16
    assert segment.end() == (3, 16)
    assert segment.read(0, 100) == []
    segment.close()


@pytest.mark.parametrize("content", [b"", b"SPANLOG1" + bytes(7), b"SPANLOG2" + bytes(8)], ids=["nothing", "short", "mark"])
def test_a_file_that_begins_otherwise_is_no_segment(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "00000000000000000000.log"
    path.write_bytes(content)
    with pytest.raises(CorruptLogError, match=r"00\.log: byte 0: not a segment of the log"):
        LogSegment.open(path)


def test_what_was_confirmed_and_is_missing_is_named_by_its_offsets(tmp_path: Path) -> None:
    segment = written(tmp_path, [FULL])
    size = segment.size
    with pytest.raises(CorruptLogError, match=rf"byte {size}: it is cut short: confirmed records 8 to 11 are missing"):
        LogSegment.open(segment.path).recover(12)
    segment.close()


def test_damage_before_a_batch_that_was_written_after_its_confirmation_is_named(tmp_path: Path) -> None:
    segment = written(tmp_path, [FULL], [EMPTY], [BLANK])
    data = bytearray(segment.path.read_bytes())
    at = 16 + len(batch([FULL], 7))
    data[at + 13] ^= 1  # in the second batch
    segment.path.write_bytes(data)
    with pytest.raises(CorruptLogError, match=rf"byte {at}: checksum mismatch: confirmed records 8 to 9 are damaged"):
        LogSegment.open(segment.path).recover()
    with pytest.raises(CorruptLogError, match=rf"byte {at}: checksum mismatch in records \d+ to \d+"):
        LogSegment.open(segment.path).read(9, 1 << 20)
    segment.close()


def test_a_read_is_of_whole_batches_about_as_long_as_asked(tmp_path: Path) -> None:
    batches = [[Record(number, 0, b"k", b"v" * 1000)] for number in range(10)]
    segment = written(tmp_path, *batches)
    each = len(batch(batches[0], 0))
    for asked, count in ((1, 1), (each - 1, 1), (each, 1), (2 * each - 1, 1), (2 * each, 2), (100 * each, 10)):
        assert [record.offset for record in segment.read(0, asked)] == list(range(count))
    assert segment.read(4, 3 * each)[0].offset == 4
    assert segment.read(10, each) == []
    segment.close()


def test_records_from_the_middle_of_a_batch_on_are_read(tmp_path: Path) -> None:
    segment = written(tmp_path, [Record(number, 0, None, b"v") for number in range(5)], [Record(5, 0, None, b"v")])
    assert [record.offset for record in segment.read(3, 1)] == [3, 4]
    segment.close()


@pytest.mark.parametrize("reopened", [False, True])
def test_far_into_a_large_segment_a_read_finds_its_offset(tmp_path: Path, reopened: bool) -> None:  # noqa: FBT001 - a parameter
    batches = [[Record(2 * number, 0, None, b"v" * 30_000)] for number in range(20)]
    segment = written(tmp_path, *batches)
    if reopened:
        segment.close()
        segment = LogSegment.open(segment.path)
    for offset in range(39):
        assert segment.read(offset, 1)[0].offset == offset + offset % 2
    positions = [position for _, position in segment._index]
    assert len(positions) > 1
    assert all(64 * 1024 <= after - before < 64 * 1024 + 31_000 for before, after in pairwise(positions))
    segment.close()


def test_a_batch_ends_with_the_record_that_fills_it(tmp_path: Path) -> None:
    half = Record(0, 0, None, b"v" * (BATCH_BYTES // 2))
    segment = written(tmp_path, [half._replace(offset=number) for number in range(5)])
    data, position, spans = segment.path.read_bytes(), LogSegment.HEADER_BYTES, []
    while (found := batch_at(data, position)) is not None:
        spans.append((found.first, found.last))
        position = found.end
    assert spans == [(0, 1), (2, 3), (4, 4)]
    segment.close()


def test_what_was_written_and_not_synced_is_taken_back(tmp_path: Path) -> None:
    segment = written(tmp_path, [Record(0, 0, None, b"v")])
    segment.write([Record(1, 0, None, b"w")], 1)
    assert [record.offset for record in segment.read(0, 1 << 20)] == [0], "what is not durable is not shown"
    segment.undo()
    segment.write([Record(1, 0, None, b"x")], 1)
    segment.sync()
    assert [record.value for record in segment.read(0, 1 << 20)] == [b"v", b"x"]
    segment.close()
    segment.close()


def test_what_is_cut_off_stays_beside_the_file(tmp_path: Path) -> None:
    segment = written(tmp_path, [FULL], [EMPTY])
    whole = segment.path.read_bytes()
    segment.path.write_bytes(whole[:-1])
    assert LogSegment.open(segment.path).truncated_bytes() == 8
    assert segment.path.read_bytes() == whole[: 16 + len(batch([FULL], 7))]
    assert segment.path.with_suffix(".damaged").read_bytes() == whole[:-1]
    segment.close()
    intact = tmp_path / "intact"
    intact.mkdir()
    segment = written(intact, [FULL])
    assert segment.truncated_bytes() == 8
    assert [path.suffix for path in intact.iterdir()] == [".log"]


def kept(tmp_path: Path, *segments: list[tuple[bytes | None, bytes | None]], before: int) -> list[int]:
    """The offsets that compaction leaves of segments begun at 0, 10, 20 ... of records with these keys and values."""
    sealed, offset = [], 0
    for number, pairs in enumerate(segments):
        records = [Record(offset + at, 0, key, value) for at, (key, value) in enumerate(pairs)]
        sealed.append(written(tmp_path, records, created=10 * number))
        offset += len(pairs)
    after = LogSegment.create(tmp_path, offset, 10 * len(segments))
    left = compacted(sealed, after, delete_tombstones_before=before)
    assert (left.first, left.next, left.created) == (0, offset, 10 * (len(segments) - 1))
    assert left.path.name == f"{0:020d}-{offset:020d}-{left.size:020d}.log"
    assert left.path.stat().st_size == left.size
    for segment in (*sealed, after):
        segment.close()
    return [record.offset for record in left.read(0, 1 << 20)]


def test_the_last_record_of_each_key_is_kept(tmp_path: Path) -> None:
    assert kept(tmp_path, [(b"a", b"1"), (b"b", b"1")], [(b"a", b"2"), (b"c", b"1")], before=0) == [1, 2, 3]


@pytest.mark.parametrize(("before", "left"), [(10, [1, 3, 4]), (11, [3, 4]), (21, [4])])
def test_a_deletion_goes_with_a_segment_that_ended_long_enough_ago_but_for_the_very_last_record(
    tmp_path: Path, before: int, left: list[int]
) -> None:
    first: list[tuple[bytes | None, bytes | None]] = [(b"a", b"1"), (b"a", None)]
    assert kept(tmp_path, first, [(b"b", b"1"), (b"b", None), (b"c", None)], before=before) == left


def test_the_ends_of_partitions_are_remembered_and_what_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    ends = Ends(tmp_path / "ends")
    for topic, partition, start, end in (("t", 0, 1, 5), ("t", 2, 0, 7), ("empty", 4, 0, 0), ("u", 0, 3, 9)):
        ends.put(topic, partition, start, end)
    ends.put("t", 0, 2, 6)
    assert ends.partitions() == {"t": 3, "u": 1}
    ends.close()
    data = bytearray((tmp_path / "ends").read_bytes())
    assert len(data) == 4 * 224
    slot = struct.pack("<200sIqq", b"t", 0, 2, 6)
    assert data[:224] == slot + struct.pack("<I", crc32(slot))
    data[3 * 224] ^= 1
    (tmp_path / "ends").write_bytes(data + b"torn")
    again = Ends(tmp_path / "ends")
    assert [again.get("t", 0), again.get("t", 2), again.get("u", 0)] == [Span(2, 6), Span(0, 7), None]
    again.put("v", 0, 0, 1)
    assert again.get("v", 0) == Span(0, 1)
    again.close()
    third = Ends(tmp_path / "ends")
    assert [third.get("t", 2), third.get("empty", 4), third.get("v", 0)] == [Span(0, 7), Span(0, 0), Span(0, 1)]
    third.close()


@pytest.mark.parametrize(
    ("content", "there", "known", "said"),
    [
        ('{"partitions":"1"}', 0, 0, "partitions is '1'"),
        ('{"partitions":true}', 0, 0, "partitions is True"),
        ('{"partitions":1,"compact":1}', 0, 0, "compact is 1"),
        ('{"partitions":1,"retention_ms":-1}', 0, 0, "retention_ms is -1"),
        ('{"partitions":0}', 0, 0, "partitions is 0, and there are 1"),
        ('{"partitions":2}', 3, 0, "partitions is 2, and there are 3"),
        ('{"partitions":2}', 1, 4, "partitions is 2, and there are 4"),
    ],
)
def test_what_a_topics_settings_cannot_say_is_quoted(tmp_path: Path, content: str, there: int, known: int, said: str) -> None:
    path = tmp_path / "topic.json"
    path.write_text(content)
    for number in range(there):
        (tmp_path / str(number)).mkdir()
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match=f"^{said}$"):
        read_settings(path, known)


def test_settings_are_read_with_the_defaults_of_what_they_do_not_say(tmp_path: Path) -> None:
    path = tmp_path / "topic.json"
    path.write_text('{"partitions":2,"retention_bytes":0}')
    (tmp_path / "0").mkdir()
    assert read_settings(path, 2) == TopicSettings(2, False, 7 * 86_400_000, 0, 16 * 1024 * 1024)
    assert DAY_MS == 86_400_000


@pytest.mark.parametrize(("retention", "segment", "ends"), [(0, 1000, 1000), (1000, 1000, 250), (8000, 1000, 1000)])
def test_a_partition_of_a_small_bound_has_small_segments(retention: int, segment: int, ends: int) -> None:
    assert TopicSettings(1, retention_bytes=retention, segment_bytes=segment).roll_at == ends
