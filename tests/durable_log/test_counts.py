"""What the log counts, and what it says of what it refuses."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from durable_log.errors import CorruptLogError, LogError, LogLockedError, UnknownTopicError
from durable_log.log import OFFSETS, DurableLog
from durable_log.partition import Partition, TopicSettings
from durable_log.record_format import HEADER, Record
from durable_log.segment import LogSegment
from telemetry.errors import OverloadedError
from tests.durable_log.test_log import SECOND, SMALL, Clock, everything, opened, put, segments

if TYPE_CHECKING:
    from pathlib import Path

ENDLESS = TopicSettings(2, retention_ms=0, retention_bytes=0)


@pytest.fixture(autouse=True)
def _maintained_by_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durable_log.log.MAINTENANCE_SECONDS", 3600.0)


async def test_appends_reads_and_commits_are_counted(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("t", ENDLESS)
        assert {name: value for name, value in asdict(log.stats()).items() if value} == {
            "size_bytes": 3 * LogSegment.HEADER_BYTES
        }
        await put(log, b"one", b"two")
        await asyncio.gather(*[log.append("t", number % 2, b"key", b"three", (("h", b"v"),)) for number in range(4)])
        await log.commit("g", {("t", 0): 1})
        assert len(everything(log)) == 4
        found = log.stats()
    bodies = [Record(0, 0, None, b"one"), Record(0, 0, None, b"two"), *[Record(0, 0, b"key", b"three", (("h", b"v"),))] * 4]
    committed = Record(0, 0, b"g", b'{"t":{"0":1}}')
    assert (found.appended, found.read, found.commits) == (7, 4, 1)
    assert found.appended_bytes == sum(record.size for record in (*bodies, committed))
    assert (found.failed, found.refused, found.unflushed_bytes, found.torn_bytes) == (0, 0, 0, 0)
    assert 4 <= found.flushes <= 7, "what is appended at once shares some"
    assert 5 <= found.fsyncs <= 7
    files = [path for topic, partition in (("t", 0), ("t", 1), (OFFSETS, 0)) for path in segments(tmp_path, topic, partition)]
    assert found.size_bytes == sum(path.stat().st_size for path in files)


async def test_each_append_that_is_waited_for_is_a_flush_and_a_sync_of_its_partition(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("t", ENDLESS)
        for partition in (0, 1, 0):
            await put(log, b"v", partition=partition)
        assert (log.stats().flushes, log.stats().fsyncs) == (3, 3)


async def test_a_refused_append_is_counted_and_says_how_much_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = Record(-1, 0, None, b"v" * 50).size
    go_on = threading.Event()
    sync = Partition.sync
    with opened(tmp_path, max_unflushed_bytes=size) as log:
        log.create_topic("t", ENDLESS)
        monkeypatch.setattr(Partition, "sync", lambda self: (go_on.wait(60), sync(self))[1])
        first = log.append("t", 0, None, b"v" * 50)
        with pytest.raises(OverloadedError, match=f"t/0: {size} bytes wait for the disk, the bound is {size}") as refused:
            log.append("t", 0, None, b"w")
        assert refused.value.retry_after == 1.0
        assert (log.stats().refused, log.stats().unflushed_bytes) == (1, size)
        go_on.set()
        assert await first == 0
        await log.wait_for_capacity()
        assert log.stats().unflushed_bytes == 0


async def test_a_group_has_what_it_committed_last_of_each_partition(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("t", ENDLESS)
        await put(log, *[b"v"] * 5)
        await put(log, *[b"v"] * 3, partition=1)
        assert log.committed("g", "t", 0) is None
        assert (log.commits("g"), log.lag("g", "t")) == ({}, 8)
        await log.commit("g", {("t", 0): 2})
        await log.commit("g", {("t", 1): 3, ("t", 0): 4})
        await log.commit("other", {("t", 0): 1})
    with opened(tmp_path) as log:
        assert log.commits("g") == {("t", 0): 4, ("t", 1): 3}
        assert (log.committed("g", "t", 0), log.committed("other", "t", 0)) == (4, 1)
        assert (log.lag("g", "t"), log.lag("other", "t"), log.lag("nobody", "t")) == (1, 7, 8)
        assert log.end_offsets("t") == {0: 5, 1: 3}
        assert log.lag("g", "no such topic") == 0
        assert log.partitions("no such topic") is None
        assert (log.partitions("t"), set(log.topics())) == (2, {"t"})


async def test_what_does_not_exist_or_is_closed_is_said(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("t", ENDLESS)
        log.create_topic("c", TopicSettings(1, compact=True))
        with pytest.raises(UnknownTopicError, match=r"^topic 't', partition 2: it has 2, counted from 0$"):
            log.read("t", 2, 0)
        with pytest.raises(UnknownTopicError, match=r"^topic 'u', partition 0: there is no such topic; create it first$"):
            log.append("u", 0, None, b"")
        with pytest.raises(LogError, match=r"^topic 'c' is compacted: a record needs a key$"):
            log.append("c", 0, None, b"")
        with pytest.raises(LogError, match=r"^topic 'd': 0 partitions; a topic has at least one$"):
            log.create_topic("d", TopicSettings(0))
        with pytest.raises(
            LogError, match=r"^topic '\.\.': a name has 1 to 200 letters, digits, dots, dashes and underscores$"
        ):
            log.create_topic("..", TopicSettings(1))
        log.create_topic("x" * 200, TopicSettings(1))
        with pytest.raises(LogLockedError, match=rf"^{tmp_path}: the log is open in process {os.getpid()}; stop that process"):
            DurableLog(tmp_path, Clock())
    with pytest.raises(LogError, match=r"^the log is closed: nothing can be appended$"):
        log.append("t", 0, None, b"v")


async def test_how_a_topic_is_kept_lasts(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("t", TopicSettings(3, retention_ms=5, segment_bytes=99))
        log.create_topic("t", TopicSettings(7, compact=True, retention_bytes=4))
    with opened(tmp_path) as log:
        assert log.topics() == {"t": TopicSettings(3, compact=True, retention_bytes=4)}


async def test_segments_go_by_size_until_the_bound_holds_and_no_further(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("t", SMALL)
        await put(log, *[b"v" * 200] * 5)
        size = segments(tmp_path)[0].stat().st_size
        for bound, start in ((5 * size, 0), (5 * size - 1, 1), (2 * size, 3), (1, 4)):
            log.create_topic("t", TopicSettings(1, retention_ms=0, retention_bytes=bound, segment_bytes=200))
            log.maintain()
            assert log.start_offset("t", 0) == start, bound
        assert (log.stats().expired_segments, log.stats().expired_bytes) == (4, 4 * size)


async def test_segments_go_when_the_next_one_began_longer_ago_than_the_bound(tmp_path: Path) -> None:
    clock = Clock()
    began = clock.time
    with opened(tmp_path, clock) as log:
        log.create_topic("t", TopicSettings(1, retention_ms=60_000, retention_bytes=0, segment_bytes=200))
        for second in (0, 10, 20):
            clock.time = began + second * SECOND
            await put(log, b"v" * 200)
        # at 81 seconds the last one, begun at 20, is ended, and the next begins
        for second, more, start in ((70, 0, 0), (70, 1, 1), (80, 0, 1), (81, 0, 2), (141, 0, 2), (141, 1, 3)):
            clock.time = began + second * SECOND + more
            log.maintain()
            assert log.start_offset("t", 0) == start, second
        assert log.end_offset("t", 0) == 3


async def test_what_a_group_had_not_read_is_counted_when_it_goes_by_the_slowest(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("t", SMALL)
        await put(log, *[b"v" * 200] * 8)
        await log.commit("slow", {("t", 0): 3})
        await log.commit("fast", {("t", 0): 6})
        size = segments(tmp_path)[0].stat().st_size
        for count, unread in ((6, 0), (3, 2), (2, 3)):
            log.create_topic("t", TopicSettings(1, retention_ms=0, retention_bytes=count * size, segment_bytes=200))
            log.maintain()
            assert log.stats().expired_unread == unread


async def test_compaction_waits_until_half_is_new(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("c", TopicSettings(1, compact=True, retention_ms=0, retention_bytes=0, segment_bytes=200))

        async def write(*keys: bytes) -> None:
            for key in keys:
                await put(log, b"v" * 200, topic="c", key=key)
            log.maintain()

        await write(b"a")
        assert log.stats().compactions == 0, "what is written to is not compacted"
        await write(b"b", b"c", b"d")
        assert (log.stats().compactions, log.stats().compacted_bytes) == (1, 2 * (LogSegment.HEADER_BYTES + HEADER.size))
        await write(b"e")
        await write(b"f")
        assert log.stats().compactions == 1, "three of five are clean"
        await write(b"g", b"h")
        assert log.stats().compactions == 2
        assert [record.key for record in everything(log, "c")] == [b"%c" % letter for letter in b"abcdefgh"]


@pytest.mark.parametrize("lost", [1, 2])
async def test_the_segments_behind_what_compaction_left_are_missed(tmp_path: Path, lost: int) -> None:
    with opened(tmp_path) as log:
        log.create_topic("c", TopicSettings(1, compact=True, retention_ms=0, retention_bytes=0, segment_bytes=200))
        await put(log, *[b"v" * 200] * 6, topic="c", key=b"k")
        log.maintain()
        await put(log, *[b"v" * 200] * (lost - 1), topic="c", key=b"k")
    (left, *behind) = segments(tmp_path, "c")
    assert len(behind) == lost
    for path in behind:
        path.unlink()
    with pytest.raises(
        CorruptLogError, match=rf"/c/0: byte 0: a segment is missing: confirmed records 5 to {4 + lost} of c\[0\]"
    ):
        DurableLog(tmp_path, Clock())
    repairs: list[str] = []
    with opened(tmp_path, repairs=repairs) as log:
        assert repairs == [f"c[0]: records 5 to {4 + lost} are lost"]
        assert [record.offset for record in everything(log, "c")] == [4]
        assert log.end_offset("c", 0) == 5 + lost
        assert await put(log, b"new", topic="c", key=b"k") == [5 + lost]
    assert not left.exists(), "its name says until where it stands"
    with opened(tmp_path) as log:
        assert [record.offset for record in everything(log, "c")] == [4, 5 + lost]


async def test_a_repair_says_what_it_gave_up_in_a_line_for_each(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("t", SMALL)
        await put(log, *[b"v" * 200] * 8)
    found = segments(tmp_path)
    found[0].unlink()
    os.truncate(found[3], 100)
    found[5].write_bytes(b"no segment of a log")
    os.truncate(found[7], 100)
    repairs: list[str] = []
    with opened(tmp_path, repairs=repairs) as log:
        assert [record.offset for record in everything(log)] == [1, 2, 4, 6]
        assert log.end_offset("t", 0) == 8
    assert repairs == [
        "t[0]: 00000000000000000005.log is no segment; it is kept as 00000000000000000005.damaged",
        "t[0]: records 0 to 0 are lost",
        "t[0]: records 3 to 3 are lost",
        "t[0]: records 5 to 5 are lost",
        "t[0]: 00000000000000000007.log: it is cut short: confirmed records 7 to 7 are missing; a copy is kept as .damaged",
    ]


def test_the_threads_of_a_log_are_named_end_with_it_and_keep_no_process_alive(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with opened(tmp_path):
        own = {thread for thread in threading.enumerate() if thread.name.startswith("log-")} - before
        assert sorted(thread.name for thread in own) == ["log-group-commit", "log-maintenance"]
        assert all(thread.daemon for thread in own)
    assert not any(thread.is_alive() for thread in own)
