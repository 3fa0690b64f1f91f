"""Confirmed records that are missing or damaged are found at the start, named, and given up only where that was asked."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from durable_log.errors import CorruptLogError
from durable_log.log import OFFSETS, DurableLog
from durable_log.partition import TopicSettings
from durable_log.record_format import HEADER, Record, batch_at
from durable_log.segment import LogSegment
from tests.durable_log.test_log import SMALL, Clock, everything, flip_byte, opened, put, segments

Damage = Callable[[Path], object]


async def filled(directory: Path) -> None:
    """Ten records in ten segments of t[0], all unread but the first two; the last is being written to."""
    with opened(directory) as log:
        log.create_topic("t", SMALL)
        await put(log, *[b"%d" % i + b"v" * 200 for i in range(10)])
        await log.commit("g", {("t", 0): 2})
    assert len(segments(directory)) == 10


def last(directory: Path) -> Path:
    return segments(directory)[-1]


def middle(directory: Path) -> Path:
    return segments(directory)[4]


def partition(directory: Path) -> Path:
    return directory / "topics" / "t" / "0"


def settings(log: Path) -> Path:
    return partition(log).parent / "topic.json"


def delete_two(log: Path) -> None:
    for path in segments(log)[-2:]:
        path.unlink()


FIRST_IS_MISSING = r"/t/0: byte 0: a segment is missing: confirmed records 0 to 0 of t\[0\]"
ALL_ARE_MISSING = r"/t/0: byte 0: its segments are missing: confirmed records 0 to 9 of t\[0\]"

DAMAGE: dict[str, tuple[Damage, str, set[int]]] = {
    "the last segment is deleted": (lambda log: last(log).unlink(), r"records 9 to 9", {9}),
    "the last two are": (delete_two, r"records 8 to 9", {8, 9}),
    "the last has no length": (lambda log: os.truncate(last(log), 0), r"0009\.log: byte 0: not a segment", {9}),
    "the last has five bytes": (lambda log: os.truncate(last(log), 5), r"0009\.log: byte 0: not a segment", {9}),
    "the last has its header only": (lambda log: os.truncate(last(log), 16), r"0009\.log: byte 16: .*records 9 to 9", {9}),
    "the last lacks its end": (lambda log: os.truncate(last(log), 100), r"0009\.log: byte 16: .*records 9 to 9", {9}),
    "a byte of the last is flipped": (lambda log: flip_byte(last(log), 100), r"0009\.log: byte 16: .*records 9 to 9", {9}),
    "the header of the last is flipped": (lambda log: flip_byte(last(log), 2), r"0009\.log: byte 0: not a segment", {9}),
    "one in the middle is deleted": (lambda log: middle(log).unlink(), r"0003\.log: .*records 4 to 4", {4}),
    "one in the middle is cut short": (lambda log: os.truncate(middle(log), 100), r"0004\.log: .*records 4 to 4", {4}),
    "one in the middle has no length": (lambda log: os.truncate(middle(log), 0), r"0004\.log: byte 0: not a segment", {4}),
    "the first is deleted": (lambda log: segments(log)[0].unlink(), FIRST_IS_MISSING, {0}),
    "all are deleted": (lambda log: shutil.rmtree(partition(log)), ALL_ARE_MISSING, set(range(10))),
    "the topic is deleted": (lambda log: shutil.rmtree(partition(log).parent), r"topic\.json: .*it is missing", set(range(10))),
    "topic.json is empty": (lambda log: settings(log).write_text(""), r"topic\.json: byte 0", set()),
    "topic.json is garbage": (lambda log: settings(log).write_text("{x"), r"topic\.json: byte 0", set()),
    "topic.json says something else": (lambda log: settings(log).write_text("[1]"), r"topic\.json: byte 0", set()),
    "topic.json has no partition": (lambda log: settings(log).write_text('{"partitions":-1}'), r"topic\.json: byte 0", set()),
    "topic.json has a text": (lambda log: settings(log).write_text('{"partitions":"1"}'), r"topic\.json: byte 0", set()),
    "topic.json is deleted": (lambda log: settings(log).unlink(), r"topic\.json: byte 0: it is missing", set()),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "said", "lost"), DAMAGE.values(), ids=DAMAGE)
async def test_damage_is_an_error_that_names_it_and_a_repair_gives_up_no_more_than_it(
    tmp_path: Path, damage: Damage, said: str, lost: set[int]
) -> None:
    await filled(tmp_path)
    damage(tmp_path)
    for _ in range(2):  # a start that fails changes nothing
        with pytest.raises(CorruptLogError, match=rf"{said}.*spanloom log repair"):
            DurableLog(tmp_path, Clock())
    repairs: list[str] = []
    with opened(tmp_path, repairs=repairs) as log:
        assert repairs
        assert {record.offset for record in everything(log)} == set(range(10)) - lost
        assert log.committed("g", "t", 0) == 2
    with opened(tmp_path) as log:
        assert {record.offset for record in everything(log)} == set(range(10)) - lost
        assert await put(log, b"new") == [10], "no offset comes twice"
    again: list[str] = []
    with opened(tmp_path, repairs=again):
        assert again == []


async def test_committed_offsets_that_are_gone_are_an_error(tmp_path: Path) -> None:
    await filled(tmp_path)
    shutil.rmtree(tmp_path / "topics" / OFFSETS)
    with pytest.raises(CorruptLogError, match=r"__offsets/topic\.json: byte 0: it is missing"):
        DurableLog(tmp_path, Clock())
    with opened(tmp_path, repairs=[]) as log:
        assert log.committed("g", "t", 0) is None
        await log.commit("g", {("t", 0): 3})
    with opened(tmp_path) as log:
        assert log.committed("g", "t", 0) == 3


async def test_a_log_of_before_that_remembers_no_ends_is_opened_and_remembers_them(tmp_path: Path) -> None:
    await filled(tmp_path)
    (tmp_path / "ends").unlink()
    with opened(tmp_path):
        pass
    last(tmp_path).unlink()
    with pytest.raises(CorruptLogError, match=r"records 9 to 9"):
        DurableLog(tmp_path, Clock())


async def test_what_retention_and_compaction_take_away_is_no_loss(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("t", TopicSettings(1, retention_ms=0, retention_bytes=1000, segment_bytes=200))
        log.create_topic("c", TopicSettings(1, compact=True, retention_ms=0, retention_bytes=0, segment_bytes=200))
        await put(log, *[b"v" * 200] * 20)
        await put(log, *[b"v" * 200] * 20, topic="c", key=b"k")
        log.maintain()
        assert log.start_offset("t", 0) > 0
    with opened(tmp_path) as log:
        assert await put(log, b"x") == [20]
        assert await put(log, b"x", topic="c", key=b"k") == [20]


async def test_an_end_that_cannot_be_read_is_not_held_against_its_partition(tmp_path: Path) -> None:
    await filled(tmp_path)
    flip_byte(tmp_path / "ends", 210)
    flip_byte(tmp_path / "ends", 224 + 210)
    with opened(tmp_path) as log:
        assert len(everything(log)) == 10


async def compacted_file(directory: Path) -> tuple[Path, list[int]]:
    """What compaction left of the first six of seven records, in three batches, and where these end."""
    with opened(directory) as log:
        log.create_topic("c", TopicSettings(1, compact=True, retention_ms=0, retention_bytes=0, segment_bytes=1 << 20))
        for number in range(7):
            await put(log, b"v" * 200_000, topic="c", key=b"%d" % number)
        log.maintain()
    (path,) = (path for path in segments(directory, "c") if "-" in path.name)
    data, ends = path.read_bytes(), []
    position = LogSegment.HEADER_BYTES
    while (batch := batch_at(data, position)) is not None:
        position = batch.end
        ends.append(position)
    assert len(ends) == 3
    return path, ends


@pytest.mark.parametrize("named", [True, False], ids=["", "of a release that did not name the size"])
@pytest.mark.parametrize("cut", ["in a batch", "between batches", "to the header"])
async def test_a_compacted_segment_that_was_cut_short_is_damage(tmp_path: Path, cut: str, named: bool) -> None:  # noqa: FBT001
    path, ends = await compacted_file(tmp_path)
    if not named:
        path = path.rename(path.with_name(path.name[:41] + ".log"))
        with opened(tmp_path) as log:
            assert len(everything(log, "c")) == 7
        if cut != "in a batch":
            return  # it cannot be told
    os.truncate(path, {"in a batch": ends[0] + 1000, "between batches": ends[0], "to the header": LogSegment.HEADER_BYTES}[cut])
    for _ in range(2):
        with pytest.raises(CorruptLogError, match=r"-0+6.*\.log: byte \d+: .*what compaction left.*spanloom log repair"):
            DurableLog(tmp_path, Clock())
    repairs: list[str] = []
    left = 0 if cut == "to the header" else 2
    with opened(tmp_path, repairs=repairs) as log:
        assert len(repairs) == 1
        assert [record.offset for record in everything(log, "c")] == [*range(left), 6]
    with opened(tmp_path) as log:
        assert await put(log, b"new", topic="c", key=b"k") == [7]
        log.maintain()


async def test_committed_offsets_that_compaction_left_and_are_cut_short_are_damage(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("t", SMALL)
        log.create_topic(OFFSETS, TopicSettings(1, compact=True, retention_ms=0, retention_bytes=0, segment_bytes=200))
        await put(log, b"v")
        for number in range(20):
            await log.commit(f"g{number}", {("t", 0): 1})
        log.maintain()
    (path,) = (path for path in segments(tmp_path, OFFSETS) if "-" in path.name)
    os.truncate(path, LogSegment.HEADER_BYTES)
    with pytest.raises(CorruptLogError, match=r"__offsets/0/0+-.*cut short"):
        DurableLog(tmp_path, Clock())


@pytest.mark.parametrize(("topic", "compact"), [("t", False), ("score-changelog", True), (OFFSETS, True)])
async def test_a_topic_whose_settings_are_gone_is_kept_as_its_name_says(tmp_path: Path, topic: str, *, compact: bool) -> None:
    with opened(tmp_path) as log:
        log.create_topic("score-changelog", TopicSettings(3, compact=True))
        log.create_topic("t", TopicSettings(3))
        for name in ("score-changelog", "t"):
            await log.append(name, 0, b"k", b"v")
        await log.commit("g", {("t", 0): 1})
    path = tmp_path / "topics" / topic / "topic.json"
    path.unlink()
    with opened(tmp_path, repairs=[]):
        pass
    found = json.loads(path.read_text())
    assert found["compact"] == compact
    assert (found["retention_ms"] == 0, found["retention_bytes"] == 0) == (compact, compact)


@pytest.mark.parametrize("value", [b"no JSON", b"[1]", b'{"t": 7}', b'{"t": {"0": "x"}}', b'{"t": {"x": 1}}'])
async def test_committed_offsets_of_another_form_are_damage_and_a_repair_names_the_group(tmp_path: Path, value: bytes) -> None:
    await filled(tmp_path)
    with opened(tmp_path) as log:
        await log.append(OFFSETS, 0, b"h", value)
    said = rf"topics/{OFFSETS}: byte 0: the committed offsets of group 'h' cannot be read: .*spanloom log repair"
    with pytest.raises(CorruptLogError, match=said):
        DurableLog(tmp_path, Clock())
    repairs: list[str] = []
    with opened(tmp_path, repairs=repairs) as log:
        (repair,) = repairs
        assert repair.startswith(f"{OFFSETS}: the committed offsets of group 'h' cannot be read: ")
        assert repair.endswith("; the group begins with what is kept")
        assert (log.committed("h", "t", 0), log.committed("g", "t", 0)) == (None, 2)


@pytest.mark.parametrize(("synced", "confirmed"), [((0, 0, 0), 0), ((0, 0, 1), 1), ((0, 1, 0), 1), ((0, 0, 2), 2)])
def test_any_batch_behind_a_gap_may_prove_that_records_in_it_were_confirmed(
    tmp_path: Path, synced: tuple[int, ...], confirmed: int
) -> None:
    """Three batches of one record each, the first damaged; they say how many records were durable when they were written."""
    segment = LogSegment.create(tmp_path, 0, 0)
    for offset, durable in enumerate(synced):
        segment.write([Record(offset, 0, None, b"v")], durable)
    segment.sync()
    segment.close()
    size = segment.path.stat().st_size
    flip_byte(segment.path, LogSegment.HEADER_BYTES + HEADER.size)
    again = LogSegment.open(segment.path)
    if confirmed:
        said = rf"byte 16: checksum mismatch: confirmed records 0 to {confirmed - 1} are damaged"
        with pytest.raises(CorruptLogError, match=said):
            again.recover()
        again.close()
        assert segment.path.stat().st_size == size
    else:
        assert again.recover() == (0, size - LogSegment.HEADER_BYTES)
        again.close()
        assert segment.path.stat().st_size == LogSegment.HEADER_BYTES
