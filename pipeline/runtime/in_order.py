"""Every record of a stream reaches its agent, in order, whatever Faust throws away of what it has fetched.

Faust drops fetched records whenever its flow is not active, a partition is paused, or the assignment changes, and relies
on a seek to the committed offset afterwards. Where nothing is committed yet, aiokafka does not seek. The next record then
looks as if those before it had been compacted away, and Faust commits past them: of 20,874 records on new partitions, a
start under load lost one. Records that were fetched before such a seek and handed over after it do the same harm.

So a record is handed over only if it is the next one of its partition (see `turns`); what is missing before it is read
again. Holes in the offsets, as transactions, compaction and retention leave them, are recognised by what was fetched.
The same holds for changelogs while tables are restored from them: a fetch that was in flight when recovery sought the
beginning of a changelog and that is thrown away leaves recovery waiting for ever, or the table without values.
Commits go by the same account: Faust's own takes for holes what was delivered before a seek, and spells out each offset of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka
from faust.types import TP

from pipeline.runtime.skips import Skips
from pipeline.runtime.turns import Arrival, Turn
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from faust.transport.consumer import Consumer
    from faust.types.tuples import Message
else:
    Consumer = object  # the consumer comes behind `InOrderConsumer` in the order of its classes

POLL_SECONDS = 5.0
"""Seconds after which a partition is read again of which nothing came, though its end is further on."""

log = structlog.get_logger(__name__)


FAUST_LOG = logging.getLogger("faust.services")
"""Of the services of Faust that are ours. Under a name that mode uses itself it would be replaced by one of our module's."""


class PartitionResetError(SpanloomError):
    """A partition starts over, below what was read of it."""


