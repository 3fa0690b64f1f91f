"""What can go wrong with the embedded log."""

from __future__ import annotations

from telemetry.errors import InUseError, SpanloomError, UnrecoverableError


class LogError(SpanloomError):
    """The log did not take or give records."""


class CorruptLogError(UnrecoverableError, LogError):
    """Stored records are damaged.

    Args:
        file: the segment file.
        position: where in it, in bytes.
        reason: what is wrong there.
    """

    def __init__(self, file: str, position: int, reason: str) -> None:
        super().__init__(
            f"{file}: byte {position}: {reason}; restore the file from a copy, "
            "or go on without these records: `spanloom log repair`"
        )
        self.file = file
        self.position = position
        self.reason = reason


class LogLockedError(InUseError, LogError):
    """Another process has the log open."""


class UnknownTopicError(LogError):
    """The topic, or this partition of it, does not exist."""
