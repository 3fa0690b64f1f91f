from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from durable_log.errors import CorruptLogError, LogError, LogLockedError, UnknownTopicError
from durable_log.log import DurableLog
from durable_log.partition import Partition, TopicSettings
from durable_log.record_format import Record
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


@dataclass
class Clock:
    time: int = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.time


@contextmanager
def opened(
    directory: Path, clock: Clock | None = None, max_unflushed_bytes: int = 64 << 20, repairs: list[str] | None = None
) -> Iterator[DurableLog]:
    log = DurableLog(directory, clock or Clock(), max_unflushed_bytes, repairs)
    try:
        yield log
    finally:
        log.close()


async def put(
    log: DurableLog, *values: bytes | None, topic: str = "t", partition: int = 0, key: bytes | None = None
) -> list[int]:
    """Each value in a write of its own."""
    return [await log.append(topic, partition, key, value) for value in values]


def everything(log: DurableLog, topic: str = "t", partition: int = 0) -> list[Record]:
    records: list[Record] = []
    offset = 0
    while found := log.read(topic, partition, offset):
        records += found
        offset = found[-1].offset + 1
    return records


def segments(directory: Path, topic: str = "t", partition: int = 0) -> list[Path]:
    return sorted((directory / "topics" / topic / str(partition)).glob("*.log"))


def flip_byte(path: Path, position: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        old = file.read(1)
        file.seek(position)
        file.write(bytes([old[0] ^ 0xFF]))


SMALL = TopicSettings(1, retention_ms=0, retention_bytes=0, segment_bytes=200)

record_fields = st.tuples(
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=300),
    st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3).map(tuple),
    st.integers(0, 2**62),
)


@given(sent=st.lists(record_fields, min_size=1, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
async def test_records_come_back_as_they_were_sent_after_a_restart_too(tmp_path: Path, sent: list[tuple]) -> None:  # type: ignore[type-arg]
    directory = tmp_path / "log"
    shutil.rmtree(directory, ignore_errors=True)
    with opened(directory) as log:
        log.create_topic("t", SMALL)
        offsets = await asyncio.gather(*[log.append("t", 0, *fields) for fields in sent])
        assert offsets == list(range(len(sent)))
        before = everything(log)
    with opened(directory) as log:
        assert everything(log) == before
    assert [(record.key, record.value, record.headers, record.timestamp) for record in before] == sent


async def test_a_record_without_a_timestamp_has_the_time_of_the_clock_in_milliseconds(tmp_path: Path) -> None:
    clock = Clock(1234 * SECOND)
    with opened(tmp_path, clock) as log:
        log.create_topic("t", TopicSettings(1))
        await put(log, b"v")
        assert everything(log)[0].timestamp == 1_234_000


@dataclass
class Model:
    """What the log should hold: per partition all records ever appended, and the first that is kept."""

    records: dict[int, list[tuple[bytes | None, bytes | None]]] = field(default_factory=lambda: {0: [], 1: []})
    committed: dict[tuple[str, int], int] = field(default_factory=dict)


operations = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 1), st.lists(st.binary(max_size=120), min_size=1, max_size=8)),
        st.tuples(st.just("commit"), st.sampled_from(["a", "b"]), st.integers(0, 1)),
        st.tuples(st.just("reopen")),
        st.tuples(st.just("crash"), st.binary(max_size=60)),
        st.tuples(st.just("read"), st.integers(0, 1), st.integers(0, 60), st.sampled_from([1, 100, 1 << 20])),
    ),
    max_size=25,
)