class InOrderConsumer(Consumer):  # type: ignore[misc] # Faust's types are not read
    """Put before a consumer of Faust, so that it hands over records in turn and none is missing.

    Attributes:
        turns: the partitions of streams whose beginning is known.
        changelogs: those of changelogs that recovery has sought.
        skips: records that a person has decided to pass over.
        rereads: how often records were read again, for one before them had not come.
        deleted: offsets, by topic, that retention or a person deleted before they were read.
        asked_at: when records were asked for last, by the loop's clock.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.turns: dict[TP, Turn] = {}
        self.changelogs: dict[TP, Turn] = {}
        self._landed: dict[TP, int] = {}  # commits that Kafka took
        self._looked = 0.0  # when, by the loop's clock
        self._seen: dict[TP, int] = {}  # the next offset then
        self._looking: set[TP] = set()  # what was sought since, and no fetch of it has answered yet
        self.rereads = 0
        self.asked_at = 0.0
        self.deleted: Counter[str] = Counter()
        super().__init__(*args, **kwargs)
        self.skips: Skips = getattr(self.app, "skips", None) or Skips()
        self._written_at: dict[tuple[TP, bytes], int] = getattr(self.app, "changelogs", {})

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        """Move every partition to where the group committed, and those where it did not to their beginning."""
        committed: Mapping[TP, int | None] = await super().seek_to_committed()
        streams = {TP(*tp): offset for tp, offset in committed.items() if not self._is_changelog_tp(TP(*tp))}
        fresh = [tp for tp, offset in streams.items() if not offset]
        if fresh:
            streams.update({TP(*tp): offset for tp, offset in (await self.earliest_offsets(*fresh)).items()})
        for tp, offset in streams.items():
            self.turns.setdefault(tp, Turn(offset or 0))
            self._acked[tp].clear()  # an entry, so that commits ask for it
        # Once more for all: what was fetched since the first seek has been dropped, and it may be the last for long.
        await self.seek_wait({tp: offset or 0 for tp, offset in streams.items()})
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
        if self._is_changelog_tp(tp):  # sought by recovery, and by us
            self.changelogs.setdefault(tp, Turn(offset))
        turn = self._turn(tp)
        if turn is not None:
            turn.move(offset)

    def _turn(self, tp: TP) -> Turn | None:
        return self.turns.get(tp) or self.changelogs.get(tp)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Know nothing more of what is revoked."""
        for tp in revoked:
            for known in (self.turns, self.changelogs, self._landed, self._seen):
                known.pop(tp, None)
            self._looking.discard(tp)
        await super().on_partitions_revoked(revoked)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Any]]:
        """Fetch; Faust may throw away any of it."""
        await self._check_progress(active_partitions or set())
        moved = {tp: turn.moved for tp, turn in self._turns().items()}
        fetched: Mapping[TP, list[Any]] = await super()._getmany(active_partitions, timeout)
        for tp, turn in self._turns().items():
            if tp not in moved:
                turn.position = None
                continue
            records = fetched.get(tp) or ()
            begin = turn.position
            turn.fetched([record.offset for record in records], moved[tp])
            if records:
                self._looking.discard(tp)
                if begin is not None and turn.moved == moved[tp]:
                    await self._notice_hole(tp, turn, begin, records[0].offset)
            elif tp in self._looking and turn.position == turn.next and turn.moved == moved[tp]:
                await self._skip_what_is_no_record(tp, turn)
        return fetched

    def _turns(self) -> dict[TP, Turn]:
        return {**self.turns, **self.changelogs}

    async def _check_progress(self, active: set[TP]) -> None:
        """Seek to the next record where nothing came for a while though there is more: it may have been thrown away."""
        now = self.asked_at = asyncio.get_running_loop().time()
        if now - self._looked < POLL_SECONDS:
            return
        self._looked = now
        mine = self.assignment()
        read = {tp: turn for tp, turn in self._turns().items() if tp in mine and (tp in self.turns or tp in active)}
        behind = {tp: turn.next for tp, turn in read.items() if turn.next < (self.highwater(tp) or 0)}
        stalled = {tp: offset for tp, offset in behind.items() if self._seen.get(tp) == offset}
        self._seen = behind
        if stalled:
            await self.seek_wait(stalled)
            self._looking |= stalled.keys()

    async def _skip_what_is_no_record(self, tp: TP, turn: Turn) -> None:
        """At the end of a partition: markers of transactions, or what was deleted."""
        moved = turn.moved
        position = await self.position(tp)
        if position is None or position <= turn.next or turn.moved != moved:
            return
        self._looking.discard(tp)
        await self._notice_hole(tp, turn, turn.next, position)
        if turn.moved == moved:
            turn.skip_to(position)
            if tp in self.changelogs:
                self.app.tables.recovery.active_offsets[tp] = position - 1  # else it waits for a record there

    async def _notice_hole(self, tp: TP, turn: Turn, begin: int, offset: int) -> None:
        """Say what was lost, where a hole is no marker of a transaction and no compaction."""
        if offset == begin or tp in self.changelogs:
            return
        if offset < begin:
            await self._restart(tp, turn, begin, offset)
            return
        start = 0
        with contextlib.suppress(KafkaError, TimeoutError):  # the hole is passed in any case
            start = (await self.earliest_offsets(tp)).get(tp) or 0
        if start > begin:
            count = min(start, offset) - begin
            self.deleted[tp.topic] += count
            log.error(
                "records_deleted_unread",
                topic=tp.topic,
                partition=tp.partition,
                first=begin,
                end=begin + count,
                hint="retention or a person deleted them before they were read; raise topics.retention_hours or add workers",
            )

    async def _restart(self, tp: TP, turn: Turn, begin: int, offset: int) -> None:
        """The partition ends before what was committed: its topic was deleted and made again.

        Raises:
            PartitionResetError: records of it are under way; a new start is needed.
        """
        if turn.handed_over:
            raise PartitionResetError(
                f"{tp.topic}[{tp.partition}] begins again at offset {offset}, {begin} was to come: was the topic made again? "
                "Reading goes on from its beginning after a restart"
            )
        log.error("partition_reset", topic=tp.topic, partition=tp.partition, committed=begin, offset=offset)
        self._committed_offset[tp] = None
        self._landed.pop(tp, None)
        await self.seek_wait({tp: offset})

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """What the consumer fetched, as far as it is each partition's turn."""
        async for tp, message in super().getmany(timeout):
            if await self._is_next(tp, message.offset):
                if tp in self.changelogs:
                    self._written_at[tp, message.key] = message.offset
                yield tp, message

    async def _is_next(self, tp: TP, offset: int) -> bool:
        turn = self._turn(tp)
        if turn is None:  # its beginning will be sought
            return False
        match turn.arrives(offset):
            case Arrival.NEXT if self.skips.has(tp, offset):
                turn.acknowledge(offset)
                self.skips.note(tp, offset)
            case Arrival.NEXT:
                if tp in self.changelogs:
                    turn.acknowledge(offset)  # nothing of it is committed
                return True
            case Arrival.EARLY if turn.position != turn.next:  # else it was fetched before the seek
                self.rereads += 1
                await self.seek_wait({tp: turn.next})
        return False

    def ack(self, message: Message) -> bool:
        """A record is done with."""
        turn = self.turns.get(message.tp)
        if turn is not None:
            turn.acknowledge(message.offset)
        return bool(super().ack(message))

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002 - Faust's signature
        """Commit, and remember what Kafka took."""
        did_commit: bool = await super()._commit_offsets(offsets, start_new_transaction=start_new_transaction)
        if did_commit:
            self._landed.update({tp: offset for tp, offset in offsets.items() if tp in self.turns})
        return did_commit

    def _new_offset(self, tp: TP) -> int | None:
        """The offset that can be committed now, if any.

        A seek to the committed offset that asked for it before a commit landed sets back what Faust knows.
        """
        turn = self.turns.get(tp)
        if turn is None:
            return None
        landed = self._landed.get(tp, 0)
        if landed > (self._committed_offset[tp] or 0):
            self._committed_offset[tp] = landed
        for done in self._acked[tp]:  # a stream that acknowledges by itself puts them here, and does not call `ack`
            turn.acknowledge(done)
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return turn.committable or None

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Holes are in the account of the turns."""


class _ConsumerThread(aiokafka.AIOKafkaConsumerThread):  # type: ignore[misc] # Faust's types are not read
    """Skips records of transactions that were aborted."""

    def _create_worker_consumer(self, transport: object) -> object:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - Faust has no setting for it
        return consumer


class KafkaConsumer(InOrderConsumer, aiokafka.Consumer):  # type: ignore[misc] # Faust's types are not read
    """Faust's consumer of Kafka."""

    logger = FAUST_LOG

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)
