"""What the embedded log counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class LogStats:
    """Counts since the log was opened; `unflushed_bytes` and `size_bytes` are of the moment.

    Attributes:
        appended: records made durable.
        appended_bytes: their size in the files.
        flushes: rounds of group commit; `appended / flushes` is how many records share one.
        fsyncs: partitions that were synced in them.
        failed: records whose callers got an error: they are not durable.
        refused: appends refused because too much waited for the disk.
        read: records read.
        commits: offset commits of groups.
        torn_bytes: unconfirmed bytes cut off when the log was opened.
        expired_segments: segments deleted by age or size.
        expired_bytes: their size.
        expired_unread: records among them that a group which reads the partition had not committed; one such group counts.
        compactions: rewrites of compacted partitions.
        compacted_bytes: what they saved.
        failed_maintenance: rounds of retention and compaction that failed.
        unflushed_bytes: bytes that wait for the disk.
        size_bytes: durable bytes of all topics.
    """

    appended: int = 0
    appended_bytes: int = 0
    flushes: int = 0
    fsyncs: int = 0
    failed: int = 0
    refused: int = 0
    read: int = 0
    commits: int = 0
    torn_bytes: int = 0
    expired_segments: int = 0
    expired_bytes: int = 0
    expired_unread: int = 0
    compactions: int = 0
    compacted_bytes: int = 0
    failed_maintenance: int = 0
    unflushed_bytes: int = 0
    size_bytes: int = 0
