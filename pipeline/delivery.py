"""Every record of a stream reaches its agent, in order, whatever Faust throws away of what it has fetched.

Faust drops fetched records whenever its flow is not active, a partition is paused, or the assignment changes, and relies
on a seek to the committed offset afterwards. Where nothing is committed yet, aiokafka does not seek. The next record then
looks as if those before it had been compacted away, and Faust commits past them: of 20,874 records on new partitions, a
start under load lost one. Records that were fetched before such a seek and handed over after it do the same harm.

So a record is handed over only if it is the next one of its partition; what is missing before it is read again. A hole is
believed, as compaction and transactions leave them, when what was fetched from its beginning begins after it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from faust.transport.drivers import aiokafka
from faust.types import TP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from faust.transport.consumer import Consumer
    from faust.types.tuples import Message
else:
    Consumer = object  # the consumer comes behind `InTurn` in the order of its classes


class InTurn(Consumer):  # type: ignore[misc] # Faust's types are not read
    """Put before a consumer of Faust, so that it hands over records in turn and none is left out.

    Changelogs are left to Faust's recovery, which seeks by itself.

    Attributes:
        read_again: how often a hole was read again to see whether it is one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._next: dict[TP, int] = {}  # offset of the next record of each partition, once its beginning is known
        self._holes: dict[TP, tuple[int, int]] = {}  # what was expected and what came instead
        self._fetched: dict[TP, int] = {}  # of those read again: the first offset that was fetched
        self._believed: dict[TP, tuple[int, int]] = {}  # holes that Faust is to be told of
        self._landed: dict[TP, int] = {}  # commits that Kafka took
        self.read_again = 0
        super().__init__(*args, **kwargs)

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        """Move every partition to where the group committed, and those where it did not to their beginning."""
        committed: Mapping[TP, int | None] = await super().seek_to_committed()
        streams = {TP(*tp): offset for tp, offset in committed.items() if not self._is_changelog_tp(TP(*tp))}
        fresh = [tp for tp, offset in streams.items() if not offset]
        if fresh:
            streams.update({TP(*tp): offset for tp, offset in (await self.earliest_offsets(*fresh)).items()})
        self._next.update({tp: offset or 0 for tp, offset in streams.items()})
        # Once more for all: what was fetched since the first seek has been dropped, and it may be the last for long.
        await self.seek_wait({tp: self._next[tp] for tp in streams})
        return committed

    async def seek(self, partition: TP, offset: int) -> None:
        """Move a partition; this record is its next."""
        self._turn_to(partition, offset)
        await super().seek(partition, offset)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Move partitions; these records are their next."""
        for tp, offset in partitions.items():
            self._turn_to(tp, offset)
        await super().seek_wait(partitions)

    def _turn_to(self, tp: TP, offset: int) -> None:
        self._holes.pop(tp, None)
        self._fetched.pop(tp, None)
        if tp in self._next:  # and no changelog
            self._next[tp] = offset

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Know nothing more of what is taken away."""
        for tp in revoked:
            for known in (self._next, self._holes, self._fetched, self._believed, self._landed):
                known.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Any]]:
        """Fetch; Faust may throw away any of it."""
        fetched: Mapping[TP, list[Any]] = await super()._getmany(active_partitions, timeout)
        for tp in self._holes:
            if records := fetched.get(tp):
                self._fetched.setdefault(tp, records[0].offset)
        return fetched

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """What the consumer fetched, as far as it is each partition's turn."""
        async for tp, message in super().getmany(timeout):
            if await self._is_next(tp, message.offset):
                yield tp, message

    async def _is_next(self, tp: TP, offset: int) -> bool:
        expected = self._next.get(tp)
        if expected is None:  # its beginning will be sought
            return bool(self._is_changelog_tp(tp))
        if offset > expected and not (self._holes.get(tp) == (expected, offset) and self._fetched.get(tp) == offset):
            self.read_again += 1
            await self.seek_wait({tp: expected})
            self._holes[tp] = expected, offset
            return False
        if offset < expected:  # fetched again after a seek
            return False
        if offset > expected:
            self._believed[tp] = self._holes.pop(tp)
            del self._fetched[tp]
        self._next[tp] = offset + 1
        return True

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002 - Faust's signature
        """Commit, and remember what Kafka took."""
        did_commit: bool = await super()._commit_offsets(offsets, start_new_transaction=start_new_transaction)
        if did_commit:
            self._landed.update({tp: offset for tp, offset in offsets.items() if tp in self._next})
        return did_commit

    def _new_offset(self, tp: TP) -> int | None:
        """The offset that can be committed now, if any.

        A seek to the committed offset that asked for it before a commit landed sets it back. Faust would then wait for
        ever for acknowledgements of records that it had committed.
        """
        landed = self._landed.get(tp, 0)
        if landed > (self._committed_offset[tp] or 0):
            self._committed_offset[tp] = landed
        offset: int | None = super()._new_offset(tp)
        return offset

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:  # noqa: ARG002 - Faust's signature
        """Let commits pass a hole that is believed.

        Faust's own arithmetic also takes for holes what was delivered before a seek, and the record after a hole, and
        would commit past such records while they are held.
        """
        hole = self._believed.pop(tp, None)
        if hole is not None:
            await super()._add_gap(tp, hole[0], hole[1] - 1)


class KafkaConsumer(InTurn, aiokafka.Consumer):  # type: ignore[misc] # Faust's types are not read
    """Faust's consumer of Kafka."""

    logger = logging.getLogger("faust.transport.drivers.aiokafka")
