"""Says of each partition that does not move although there is more to read, and why."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from faust.types import TP

    from pipeline.runtime.app import PipelineApp
    from pipeline.runtime.lag import Lag
    from pipeline.runtime.turns import Turn

STALL_SECONDS = 60.0
"""Without a record or a commit while there is more. Stages hold records for minutes, and take others meanwhile."""

POLL_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Cause(StrEnum):
    """Why a partition stands still."""

    RESTORING = "restoring"
    NOT_ASKED = "not_asked"
    NOT_DELIVERED = "not_delivered"
    NOT_COMMITTED = "not_committed"


HINTS = {
    Cause.RESTORING: "tables are restored from their changelogs first: these are long, or a broker is away",
    Cause.NOT_ASKED: "the stage consumes no more: the store is away, or a partition of the topic waits with unusable records",
    Cause.NOT_DELIVERED: "the log has more and does not give it: a producer's transaction is open, or a broker is away",
    Cause.NOT_COMMITTED: "all that was read is done, and no commit succeeds: is the broker away, or the group unknown?",
}


@dataclass(frozen=True, slots=True)
class Stall:
    """A partition that stands still."""

    offset: int  # the next to be read
    committed: int
    end: int
    cause: Cause


class StallWatch:
    """Looks at the partitions that this process owns.

    Attributes:
        stalled: those that stand still.
    """

    def __init__(self, app: PipelineApp, lag: Lag) -> None:
        self._app, self._lag = app, lag
        self._seen: dict[TP, tuple[tuple[int, int], float]] = {}  # where each was, and since when
        self.stalled: dict[TP, Stall] = {}

    async def watch(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.check(asyncio.get_running_loop().time())

    def check(self, now: float) -> None:
        """Compare with the last look. `now` in seconds, by the loop's clock."""
        consumer = self._app.consumer
        turns: dict[TP, Turn] = dict(consumer.turns)
        for gone in self._seen.keys() - turns.keys():
            del self._seen[gone]
            self.stalled.pop(gone, None)
        for tp, turn in turns.items():
            committed = consumer._committed_offset.get(tp) or 0  # noqa: SLF001 - Faust has no public name for it
            end = self._lag.end_of(tp)
            progress = (turn.next, committed)
            seen = self._seen.get(tp)
            if seen is None or seen[0] != progress or committed >= end:
                self._seen[tp] = progress, now
                if self.stalled.pop(tp, None) is not None:
                    log.info("partition_moves_again", topic=tp.topic, partition=tp.partition, offset=turn.next)
            elif now - seen[1] >= STALL_SECONDS and (cause := self._cause(turn, committed, end, now)) is not None:
                self._say(tp, Stall(turn.next, committed, end, cause), now - seen[1])

    def _cause(self, turn: Turn, committed: int, end: int, now: float) -> Cause | None:
        if self._app.in_recovery:
            return Cause.RESTORING
        if turn.next < end:
            asked = now - self._app.consumer.asked_at < STALL_SECONDS
            return Cause.NOT_DELIVERED if asked else Cause.NOT_ASKED
        return None if turn.unfinished or turn.committable <= committed else Cause.NOT_COMMITTED

    def _say(self, tp: TP, stall: Stall, seconds: float) -> None:
        known = self.stalled.get(tp)
        self.stalled[tp] = stall
        if known is None or known.cause is not stall.cause:
            log.error(
                "partition_stalled",
                topic=tp.topic,
                partition=tp.partition,
                offset=stall.offset,
                committed=stall.committed,
                end=stall.end,
                cause=stall.cause.value,
                for_seconds=round(seconds),
                hint=HINTS[stall.cause],
            )
