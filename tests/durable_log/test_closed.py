from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest

from durable_log.closed import ClosedLog
from durable_log.errors import CorruptLogError
from durable_log.log import OFFSETS, DurableLog
from durable_log.partition import TopicSettings

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000_000_000_000


def contents(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Of a log with a plain topic of small segments, a compacted one and a group."""
    log = DurableLog(tmp_path, lambda: NOW)
    log.create_topic("plain", TopicSettings(2, segment_bytes=200))
    log.create_topic("table", TopicSettings(1, compact=True, retention_ms=0, retention_bytes=0, segment_bytes=100))
    for number in range(20):
        await log.append("plain", number % 2, None, b"%d" % number, (("a", b"b"),))
        await log.append("table", 0, b"%d" % (number % 3), b"%d" % number)
    log.maintain()
    await log.commit("group", {("plain", 0): 7})
    log.close()
    return tmp_path


async def test_it_has_what_the_log_had_and_leaves_every_file_as_it_is(folder: Path) -> None:
    before = contents(folder)
    closed = ClosedLog(folder)
    found = {
        topic: [list(closed.records(topic, number)) for number in range(settings.partitions)]
        for topic, settings in closed.topics().items()
    }
    assert closed.committed() == {"group": {("plain", 0): 7}}
    assert [record.offset for record in closed.records("plain", 0, 7)] == [7, 8, 9]
    assert contents(folder) == before
    log = DurableLog(folder, lambda: NOW)
    try:
        assert found.keys() == log.topics().keys()
        for topic, partitions in found.items():
            for number, records in enumerate(partitions):
                expected, offset = [], log.start_offset(topic, number)
                while some := await asyncio.to_thread(log.read, topic, number, offset):
                    expected += some
                    offset = some[-1].offset + 1
                assert records == expected
                assert records
    finally:
        log.close()


def test_a_torn_tail_ends_a_partition_and_stays(folder: Path) -> None:
    last = max((folder / "topics" / "plain" / "1").glob("*.log"))
    whole = list(ClosedLog(folder).records("plain", 1))
    last.write_bytes(last.read_bytes()[:-3])
    size = last.stat().st_size
    assert list(ClosedLog(folder).records("plain", 1)) == whole[:-1]
    assert last.stat().st_size == size


def test_what_is_no_log_is_damage(folder: Path) -> None:
    (folder / "topics" / "plain" / "topic.json").write_text("[]")
    with pytest.raises(CorruptLogError, match=r"topic\.json: byte 0: it does not say how a topic is kept: "):
        ClosedLog(folder).topics()


async def test_committed_offsets_of_another_form_are_damage_with_their_place(folder: Path) -> None:
    log = DurableLog(folder, lambda: NOW)
    await log.append(OFFSETS, 0, b"group", b"no JSON")
    log.close()
    with pytest.raises(CorruptLogError, match=r"__offsets: byte 0: committed offsets cannot be read"):
        ClosedLog(folder).committed()
