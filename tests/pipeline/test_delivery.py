"""Records reach their stream in turn, whatever is thrown away between the log and the stream."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

from faust.transport.consumer import Consumer
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.delivery import InTurn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

PLACE = TP("topic", 0)
CHANGELOG = TP("changelog", 0)


class Message(NamedTuple):
    offset: int


class Careless:
    """A consumer that goes on after what it has fetched, and hands over what it likes of it.

    What it threw away it reads again only where something is committed, as aiokafka and Faust do together.
    """

    def __init__(self, there: Iterable[int], committed: int | None, chance: random.Random) -> None:
        self.there, self.committed, self.chance = sorted(there), committed, chance
        self.position = committed or 0
        self.left = 0  # of the next fetches, how many lose something
        self.swallowed: list[tuple[int, int]] = []

    def _is_changelog_tp(self, tp: TP) -> bool:
        return bool(tp == CHANGELOG)

    async def earliest_offsets(self, *places: TP) -> Mapping[TP, int]:
        return dict.fromkeys(places, self.there[0] if self.there else 0)

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        if self.committed:
            self.position = self.committed
        if self.left:  # another task fetches meanwhile
            self.left -= 1
            self.position += self.chance.randint(0, 60)
        return {PLACE: self.committed}

    async def seek_wait(self, places: Mapping[TP, int]) -> None:
        self.position = places[PLACE]

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Any]]:  # noqa: ARG002 - Faust's signature
        fetched = [Message(offset) for offset in self.there if offset >= self.position][: self.chance.randint(1, 4)]
        if fetched:
            self.position = fetched[-1].offset + 1
        return {PLACE: fetched}

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        fetched = (await self._getmany(None, timeout))[PLACE]
        if fetched and self.left:
            self.left -= 1
            if self.chance.random() < 0.5:  # flow is not active
                await self.seek_to_committed()
                return
            if fetched[-1].offset < self.there[-1]:  # what is missing shows with the next record
                fetched = fetched[self.chance.randint(0, len(fetched)) :]
        for message in fetched:
            yield PLACE, message

    async def _add_gap(self, _tp: TP, offset_from: int, offset_to: int) -> None:
        self.swallowed.append((offset_from, offset_to))

    async def _commit_offsets(self, _offsets: Mapping[TP, int], *, start_new_transaction: bool) -> bool:  # noqa: ARG002 - Faust's signature
        """Kafka takes it, but a seek that asked before for what is committed sets back what Faust knows."""
        return True

    _new_offset = Consumer._new_offset


class InTurnCareless(InTurn, Careless):
    """Careless, made careful."""


async def delivered(reader: InTurnCareless, rounds: int) -> list[int]:
    """Offsets handed over in so many fetches, without repetitions: `Offsets` takes the first."""
    taken: list[int] = []
    for _ in range(rounds):
        taken += [message.offset async for _, message in reader.getmany(1.0) if not taken or message.offset > taken[-1]]
    return taken


@settings(max_examples=500)
@given(
    there=st.sets(st.integers(0, 60), min_size=1),
    committed=st.one_of(st.none(), st.integers(0, 60)),
    losses=st.integers(0, 12),
    seed=st.integers(0, 2**32),
)
async def test_what_is_fetched_and_thrown_away_is_delivered_later_and_in_order(
    there: set[int], committed: int | None, losses: int, seed: int
) -> None:
    reader = InTurnCareless(there, committed, random.Random(seed))
    reader.left = losses
    await reader.seek_to_committed()
    assert await delivered(reader, 400) == sorted(offset for offset in there if offset >= (committed or 0))


async def test_nothing_is_delivered_before_the_beginning_is_known() -> None:
    reader = InTurnCareless(range(10), None, random.Random(1))
    assert await delivered(reader, 3) == []
    await reader.seek_to_committed()
    assert await delivered(reader, 30) == list(range(10))


async def test_changelogs_are_left_to_recovery() -> None:
    reader = InTurnCareless([], None, random.Random(1))
    assert await reader._is_next(CHANGELOG, 7)
    assert await reader._is_next(CHANGELOG, 3)


async def test_a_hole_is_believed_when_it_is_there_again() -> None:
    reader = InTurnCareless([0, 1, 7, 8], None, random.Random(1))
    await reader.seek_to_committed()
    assert await delivered(reader, 30) == [0, 1, 7, 8]
    assert reader.read_again == 1


async def test_commits_pass_a_hole_that_is_believed_and_not_the_record_after_it() -> None:
    reader = InTurnCareless([0, 1, 7, 8], None, random.Random(1))
    await reader.seek_to_committed()
    await delivered(reader, 30)
    await reader._add_gap(PLACE, 3, 7)
    assert reader.swallowed == [(2, 6)]


async def test_commits_pass_nothing_else_that_faust_takes_for_a_hole() -> None:
    reader = InTurnCareless(range(10), None, random.Random(1))
    await reader.seek_to_committed()
    await delivered(reader, 30)
    await reader._add_gap(PLACE, 3, 7)  # as after a seek that came while records were delivered
    assert reader.swallowed == []


async def test_commits_go_on_after_a_seek_that_did_not_know_of_the_last_one() -> None:
    reader = InTurnCareless(range(20), 10, random.Random(1))
    await reader.seek_to_committed()
    reader._committed_offset, reader._acked, reader._acked_index = {PLACE: 10}, {PLACE: [10, 11, 12]}, {PLACE: set()}
    reader._gap = {PLACE: None}
    assert reader._new_offset(PLACE) == 13
    assert await reader._commit_offsets({PLACE: 13})
    assert reader._committed_offset == {PLACE: 10}
    reader._acked[PLACE] += [13, 14]
    assert reader._new_offset(PLACE) == 15
