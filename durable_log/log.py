"""A durable log of topics in a directory: what a broker is to one machine.

A topic has partitions; a partition is an append-only sequence of records, each with an offset, in segment files. An
append is done when it is on the disk, and only then can the record be read. Groups commit how far they have read.

    lock                       held by the process that has the log open
    ends                       what each partition must have, to notice what is missing
    topics/NAME/topic.json     settings
    topics/NAME/0/             segments of partition 0

Committed offsets are themselves records: of the compacted topic `__offsets`, keyed by group. So a commit is durable and
atomic by the same means as everything else.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import orjson
import structlog

from components.private_files import make_private_folder
from durable_log.ends import Ends
from durable_log.errors import CorruptLogError, LogError, UnknownTopicError
from durable_log.files import lock, write_durably
from durable_log.group_commit import GroupCommit
from durable_log.partition import Partition, TopicSettings, read_settings
from durable_log.record_format import Record
from durable_log.segment import sync_directory
from durable_log.stats import LogStats

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from durable_log.record_format import Headers

log = structlog.get_logger(__name__)

OFFSETS = "__offsets"
"""The topic of committed offsets. Key: group. Value: JSON of topic, partition, next offset to read."""

MAX_UNFLUSHED_BYTES = 32 << 20
"""What may wait for the disk: a fraction of a second of its writing, and little memory."""

MAINTENANCE_SECONDS = 10.0
"""Between rounds of retention and compaction: a partition may exceed its bound by what comes in meanwhile."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
_READ_BYTES = 1 << 20


