"""Passing over a record that cannot even be a dead letter: shown first, noted among the dead letters, then skipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from pipeline.dead_letters.limits import OFFSET, PARTITION, REASON, TOPIC, TRUNCATED
from pipeline.exchange.codec import MAX_RECORD
from pipeline.record import TP
from pipeline.runtime.skips import SkipError

if TYPE_CHECKING:
    from pipeline.runtime.skips import KeepsSkips

MAX_HEADERS = 16 << 10
"""Bytes of headers that the note keeps."""

log = structlog.get_logger(__name__)


def is_changelog(topic: str) -> bool:
    """Whether a topic keeps the state of a stage, as Faust names them."""
    return topic.endswith("-changelog")


@dataclass(frozen=True, slots=True)
class Found:
    """The record at a place."""

    tp: TP
    offset: int
    timestamp: int  # milliseconds since the epoch
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def describe(self) -> dict[str, object]:
        """What a person is shown: not the value, which may be what ends a process."""
        return {
            "topic": self.tp.topic,
            "partition": self.tp.partition,
            "offset": self.offset,
            "time": self.timestamp * 1_000_000,
            "bytes": len(self.value or b""),
            "key": (self.key or b"")[:200].decode(errors="backslashreplace"),
            "headers": {name: value[:200].decode(errors="backslashreplace") for name, value in self.headers},
        }


class Place(Protocol):
    """A log that has the record; one for each kind of log."""

    @property
    def skips(self) -> KeepsSkips:
        """Where it is kept what is skipped."""
        ...

    async def find(self, tp: TP, offset: int) -> Found:
        """The record.

        Raises:
            SkipError: there is none at this offset.
        """
        ...

    async def last_of(self, found: Found) -> int:
        """The offset of the last record with the key of this one, behind which it is in its partition, or its own."""
        ...

    async def delete(self, tp: TP, key: bytes) -> None:
        """Return when a record without value stands behind all others of this key."""
        ...

    async def note(self, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]) -> None:
        """Return when a record is on the topic of dead letters."""
        ...


async def skip(place: Place, topic: str, partition: int, offset: int, *, dry_run: bool = False) -> dict[str, object]:
    """Skip a record; returns what is known of it. Of a changelog its key is deleted: whoever reads it has to get to its end.

    Args:
        place: the log.
        topic: of the record.
        partition: of the record.
        offset: of the record.
        dry_run: only look.

    Raises:
        SkipError: there is no such record, the log does not keep the skip, or it would change nothing.
    """
    tp = TP(topic, partition)
    found = await place.find(tp, offset)
    if is_changelog(topic):
        await _check_in_use(place, found)
    if not dry_run:
        await _note(place, found)
        if is_changelog(topic):
            await place.delete(tp, found.key or b"")
        else:
            await place.skips.add(tp, offset)
        log.warning("skip_kept", topic=topic, partition=partition, offset=offset)
    return found.describe()


async def _check_in_use(place: Place, found: Found) -> None:
    last = await place.last_of(found)
    where = f"{found.tp.topic}[{found.tp.partition}] offset {found.offset}"
    if last != found.offset:
        raise SkipError(f"{where}: the record at offset {last} has replaced it: nobody reads this one")
    if found.value is None:
        raise SkipError(f"{where}: it says that its key is deleted: there is nothing to pass over")


async def _note(place: Place, found: Found) -> None:
    """Leave the record among the dead letters, or at least that it was skipped: it may be skipped for not fitting there."""
    headers = {REASON: "skipped by spanloom dlq skip", TOPIC: found.tp.topic, PARTITION: str(found.tp.partition)}
    ours = tuple((name, text.encode()) for name, text in (headers | {OFFSET: str(found.offset)}).items())
    kept = found.headers if sum(len(name) + len(value) for name, value in found.headers) <= MAX_HEADERS else ()
    size = len(found.value or b"")
    if size <= MAX_RECORD:
        try:
            await place.note(found.key, found.value, (*kept, *ours))
        except Exception as error:  # noqa: BLE001 - whatever refuses it, the note below is smaller
            log.warning("dead_letter_refused", reason=str(error), hint="a note without the record is left instead")
        else:
            return
    await place.note(None, b"", (*ours, (TRUNCATED, str(size).encode())))


def no_record(tp: TP, offset: int, start: int, end: int) -> SkipError:
    """Says where there is one."""
    if start <= offset < end:
        reason = "there is no record: a hole that compaction or a transaction left, which needs no skip"
    else:
        reason = f"the partition has offsets {start} to {end - 1}" if end > start else "the partition is empty"
    return SkipError(f"{tp.topic}[{tp.partition}] offset {offset}: {reason}")
