"""The dead letters read back: to look at them, and to send them to where they came from once the fault is fixed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import structlog

from pipeline.dead_letters.limits import OFFSET, PARTITION, REASON, STORE, TOPIC, TRUNCATED
from pipeline.dead_letters.skip import is_changelog
from pipeline.exchange.topics import Topic
from telemetry.documents import Document, Kind
from telemetry.errors import ConfigError, SpanloomError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stores.store import Store

GROUP = "spanloom-dlq"
"""Its committed offset is how far the dead letters have been replayed."""

_TOPIC = Topic.DEAD_LETTERS.value

_OURS = {REASON, TOPIC, PARTITION, OFFSET, TRUNCATED}

log = structlog.get_logger(__name__)


class UndeliverableError(SpanloomError):
    """A dead letter can go nowhere. The message says why."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the topic. `topic`, `partition` and `offset` say where it came from; `place`, `number` where it lies."""

    place: int  # partition of the topic of dead letters
    number: int  # offset there
    time: int  # nanoseconds since the epoch
    topic: str
    partition: int | None
    offset: int | None
    reason: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]  # as they were
    bytes: int  # of the value as it was; more than there is of it, where only its beginning was kept

    @property
    def whole(self) -> bool:
        """Whether all of the value was kept."""
        return len(self.value or b"") == self.bytes

    def describe(self) -> dict[str, object]:
        """What is known of it, without its value."""
        return {
            "number": self.number,
            "time": self.time,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "bytes": self.bytes,
            "whole": self.whole,
            "reason": self.reason,
        }


class DeadLetterTopic(Protocol):
    """The topic of dead letters on one kind of log."""

    def read(self, *, replayed: bool) -> AsyncIterator[DeadLetter]:
        """The dead letters that there are now, oldest first; `replayed`: also those that have been replayed."""
        ...

    async def put_back(self, letter: DeadLetter) -> None:
        """Return when the record is on the topic that it came from.

        Raises:
            UndeliverableError: that topic or partition is not there.
        """
        ...

    async def mark_replayed(self, letter: DeadLetter) -> None:
        """Return when it is remembered that this letter and those before it have been replayed."""
        ...


async def replay_dead_letters(dead: DeadLetterTopic, store: Store | None, *, again: bool = False) -> dict[str, int]:
    """Send what has not been replayed to where it came from: records to their topic, documents to the store.

    What is unusable still comes back as a dead letter: a record when it is read, a document that the store refuses again at
    once. A replay that is cut short goes on where it ended. What has nowhere to go is skipped, and the log says why: a
    record of which only the beginning was kept, one whose topic is gone, a document that is none.

    Args:
        dead: where they are.
        store: takes the documents that it had rejected; None where this process cannot reach it.
        again: replay all of them, also those that have been.

    Returns:
        How many went to each topic, the dead letters' own included, and to the store.

    Raises:
        ConfigError: there are documents and no store.
    """
    sent: dict[str, int] = {}
    async for letter in dead.read(replayed=again):
        try:
            to = await _send(dead, store, letter)
            sent[to] = sent.get(to, 0) + 1
        except UndeliverableError as error:
            log.warning("dead_letter_skipped", **letter.describe(), hint=str(error))
        await dead.mark_replayed(letter)
    return sent


async def _send(dead: DeadLetterTopic, store: Store | None, letter: DeadLetter) -> str:
    """Where a letter went. Raises `UndeliverableError` where it can go nowhere."""
    if is_changelog(letter.topic):
        raise UndeliverableError("it was state that no release reads")
    if not letter.whole:
        raise UndeliverableError("it was too large to keep: send it again")
    if letter.topic == STORE:
        if store is None:
            raise ConfigError("store: rejected documents wait, and this store belongs to another process")
        written = await store.write([_document(letter)])
        if not written.rejected:
            return STORE
        headers = {REASON: written.rejected[0].reason, TOPIC: STORE, PARTITION: "", OFFSET: ""}
        encoded = tuple((name, value.encode()) for name, value in headers.items())
        letter = replace(letter, topic=_TOPIC, partition=letter.place, headers=letter.headers + encoded)
    await dead.put_back(letter)
    return letter.topic


def gone(letter: DeadLetter) -> UndeliverableError:
    """Says that the partition is not there that a letter came from."""
    return UndeliverableError(f"there is no partition {letter.partition or 0} of topic {letter.topic}")


def _document(letter: DeadLetter) -> Document:
    try:
        match orjson.loads(letter.value or b""):
            case {"kind": str(kind), "id": str(id_), "time": int(time), "body": dict(body)}:
                return Document(Kind(kind), id_, time, body)
    except ValueError:
        pass
    raise UndeliverableError("it is no document of ours: others wrote it")


def dead_letter(place: int, record: Any) -> DeadLetter:
    """A record of the topic, as aiokafka or the embedded log has it."""
    headers = {name: (value or b"").decode(errors="backslashreplace") for name, value in record.headers}
    partition, offset, cut = (_number(headers.get(name, "")) for name in (PARTITION, OFFSET, TRUNCATED))
    return DeadLetter(
        place,
        record.offset,
        record.timestamp * 1_000_000,
        headers.get(TOPIC, ""),
        partition,
        offset,
        headers.get(REASON, ""),
        record.key,
        record.value,
        tuple((name, value) for name, value in record.headers if name not in _OURS),
        len(record.value or b"") if cut is None else cut,
    )


def _number(text: str) -> int | None:
    """None where the header does not say one: others may write to the topic too."""
    return int(text) if text.isdecimal() and len(text) < 20 else None