@given(steps=operations)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
async def test_any_sequence_of_operations_and_crashes_behaves_like_lists_in_memory(tmp_path: Path, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    directory = tmp_path / "log"
    shutil.rmtree(directory, ignore_errors=True)
    model = Model()
    log = DurableLog(directory, Clock())
    try:
        log.create_topic("t", TopicSettings(2, segment_bytes=300))
        for step in steps:
            match step:
                case ("append", partition, values):
                    offsets = await asyncio.gather(*[log.append("t", partition, None, value) for value in values])
                    begin = len(model.records[partition])
                    assert offsets == list(range(begin, begin + len(values)))
                    model.records[partition] += [(None, value) for value in values]
                case ("commit", group, partition):
                    model.committed[group, partition] = len(model.records[partition])
                    await log.commit(group, {("t", partition): len(model.records[partition])})
                case ("reopen",):
                    log.close()
                    log = DurableLog(directory, Clock())
                case ("crash", torn):
                    copy = tmp_path / "crashed"
                    shutil.copytree(directory, copy)  # the files as another process would find them now
                    log.close()
                    shutil.rmtree(directory)
                    copy.rename(directory)
                    with segments(directory)[-1].open("ab") as file:
                        file.write(torn)
                    log = DurableLog(directory, Clock())
                case ("read", partition, offset, max_bytes):
                    found = log.read("t", partition, offset, max_bytes)
                    expected = model.records[partition][offset : offset + len(found)]
                    assert [(record.key, record.value) for record in found] == expected
                    assert [record.offset for record in found] == list(range(offset, offset + len(found)))
                    assert bool(found) == (offset < len(model.records[partition]))
        for partition, records in model.records.items():
            assert [(record.key, record.value) for record in everything(log, "t", partition)] == records
            assert log.end_offset("t", partition) == len(records)
            for group in ("a", "b"):
                assert log.committed(group, "t", partition) == model.committed.get((group, partition))
    finally:
        log.close()


class TestCrash:
    @pytest.mark.parametrize("cut", range(1, 60, 7))
    async def test_a_torn_tail_is_cut_off_and_offsets_go_on_without_a_hole(self, tmp_path: Path, cut: int) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(1))
            await put(log, b"confirmed")
            size = segments(tmp_path)[0].stat().st_size
            await put(log, b"x" * 100)
        # As if the process had died within the second write, whose end was not remembered then.
        os.truncate(segments(tmp_path)[0], size + cut)
        (tmp_path / "ends").unlink()
        with opened(tmp_path) as log:
            assert log.stats().torn_bytes == cut
            assert await put(log, b"next") == [1]
            assert [record.value for record in everything(log)] == [b"confirmed", b"next"]

    async def test_a_segment_that_was_only_being_begun_is_begun_again(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", SMALL)
            await put(log, *[b"v" * 100] * 4)
        (tmp_path / "topics" / "t" / "0" / f"{4:020d}.log").write_bytes(b"SPAN")
        with opened(tmp_path) as log:
            assert await put(log, b"w" * 300, b"x") == [4, 5]
            assert len(everything(log)) == 6

    async def test_damage_to_confirmed_records_of_the_last_segment_is_an_error_with_file_and_position(
        self, tmp_path: Path
    ) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(1))
            await put(log, b"first")
            position = segments(tmp_path)[0].stat().st_size
            await put(log, b"second", b"third")
        flip_byte(segments(tmp_path)[0], position + 40)
        with pytest.raises(CorruptLogError, match=rf"00000\.log: byte {position}: .*records 1 to 1 .*restore"):
            DurableLog(tmp_path, Clock())

    async def test_a_failed_open_lets_go_of_the_directory(self, tmp_path: Path) -> None:
        await self.test_damage_to_confirmed_records_of_the_last_segment_is_an_error_with_file_and_position(tmp_path)
        with opened(tmp_path, repairs=[]):
            pass

    async def test_damage_to_an_ended_segment_is_an_error_for_its_reader_only(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", SMALL)
            await put(log, *[b"v" * 150] * 4)
            flip_byte(segments(tmp_path)[0], 100)
            with pytest.raises(CorruptLogError, match=rf"{segments(tmp_path)[0].name}: byte 16: checksum"):
                log.read("t", 0, 0)
            assert [record.offset for record in log.read("t", 0, 2)] == [2]
            assert await put(log, b"more") == [4]

    async def test_an_offset_that_a_group_has_read_does_not_come_again_when_files_were_moved_away(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(1))
            await put(log, b"1", b"2", b"3")
            await log.commit("g", {("t", 0): 3})
        segments(tmp_path)[0].unlink()
        with pytest.raises(CorruptLogError, match=r"confirmed records 0 to 2 of t\[0\]"):
            DurableLog(tmp_path, Clock())
        with opened(tmp_path, repairs=[]) as log:
            assert log.lag("g", "t") == 0
            assert await put(log, b"4") == [3]
            assert [record.value for record in log.read("t", 0, 3)] == [b"4"]


class TestGroupCommit:
    async def test_many_appends_share_a_sync_and_keep_their_order(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(1))
            before = log.stats().fsyncs
            offsets = await asyncio.gather(*[log.append("t", 0, None, b"%d" % i) for i in range(2000)])
            assert offsets == list(range(2000))
            assert log.stats().fsyncs - before < 200
            assert [record.value for record in everything(log)] == [b"%d" % i for i in range(2000)]

    async def test_a_record_is_shown_only_after_its_sync(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(1))
            syncing, go_on = threading.Event(), threading.Event()
            sync = os.fdatasync

            def slow(descriptor: int) -> None:
                syncing.set()
                go_on.wait(10)
                sync(descriptor)

            monkeypatch.setattr(os, "fdatasync", slow)
            appended = log.append("t", 0, None, b"v")
            await asyncio.to_thread(syncing.wait, 10)
            assert log.read("t", 0, 0) == []
            assert log.end_offset("t", 0) == 0
            assert not appended.done()
            go_on.set()
            assert await appended == 0
            assert [record.value for record in log.read("t", 0, 0)] == [b"v"]

    async def test_too_much_unflushed_is_refused_and_room_waits(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with opened(tmp_path, max_unflushed_bytes=1000) as log:
            log.create_topic("t", TopicSettings(1))
            go_on = threading.Event()
            sync = os.fdatasync
            monkeypatch.setattr(os, "fdatasync", lambda descriptor: (go_on.wait(10), sync(descriptor)))
            first = log.append("t", 0, None, b"x" * 1000)
            with pytest.raises(OverloadedError, match="1000"):
                log.append("t", 0, None, b"y")
            assert log.stats().refused == 1
            room = asyncio.create_task(log.wait_for_capacity())
            await asyncio.sleep(0)
            assert not room.done()
            go_on.set()
            await room
            assert await first == 0
            assert await put(log, b"y") == [1]

    async def test_a_full_disk_fails_those_appends_only_and_leaves_no_hole(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(1))
            await put(log, b"before")
            write = os.pwrite

            def full(descriptor: int, data: bytes, position: int) -> int:
                write(descriptor, data[:10], position)
                raise OSError(errno.ENOSPC, "No space left on device")

            with monkeypatch.context() as broken:
                broken.setattr(os, "pwrite", full)
                with pytest.raises(LogError, match="No space left on device; make room"):
                    await log.append("t", 0, None, b"lost")
            assert await put(log, b"after") == [1]
            assert log.stats().failed == 1
        with opened(tmp_path) as log:
            assert [record.value for record in everything(log)] == [b"before", b"after"]

    async def test_after_a_failed_sync_nothing_is_confirmed_any_more(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(1))

            def broken(_: int) -> None:
                raise OSError(errno.EIO, "Input/output error")

            with monkeypatch.context() as disk:
                disk.setattr(os, "fdatasync", broken)
                with pytest.raises(LogError, match="fsync failed: Input/output error"):
                    await log.append("t", 0, None, b"v")
            with pytest.raises(LogError, match="fsync failed"):
                log.append("t", 0, None, b"w")
            assert log.read("t", 0, 0) == []

    async def test_what_was_appended_before_close_is_durable(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(1))
            appended = [log.append("t", 0, None, b"%d" % i) for i in range(50)]
        assert await asyncio.gather(*appended) == list(range(50))
        log.close()
        with pytest.raises(LogError, match="closed"):
            log.append("t", 0, None, b"")
        with opened(tmp_path) as log:
            assert len(everything(log)) == 50

    async def test_listeners_hear_of_records_when_they_can_be_read(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(1))
            heard = asyncio.Event()
            stop = log.listen(heard.set)
            appended = log.append("t", 0, None, b"v")
            await asyncio.wait_for(heard.wait(), 10)
            assert len(log.read("t", 0, 0)) == 1
            await appended
            stop()
            heard.clear()
            await put(log, b"w")
            await log.flush()
            assert not heard.is_set()


class TestRetention:
    async def test_the_oldest_segments_go_when_a_partition_is_too_large(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(1, retention_ms=0, retention_bytes=4000))
            await put(log, *[b"v" * 100] * 100)
            log.maintain()
            kept = everything(log)
            assert kept[0].offset == log.start_offset("t", 0) > 0
            assert kept[-1].offset == 99
            assert 2000 < sum(path.stat().st_size for path in segments(tmp_path)) <= 4000
            assert log.stats().expired_segments > 0

    async def test_segments_go_when_all_their_records_are_too_old_also_of_a_silent_topic(self, tmp_path: Path) -> None:
        clock = Clock()
        with opened(tmp_path, clock) as log:
            log.create_topic("t", TopicSettings(1, retention_ms=3_600_000, retention_bytes=0))
            await put(log, b"old")
            clock.time += 3601 * SECOND
            log.maintain()
            assert [record.value for record in everything(log)] == [b"old"], "it may have been written a moment ago"
            await put(log, b"new")
            clock.time += 3599 * SECOND
            log.maintain()
            assert [record.value for record in everything(log)] == [b"old", b"new"], "none is too old yet"
            clock.time += SECOND + 1
            log.maintain()
            assert [record.value for record in everything(log)] == [b"new"]
        with opened(tmp_path, clock) as log:
            clock.time += 3601 * SECOND
            log.maintain()
            assert everything(log) == []
            assert await put(log, b"offsets go on") == [2]

    def test_what_is_just_being_written_is_not_parted_from_its_file(self, tmp_path: Path) -> None:
        partition = Partition(tmp_path, TopicSettings(1, retention_ms=1000), now=0)
        partition.write([Record(0, 0, None, b"first")], now=0)
        partition.sync()
        partition.write([Record(1, 0, None, b"second")], now=0)
        partition.retain(now=DAY)
        partition.sync()
        assert [record.value for record in partition.read(0, 1000)] == [b"first", b"second"]
        assert partition.end == 2
        partition.close()

    async def test_records_that_a_known_group_had_not_read_are_counted_when_they_go(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(2, retention_ms=0, retention_bytes=4000))
            await put(log, *[b"v" * 100] * 100)
            await put(log, *[b"v" * 100] * 100, partition=1)
            await log.commit("g", {("t", 0): 10})
            log.maintain()
            assert log.stats().expired_unread == log.start_offset("t", 0) - 10, "nobody reads partition 1"
            assert log.lag("g", "t") == 100 - log.start_offset("t", 0) + 100 - log.start_offset("t", 1)

    async def test_reading_from_an_offset_that_is_gone_begins_at_the_first_kept(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(1, retention_ms=0, retention_bytes=4000))
            await put(log, *[b"v" * 100] * 100)
            log.maintain()
            assert log.read("t", 0, 3)[0].offset == log.start_offset("t", 0)


COMPACT = TopicSettings(1, compact=True, retention_ms=0, retention_bytes=0, segment_bytes=500)


class TestCompaction:
    @given(pairs=st.lists(st.tuples(st.integers(0, 5), st.none() | st.binary(max_size=40)), max_size=60))
    @settings(suppress_health_check=list(HealthCheck), max_examples=40)  # mutmut runs it twice in a process
    async def test_a_reader_of_a_compacted_topic_ends_with_the_same_table(self, tmp_path: Path, pairs: list[tuple]) -> None:  # type: ignore[type-arg]
        directory = tmp_path / "log"
        shutil.rmtree(directory, ignore_errors=True)
        table: dict[bytes | None, bytes | None] = {}
        offsets = {}
        clock = Clock()
        with opened(directory, clock) as log:
            log.create_topic("t", COMPACT)
            for i, (number, value) in enumerate(pairs):
                key = b"k%d" % number
                assert await put(log, value, key=key) == [i]
                table[key], offsets[i] = value, (key, value)
                if i % 7 == 0:
                    log.maintain()
                if i == 30:
                    clock.time += 2 * DAY
            log.maintain()
        with opened(directory, clock) as log:
            records = everything(log)
            assert log.end_offset("t", 0) == len(pairs)
        read = {record.key: record.value for record in records}
        assert {k: v for k, v in read.items() if v is not None} == {k: v for k, v in table.items() if v is not None}
        assert all(offsets[record.offset] == (record.key, record.value) for record in records)
        assert [record.offset for record in records][-1:] == ([len(pairs) - 1] if pairs else [])

    async def test_a_changelog_does_not_grow_with_its_history(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", COMPACT)
            for i in range(300):
                await put(log, b"v%d" % i, key=b"k%d" % (i % 3))
                if i % 50 == 0:
                    log.maintain()
            log.maintain()
            assert sum(path.stat().st_size for path in segments(tmp_path)) < 2000
            assert log.stats().compactions > 1

    async def test_what_compaction_freed_is_counted(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", COMPACT)
            await put(log, *[b"v" * 100] * 40, key=b"k")
            before = log.stats().size_bytes
            log.maintain()
            freed = before - log.stats().size_bytes
            assert 0 < freed == log.stats().compacted_bytes

    async def test_deletions_are_kept_a_day_for_readers_that_were_away(self, tmp_path: Path) -> None:
        clock = Clock()
        with opened(tmp_path, clock) as log:
            log.create_topic("t", COMPACT)
            await put(log, b"v", None, key=b"gone")
            await put(log, *[b"v" * 100] * 10, key=b"k")
            log.maintain()
            assert (b"gone", None) in [(record.key, record.value) for record in everything(log)]
            clock.time += 2 * DAY
            await put(log, *[b"v" * 100] * 40, key=b"k")
            log.maintain()
            assert {record.key for record in everything(log)} == {b"k"}

    async def test_segments_that_a_crash_left_behind_a_compaction_are_not_read_twice(self, tmp_path: Path) -> None:
        with opened(tmp_path / "log") as log:
            log.create_topic("t", COMPACT)
            await put(log, *[b"v" * 100] * 12, key=b"k")
            await put(log, b"w", key=b"l")
            old = tmp_path / "old"
            shutil.copytree(tmp_path / "log" / "topics" / "t" / "0", old)
            log.maintain()
            expected = everything(log)
        for path in segments(tmp_path / "log"):
            (old / path.name).exists() or shutil.copy(path, old)
        shutil.rmtree(tmp_path / "log" / "topics" / "t" / "0")
        (old / "00000000000000000000-00000000000000000005.tmp").write_bytes(b"unfinished")
        old.rename(tmp_path / "log" / "topics" / "t" / "0")
        with opened(tmp_path / "log") as log:
            assert everything(log) == expected
            assert len(segments(tmp_path / "log")) == 2

    async def test_a_record_without_key_is_refused(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", COMPACT)
            with pytest.raises(LogError, match="needs a key"):
                log.append("t", 0, None, b"v")


class TestGroups:
    async def test_each_group_goes_on_where_it_committed(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(2))
            await put(log, *[b"v"] * 5)
            await log.commit("a", {("t", 0): 3})
            await asyncio.gather(log.commit("b", {("t", 0): 5}), log.commit("b", {("t", 1): 0}))
            assert (log.lag("a", "t"), log.lag("b", "t"), log.lag("never seen", "t")) == (2, 0, 5)
        with opened(tmp_path) as log:
            assert log.committed("a", "t", 0) == 3
            assert log.committed("a", "t", 1) is None
            assert log.committed("b", "t", 0) == 5
            assert log.committed("b", "t", 1) == 0
            assert log.end_offsets("t") == {0: 5, 1: 0}


class TestTopics:
    async def test_what_does_not_exist_is_named(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(2))
            with pytest.raises(UnknownTopicError, match="'t', partition 2: it has 2"):
                log.append("t", 2, None, b"")
            with pytest.raises(UnknownTopicError, match="'u', partition 0: there is no such topic"):
                log.read("u", 0, 0)
            assert log.partitions("u") is None

    @pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "x" * 201])
    async def test_a_name_that_is_no_name_for_a_file_is_refused(self, tmp_path: Path, name: str) -> None:
        with opened(tmp_path) as log, pytest.raises(LogError, match="a name has"):
            log.create_topic(name, TopicSettings(1))

    async def test_the_number_of_partitions_stays_and_how_a_topic_is_kept_changes(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            log.create_topic("t", TopicSettings(2, retention_bytes=1000))
            log.create_topic("t", TopicSettings(5, retention_bytes=2000))
        with opened(tmp_path) as log:
            assert log.topics() == {"t": TopicSettings(2, retention_bytes=2000)}

    async def test_a_hundred_partitions_are_fine(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            for topic in range(10):
                log.create_topic(f"t{topic}", TopicSettings(10))
            appended = [log.append(f"t{i % 10}", i // 10 % 10, None, b"%d" % i) for i in range(1000)]
            assert await asyncio.gather(*appended) == [i // 100 for i in range(1000)]
        with opened(tmp_path) as log:
            assert sum(len(everything(log, f"t{i % 10}", i // 10)) for i in range(100)) == 1000


class TestOwnership:
    def test_a_second_process_learns_who_has_the_log(self, tmp_path: Path) -> None:
        code = "import sys, pathlib, durable_log.log as m; m.DurableLog(pathlib.Path(sys.argv[1]), lambda: 0)"
        command = [sys.executable, "-c", code, str(tmp_path)]
        with opened(tmp_path):
            done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"open in process {os.getpid()}; stop that process" in done.stderr

    async def test_it_can_be_opened_again_after_close_and_leaves_no_thread(self, tmp_path: Path) -> None:
        before = set(threading.enumerate())
        with opened(tmp_path), pytest.raises(LogLockedError):
            DurableLog(tmp_path, Clock())
        with opened(tmp_path) as log:
            log.close()
        assert set(threading.enumerate()) == before
