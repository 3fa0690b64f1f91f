"""Records that cannot be used: kept untouched on a topic of their own, with the reason and the place."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field

from pipeline.exchange.limits import MAX_REQUEST
from pipeline.runtime.skips import Skips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pipeline.record import TP, OutputTopic, Record
    from stores.store import Rejected
    from telemetry.documents import Kind
    from telemetry.errors import InputError

log = structlog.get_logger(__name__)

REASON, TOPIC, PARTITION, OFFSET = "spanloom.reason", "spanloom.topic", "spanloom.partition", "spanloom.offset"
"""Headers of a dead letter. A document that the store rejected has TOPIC `store` and its id as the key."""

TRUNCATED = "spanloom.bytes"
"""Header of one whose value was too large to be kept whole: how many bytes it had."""

MAX_VALUE = MAX_REQUEST - (64 << 10)
"""Bytes of a value that are kept: the topic's largest record, but for headers. A record in a compressed batch can be larger
than any that its topic would take as it is."""

STORE = "store"


WINDOW = 1000
"""Records of a partition, or writes of a kind, over which the share is computed: minutes of a busy one."""

POLL_INTERVAL = 1.0
"""Seconds between checks whether a paused partition was revoked."""


class DeadLetterConfig(BaseModel):
    """How much may go to the dead letters before it is more likely that the fault is ours.

    Of the records of a partition, and of writes by the kind of those documents that the store refuses: past a limit these wait
    for the store. Documents that no store takes are always let through: nothing but themselves is at fault.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: int = Field(default=100, gt=0, description="unusable ones one after the other; at the next the partition pauses")
    share: float = Field(default=0.5, gt=0, le=1, description="share of the last 1,000 records; past it the partition pauses")


@dataclass(slots=True)
class _Recent:
    run: int = 0
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))  # whether each was unusable
    unusable: int = 0

    def add(self, *, unusable: bool) -> None:
        if len(self.recent) == WINDOW:
            self.unusable -= self.recent[0]
        self.recent.append(unusable)
        self.unusable += unusable
        self.run = self.run + 1 if unusable else 0

    def is_past(self, config: DeadLetterConfig) -> bool:
        full = len(self.recent) == WINDOW
        return self.run > config.run or (full and self.unusable > config.share * WINDOW)


class DeadLetters:
    """Sends records and documents to the dead-letter topic, within limits for each partition and each kind."""

    def __init__(self, topic: OutputTopic, config: DeadLetterConfig | None = None, skips: Skips | None = None) -> None:
        self._topic = topic
        self._skips = skips or Skips()
        self._config = config or DeadLetterConfig()
        self._partitions: dict[TP, _Recent] = {}
        self._kinds: dict[Kind, _Recent] = {}
        self.sent = 0
        self.paused: dict[TP, int] = {}  # and the offset of the record that waits

    def usable(self, event: Record) -> None:
        """Count a record that could be used."""
        self._of(event).add(unusable=False)

    async def admit(self, event: Record, error: InputError, is_stale: Callable[[Record], bool]) -> bool:
        """Whether a record may be sent.

        Past a limit this waits until its partition is revoked, and then it may not, or a person skips it, and then it may.
        The record stays in flight on its own topic meanwhile, and the stream agent reads nothing behind it.
        """
        partition = self._of(event)
        partition.add(unusable=True)
        if not partition.is_past(self._config):
            return True
        await self.pause(
            event,
            is_stale,
            run=partition.run,
            unusable=partition.unusable,
            of_the_last=len(partition.recent),
            reason=str(error),
            hint="fix the producer or the decoder, or raise dead_letters.run or .share, and start again",
        )
        return not is_stale(event)

    async def pause(self, event: Record, is_stale: Callable[[Record], bool], **fields: object) -> None:
        """Wait at a record until its partition is revoked or a person skips it, and say why."""
        message = event.message
        self.paused[message.tp] = message.offset
        log.error("partition_paused", topic=message.topic, partition=message.partition, offset=message.offset, **fields)
        try:
            # Faust reports it by a number only.
            while not (is_stale(event) or self._skips.has(message.tp, message.offset)):  # noqa: ASYNC110 - see above
                await asyncio.sleep(POLL_INTERVAL)
        finally:
            del self.paused[message.tp]

    async def send(self, event: Record, error: InputError) -> None:
        """Return when the record is on the dead-letter topic."""
        message = event.message
        await self._put(
            message.key, message.value, f"{error}", message.topic, str(message.partition), str(message.offset), event.headers
        )

    def drop(self, partitions: Iterable[TP]) -> None:
        """Drop the counts of partitions that were revoked."""
        for tp in partitions:
            self._partitions.pop(tp, None)

    def _of(self, event: Record) -> _Recent:
        return self._partitions.setdefault(event.message.tp, _Recent())

    def count(self, kind: Kind, *, refused: bool) -> None:
        """Count a write that had documents of a kind, by whether the store refused some that are not unstorable anywhere."""
        self._kinds.setdefault(kind, _Recent()).add(unusable=refused)

    def objection(self, rejected: Sequence[Rejected], /) -> str:
        """Why documents should wait: a kind is past a limit. A store that takes it again needs no restart of ours."""
        for item in rejected:
            recent = self._kinds.get(item.document.kind)
            if not item.unstorable and recent is not None and recent.is_past(self._config):
                return (
                    f"the store refused {item.document.kind} documents of {recent.run} writes in a row, and of "
                    f"{recent.unusable} of the last {len(recent.recent)} ({item.reason}): they wait. Fix the mapping or the "
                    "producer, or raise dead_letters.run or .share"
                )
        return ""

    async def reject(self, rejected: Sequence[Rejected]) -> None:
        """Return when the documents are on the dead-letter topic."""
        for item in rejected:
            document = item.document
            kept = {"kind": document.kind, "id": document.id, "time": document.time, "body": document.body}
            try:
                value = orjson.dumps(kept)
            except TypeError:  # what JSON of others cannot take may be the reason of the rejection
                value = json.dumps(kept, default=repr).encode()
            await self._put(document.id.encode(), value, item.reason, STORE, "", "", None)

    async def _put(
        self,
        key: bytes | None,
        value: bytes | None,
        reason: str,
        topic: str,
        partition: str,
        offset: str,
        headers: Mapping[str, bytes] | None,
    ) -> None:
        kept = dict(headers or {})
        kept |= {REASON: reason.encode(), TOPIC: topic.encode(), PARTITION: partition.encode(), OFFSET: offset.encode()}
        if value is not None and len(value) > MAX_VALUE:
            kept[TRUNCATED] = str(len(value)).encode()
            value = value[:MAX_VALUE]
        log.warning("dead_letter", topic=topic, partition=partition, offset=offset, reason=reason)
        sent = await self._topic.send(key=key, value=value, headers=kept)
        await sent
        self.sent += 1