class DurableLog:
    """The log in `directory`, which is made where it is missing. One process has it open at a time.

    Appending and committing belong to an event loop (any, several may); the rest can be called from any thread.

    Args:
        directory: where it lies.
        now: nanoseconds since the epoch; decides on retention.
        max_unflushed_bytes: how much may wait for the disk.
        repairs: where damage is repaired, gets a line for each loss; without it damage is an error.

    Raises:
        LogLockedError: another process, or this one, has it open.
        CorruptLogError: confirmed records are damaged or missing; names file and position.
    """

    def __init__(
        self,
        directory: Path,
        now: Callable[[], int],
        max_unflushed_bytes: int = MAX_UNFLUSHED_BYTES,
        repairs: list[str] | None = None,
    ) -> None:
        self.directory = directory
        self._repairs = repairs
        self._now = now
        self._stats = LogStats()
        self._settings: dict[str, TopicSettings] = {}
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._creating = threading.RLock()
        self._maintaining = threading.Lock()
        self._stop = threading.Event()
        with ExitStack() as undo:
            topics = directory / "topics"
            make_private_folder(topics)
            undo.callback(os.close, lock(directory))
            self._ends = Ends(directory / "ends")
            undo.callback(self._ends.close)
            undo.callback(self._close_partitions)
            self._open_topics(topics)
            self.create_topic(OFFSETS, TopicSettings(1, compact=True, retention_ms=0, retention_bytes=0, segment_bytes=1 << 20))
            self._committed = self._load_committed()
            self._requested = dict(self._committed)
            self._skip_what_was_read()
            sync_directory(directory)
            self._commit = GroupCommit(max_unflushed_bytes, now, self._stats)
            undo.callback(self._commit.close)
            self._maintenance = threading.Thread(target=self._maintain_often, name="log-maintenance", daemon=True)
            self._maintenance.start()
            undo.callback(self._maintenance.join)
            undo.callback(self._stop.set)
            self._undo = undo.pop_all()
        if self._stats.torn_bytes:
            log.info("log_tail_truncated", directory=str(directory), unconfirmed_bytes=self._stats.torn_bytes)

    def close(self) -> None:
        """Make durable what was appended, then let go of files and lock. Safe twice."""
        self._undo.close()

    def _close_partitions(self) -> None:
        for partition in self._partitions.values():
            partition.close()

    # Topics

    def _open_topics(self, topics: Path) -> None:
        """Open those that are there, and notice those that are not."""
        had = self._ends.partitions()
        for topic in sorted({path.parent.name for path in topics.glob("*/topic.json")} | had.keys()):
            path = topics / topic / "topic.json"
            try:
                settings = read_settings(path, had.get(topic, 1))
            except FileNotFoundError:
                settings = self._lost_settings(path, had.get(topic, 1), "it is missing")
            except (ValueError, TypeError) as error:
                settings = self._lost_settings(path, had.get(topic, 1), f"it does not say how a topic is kept: {error}")
            self._open_topic(topic, settings)

    def _lost_settings(self, path: Path, partitions: int, reason: str) -> TopicSettings:
        """What a topic had, as far as it shows; the application sets the rest again.

        Raises:
            CorruptLogError: no repair was asked for.
        """
        if self._repairs is None:
            raise CorruptLogError(str(path), 0, reason)
        self._repairs.append(f"{path.parent.name}: {path.name}: {reason}; it is rewritten")
        numbers = [int(found.name) for found in path.parent.glob("*") if found.name.isdecimal()]
        compact = path.parent.name == OFFSETS or path.parent.name.endswith("-changelog")
        settings = TopicSettings(max([partitions, *(number + 1 for number in numbers)]), compact=compact)
        if compact:
            settings = replace(settings, retention_ms=0, retention_bytes=0)
        path.parent.mkdir(exist_ok=True)
        write_durably(path, orjson.dumps(asdict(settings)))
        return settings

    def create_topic(self, topic: str, settings: TopicSettings) -> None:
        """Make a topic, or change how a known one is kept. The number of partitions stays what it was: keys live by it.

        Raises:
            LogError: not a name for a topic, or no partition.
        """
        if not _NAME.fullmatch(topic) or topic in {".", ".."}:
            raise LogError(f"topic {topic!r}: a name has 1 to 200 letters, digits, dots, dashes and underscores")
        if settings.partitions < 1:
            raise LogError(f"topic {topic!r}: {settings.partitions} partitions; a topic has at least one")
        with self._creating:
            known = self._settings.get(topic)
            if known is not None:
                settings = replace(settings, partitions=known.partitions)
                if settings == known:
                    return
            directory = self.directory / "topics" / topic
            make_private_folder(directory)
            write_durably(directory / "topic.json", orjson.dumps(asdict(settings)))
            sync_directory(directory.parent)
            self._open_topic(topic, settings)
            sync_directory(directory)

    def _open_topic(self, topic: str, settings: TopicSettings) -> None:
        for number in range(settings.partitions):
            known = self._partitions.get((topic, number))
            if known is not None:
                known.settings = settings
                continue
            directory = self.directory / "topics" / topic / str(number)
            partition = Partition(directory, settings, self._now(), self._ends, self._repairs)
            self._stats.torn_bytes += partition.torn_bytes
            # A new mapping, as others iterate over the one that is there.
            self._partitions = {**self._partitions, (topic, number): partition}
        self._settings = {**self._settings, topic: settings}

    def topics(self) -> dict[str, TopicSettings]:
        """The topics and how they are kept; without that of offsets."""
        return {topic: settings for topic, settings in self._settings.items() if topic != OFFSETS}

    def partitions(self, topic: str) -> int | None:
        """How many partitions a topic has; None where there is no such topic."""
        settings = self._settings.get(topic)
        return settings.partitions if settings else None

    def _partition(self, topic: str, number: int) -> Partition:
        try:
            return self._partitions[topic, number]
        except KeyError:
            known = self.partitions(topic)
            reason = f"it has {known}, counted from 0" if known else "there is no such topic; create it first"
            raise UnknownTopicError(f"topic {topic!r}, partition {number}: {reason}") from None

    # Records

    def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        timestamp: int | None = None,
    ) -> asyncio.Future[int]:
        """Add a record; a future of its offset, done when it is durable. Order is kept within a partition.

        Args:
            topic: an existing topic.
            partition: which of its partitions.
            key: what compaction goes by.
            value: None marks the key as deleted in a compacted topic.
            headers: names and values.
            timestamp: milliseconds since the epoch; now where it is None.

        Raises:
            UnknownTopicError: no such topic or partition.
            LogError: a record without key for a compacted topic, or the log is closed or has failed.
            OverloadedError: too much waits for the disk; see `wait_for_capacity`.
        """
        target = self._partition(topic, partition)
        if key is None and target.settings.compact:
            raise LogError(f"topic {topic!r} is compacted: a record needs a key")
        return self._commit.append(
            target, Record(-1, self._now() // 1_000_000 if timestamp is None else timestamp, key, value, headers)
        )

    async def wait_for_capacity(self) -> None:
        """Wait until `append` would not be refused for want of room."""
        await self._commit.wait_for_capacity()

    async def flush(self) -> None:
        """Wait until everything appended so far is durable or has failed."""
        await self._commit.flush()

    def read(self, topic: str, partition: int, offset: int, max_bytes: int = _READ_BYTES) -> list[Record]:
        """Durable records from `offset` on, or from the first that is kept; empty at the end.

        Whole batches, so more than `max_bytes` where one is larger.

        Raises:
            UnknownTopicError: no such topic or partition.
            CorruptLogError: a checksum does not match.
        """
        records = self._partition(topic, partition).read(offset, max_bytes)
        self._stats.read += len(records)
        return records

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back in this event loop whenever records became visible; returns what ends that."""
        return self._commit.listen(callback)

    def end_offset(self, topic: str, partition: int) -> int:
        """The offset that the next record will get."""
        return self._partition(topic, partition).end

    def start_offset(self, topic: str, partition: int) -> int:
        """The first offset that is kept."""
        return self._partition(topic, partition).start

    def end_offsets(self, topic: str) -> dict[int, int]:
        """Of each partition the offset that its next record will get."""
        return {number: self._partition(topic, number).end for number in range(self.partitions(topic) or 0)}

    # Groups

    async def commit(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Remember durably, and all at once, the next offsets that a group will read.

        Raises:
            LogError: the log is closed or has failed.
        """
        requested = {**self._requested.get(group, {}), **offsets}
        self._requested[group] = requested
        by_topic: dict[str, dict[str, int]] = {}
        for (topic, partition), offset in requested.items():
            by_topic.setdefault(topic, {})[str(partition)] = offset
        await self.wait_for_capacity()
        await self.append(OFFSETS, 0, group.encode(), orjson.dumps(by_topic))
        self._committed[group] = requested
        self._stats.commits += 1

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        """The next offset that the group will read; None where it has not committed any."""
        return self._committed.get(group, {}).get((topic, partition))

    def commits(self, group: str) -> dict[tuple[str, int], int]:
        """All that the group has committed, by topic and partition."""
        return dict(self._committed.get(group, {}))

    def lag(self, group: str, topic: str) -> int:
        """How many records of the topic the group has not committed; 0 when it has caught up."""
        return sum(
            max(0, end - max(self.committed(group, topic, number) or 0, self.start_offset(topic, number)))
            for number, end in self.end_offsets(topic).items()
        )

    def _load_committed(self) -> dict[str, dict[tuple[str, int], int]]:
        committed = {}
        partition = self._partition(OFFSETS, 0)
        offset = partition.start
        while records := partition.read(offset, _READ_BYTES):
            for record in records:
                committed[(record.key or b"").decode(errors="replace")] = record.value or b"{}"
            offset = records[-1].offset + 1
        return {group: self._offsets_of(group, value) for group, value in committed.items()}

    def _offsets_of(self, group: str, value: bytes) -> dict[tuple[str, int], int]:
        try:
            return {
                (topic, int(number)): int(offset)
                for topic, offsets in orjson.loads(value).items()
                for number, offset in offsets.items()
            }
        except (ValueError, TypeError, AttributeError) as error:
            reason = f"the committed offsets of group {group!r} cannot be read: {error}"
            if self._repairs is None:
                raise CorruptLogError(str(self.directory / "topics" / OFFSETS), 0, reason) from error
            self._repairs.append(f"{OFFSETS}: {reason}; the group begins with what is kept")
            return {}

    def _skip_what_was_read(self) -> None:
        """An offset that a group has read must not come again.

        Raises:
            CorruptLogError: records that a group has read are missing, and no repair was asked for.
        """
        for offsets in self._committed.values():
            for at, offset in offsets.items():
                partition = self._partitions.get(at)
                if partition is not None and offset > partition.end:
                    if self._repairs is None:
                        reason = f"confirmed records {partition.end} to {offset - 1} of {at[0]}[{at[1]}] are missing"
                        raise CorruptLogError(str(partition.directory), 0, reason)
                    self._repairs.append(f"{at[0]}[{at[1]}]: records {partition.end} to {offset - 1} are lost")
                    partition.skip_to(offset, self._now())

    # Upkeep

    def maintain(self) -> None:
        """Delete by age and size, and compact. A thread does it every few seconds."""
        with self._maintaining:
            now = self._now()
            for (topic, number), partition in self._partitions.items():
                before = partition.start
                deleted = partition.retain(now)
                self._stats.expired_segments += deleted.segments
                self._stats.expired_bytes += deleted.size_bytes
                self._stats.expired_unread += self._unread(topic, number, before, partition.start)
                if partition.settings.compact:
                    compacted = partition.compact(now)
                    self._stats.compactions += compacted.segments > 0
                    self._stats.compacted_bytes += compacted.size_bytes

    def _unread(self, topic: str, number: int, before: int, after: int) -> int:
        positions = [offsets[topic, number] for offsets in list(self._committed.values()) if (topic, number) in offsets]
        return max(0, after - max(before, min(positions))) if positions else 0

    def _maintain_often(self) -> None:
        while not self._stop.wait(MAINTENANCE_SECONDS):
            try:
                self.maintain()
            except (LogError, OSError) as error:
                # Appends and reads go on without it; the disk fills meanwhile, so it has to be seen.
                self._stats.failed_maintenance += 1
                log.error("log_maintenance_failed", directory=str(self.directory), reason=str(error))  # noqa: TRY400 - message says all

    def stats(self) -> LogStats:
        """What was counted since the log was opened."""
        return replace(self._stats, size_bytes=sum(partition.size for partition in self._partitions.values()))
