"""Records that cannot be used: kept untouched on a topic of their own, with the reason and the place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import structlog

from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faust import Topic

    from stores.store import Rejected
    from telemetry.errors import InputError

log = structlog.get_logger(__name__)

REASON, TOPIC, PARTITION, OFFSET = "spanloom.reason", "spanloom.topic", "spanloom.partition", "spanloom.offset"
"""Headers of a dead letter. A document that the store rejected has TOPIC `store` and its id as the key."""


class TooManyDeadLettersError(SpanloomError):
    """So many records in a row cannot be used that the fault is more likely ours than theirs."""


class DeadLetters:
    """Sends records to the dead-letter topic.

    Args:
        topic: the dead-letter topic.
        run: how many records of a partition may go there one after the other, without a good one between them.
    """

    def __init__(self, topic: Topic, run: int = 1000) -> None:
        self._topic = topic
        self._limit = run
        self._last: dict[Any, int] = {}
        self._run: dict[Any, int] = {}
        self.sent = 0

    async def send(self, event: Any, error: InputError) -> None:
        """Return when the record is on the dead-letter topic.

        Raises:
            TooManyDeadLettersError: the run is at its limit; the record stays held on its own topic.
        """
        message = event.message
        follows = self._last.get(message.tp) == message.offset - 1
        self._run[message.tp] = self._run.get(message.tp, 0) + 1 if follows else 1
        self._last[message.tp] = message.offset
        if self._run[message.tp] > self._limit:
            raise TooManyDeadLettersError(
                f"{message.topic}[{message.partition}] offset {message.offset}: {self._limit} records in a row could not be "
                f"used, the last because of: {error}. Mend the producer or raise dead_letters.run, then start again."
            )
        await self._put(
            message.key, message.value, f"{error}", message.topic, str(message.partition), str(message.offset), message.headers
        )

    async def reject(self, rejected: Sequence[Rejected]) -> None:
        """Return when the documents are on the dead-letter topic."""
        for item in rejected:
            document = item.document
            value = orjson.dumps({"kind": document.kind, "id": document.id, "time": document.time, "body": document.body})
            await self._put(document.id.encode(), value, item.reason, "store", "", "", None)

    async def _put(self, key: Any, value: Any, reason: str, topic: str, partition: str, offset: str, headers: Any) -> None:
        kept = dict(headers or {})
        kept |= {REASON: reason.encode(), TOPIC: topic.encode(), PARTITION: partition.encode(), OFFSET: offset.encode()}
        log.warning("dead_letter", topic=topic, partition=partition, offset=offset, reason=reason)
        sent = await self._topic.send(key=key, value=value, headers=kept)
        await sent
        self.sent += 1
