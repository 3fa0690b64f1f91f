"""Records reach their stream in turn, whatever is thrown away between the log and the stream."""

from __future__ import annotations

import random
from collections import defaultdict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pipeline.runtime.in_order import InOrderConsumer, PartitionResetError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

PLACE = TP("topic", 0)
CHANGELOG = TP("changelog", 0)


class Message(NamedTuple):
    offset: int
    tp: TP = PLACE
    key: bytes = b"key"


class Careless:
    """A consumer that goes on after what it has fetched, and hands over what it likes of it.

    What it threw away it reads again only where something is committed, as aiokafka and Faust do together.
    """

    def __init__(self, there: Iterable[int], committed: int | None, chance: random.Random, tp: TP = PLACE) -> None:
        self.there, self.committed, self.chance, self.tp = sorted(there), committed, chance, tp
        self.place = committed or 0
        self.end = self.there[-1] + 1 if self.there else 0
        self.left = 0  # of the next fetches, how many lose something
        self.most = 4  # records a fetch
        self.app = SimpleNamespace(tables=SimpleNamespace(recovery=SimpleNamespace(active_offsets={})))
        self._committed_offset: dict[TP, int | None] = {tp: committed}
        self._acked: dict[TP, list[int]] = defaultdict(list)
        self._acked_index: dict[TP, set[int]] = defaultdict(set)

    def _is_changelog_tp(self, tp: TP) -> bool:
        return bool(tp == CHANGELOG)

    async def earliest_offsets(self, *places: TP) -> Mapping[TP, int]:
        return dict.fromkeys(places, self.there[0] if self.there else 0)

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        if self.committed:
            self.place = self.committed
        if self.left:  # another task fetches meanwhile
            self.left -= 1
            self.place += self.chance.randint(0, 60)
        return {self.tp: self.committed}

    async def seek_wait(self, places: Mapping[TP, int]) -> None:
        for offset in places.values():
            self.place = offset

    def assignment(self) -> set[TP]:
        return {self.tp}

    def highwater(self, _tp: TP) -> int:
        return self.end

    async def position(self, _tp: TP) -> int:
        """Where its next fetch begins; what is no record at the end is passed over by a fetch."""
        return self.place

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Any]]:  # noqa: ARG002 - Faust's signature
        fetched = [Message(offset, self.tp) for offset in self.there if offset >= self.place]
        fetched = fetched[: self.chance.randint(1, self.most)]
        self.place = fetched[-1].offset + 1 if fetched else max(self.place, self.end)
        return {self.tp: fetched}

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        fetched = (await self._getmany({self.tp}, timeout))[self.tp]
        if fetched and self.left:
            self.left -= 1
            if self.chance.random() < 0.5:  # flow is not active
                await self.seek_to_committed()
                return
            if fetched[-1].offset < self.there[-1]:  # what is missing shows with the next record
                fetched = fetched[self.chance.randint(0, len(fetched)) :]
        for message in fetched:
            yield self.tp, message

    def ack(self, _message: Message) -> bool:
        return True

    async def _commit_offsets(self, _offsets: Mapping[TP, int], *, start_new_transaction: bool) -> bool:  # noqa: ARG002 - Faust's signature
        """Kafka takes it, but a seek that asked before for what is committed sets back what Faust knows."""
        return True


class InTurnCareless(InOrderConsumer, Careless):
    """Careless, made careful."""


async def delivered(reader: InTurnCareless, rounds: int) -> list[int]:
    """Offsets handed over in so many fetches, without repetitions: `Offsets` takes the first."""
    taken: list[int] = []
    for _ in range(rounds):
        taken += [message.offset async for _, message in reader.getmany(1.0) if not taken or message.offset > taken[-1]]
    return taken


async def looking(reader: InTurnCareless, rounds: int = 6) -> list[int]:
    """What comes as time passes."""
    found: list[int] = []
    for _ in range(rounds):
        reader._looked = -1e9  # LOOK_EVERY has passed
        found += [offset for offset in await delivered(reader, 1) if not found or offset > found[-1]]
    return found


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


@settings(max_examples=500)
@given(
    there=st.sets(st.integers(0, 60), min_size=1),
    sought=st.integers(0, 60),
    losses=st.integers(0, 12),
    seed=st.integers(0, 2**32),
)
async def test_recovery_gets_every_record_of_a_changelog_from_where_it_sought(
    there: set[int], sought: int, losses: int, seed: int
) -> None:
    reader = InTurnCareless(there, None, random.Random(seed), CHANGELOG)
    reader.left = losses
    assert await looking(reader, 2) == [], "not before recovery has sought its beginning"
    await reader.seek_wait({CHANGELOG: sought})
    assert await looking(reader, 100) == sorted(offset for offset in there if offset >= sought)
    await reader.seek_wait({CHANGELOG: 0})
    assert await looking(reader, 100) == sorted(there), "recovery begins again after a rebalance"
    assert reader.changelogs[CHANGELOG].unfinished == 0


async def test_recovery_does_not_wait_for_what_is_no_record_at_the_end_of_a_changelog() -> None:
    reader = InTurnCareless(range(5), None, random.Random(1), CHANGELOG)
    reader.end = 8  # markers of a transaction
    await reader.seek_wait({CHANGELOG: 0})
    assert await looking(reader, 10) == list(range(5))
    assert reader.app.tables.recovery.active_offsets == {CHANGELOG: 7}


async def test_of_each_key_of_a_changelog_the_newest_offset_is_known() -> None:
    class Recovering(Careless):
        async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ARG002 - Faust's signature
            for offset, key in ((3, b"0/engine"), (4, b"0/rules"), (5, b"0/engine")):
                yield CHANGELOG, Message(offset, CHANGELOG, key)

    class InTurnRecovering(InOrderConsumer, Recovering):
        def __init__(self, app: Any) -> None:
            super().__init__([], None, random.Random(1), CHANGELOG)
            self._written_at = app.changelogs

    app = SimpleNamespace(changelogs={})
    reader = InTurnRecovering(app)
    await reader.seek_wait({CHANGELOG: 3})
    assert [message.offset async for _, message in reader.getmany(1.0)] == [3, 4, 5]
    assert app.changelogs == {(CHANGELOG, b"0/engine"): 5, (CHANGELOG, b"0/rules"): 4}


@pytest.mark.parametrize("there", [[0, 1, 7, 8], [5, 7, 8, 9, 20, 30, 31], [0, 2, 4, 6, 8, 10, 12]], ids=str)
@pytest.mark.parametrize("most", [1, 2, 9])
async def test_holes_in_what_is_fetched_are_passed_at_once(there: list[int], most: int) -> None:
    reader = InTurnCareless(there, None, random.Random(1))
    reader.most = most
    await reader.seek_to_committed()
    assert await delivered(reader, 30) == there
    assert reader.rereads == 0


async def test_commits_pass_holes_once_what_is_before_them_is_done() -> None:
    reader = InTurnCareless([0, 1, 7, 8], None, random.Random(1))
    await reader.seek_to_committed()
    await delivered(reader, 30)
    assert reader._new_offset(PLACE) is None, "nothing is done"
    reader.ack(Message(7))
    reader.ack(Message(0))
    assert reader._new_offset(PLACE) == 1
    reader.ack(Message(1))
    assert reader._new_offset(PLACE) == 8, "the record after the hole is not done before those before it are"
    reader.ack(Message(8))
    assert reader._new_offset(PLACE) == 9


async def test_a_hole_of_a_billion_offsets_costs_nothing() -> None:
    reader = InTurnCareless([0, 10**9], None, random.Random(1))
    await reader.seek_to_committed()
    assert await delivered(reader, 5) == [0, 10**9]
    reader.ack(Message(0))
    reader.ack(Message(10**9))
    assert reader._new_offset(PLACE) == 10**9 + 1


async def test_what_is_no_record_at_the_end_is_passed_too() -> None:
    reader = InTurnCareless([0, 1], None, random.Random(1))
    reader.end = 5  # markers of transactions
    await reader.seek_to_committed()
    assert await looking(reader) == [0, 1]
    reader.ack(Message(0))
    assert reader._new_offset(PLACE) == 1, "not while a record before them is under way"
    reader.ack(Message(1))
    assert reader._new_offset(PLACE) == 5
    reader.there, reader.end = [0, 1, 5, 6], 7
    assert await looking(reader) == [5, 6]


async def test_the_last_records_are_read_again_when_they_were_thrown_away_and_nothing_comes_behind_them() -> None:
    reader = InTurnCareless([0, 1, 2], None, random.Random(1))
    await reader.seek_to_committed()
    await reader._getmany(None, 1.0)
    reader.place = 3
    reader.turns[PLACE].fetched([0, 1, 2], reader.turns[PLACE].moved)
    assert await delivered(reader, 1) == []
    assert await looking(reader) == [0, 1, 2]


async def test_records_deleted_before_they_were_read_are_passed_and_counted() -> None:
    reader = InTurnCareless([50, 51], 10, random.Random(1))
    await reader.seek_to_committed()
    with capture_logs() as said:
        assert await delivered(reader, 5) == [50, 51]
    assert reader.deleted == {"topic": 40}
    assert dict(said[0]) | {"hint": ""} == {
        "event": "records_deleted_unread", "log_level": "error", "topic": "topic", "partition": 0, "first": 10, "end": 50,
        "hint": "",
    }  # fmt: skip


async def test_a_partition_whose_records_were_all_deleted_is_passed_to_its_end() -> None:
    reader = InTurnCareless([], 10, random.Random(1))
    reader.end = 50
    await reader.seek_to_committed()
    assert await looking(reader) == []
    assert reader._new_offset(PLACE) == 50


async def test_a_topic_that_was_made_again_is_read_from_its_beginning() -> None:
    reader = InTurnCareless([0, 1, 2], 100, random.Random(1))
    await reader.seek_to_committed()
    reader.place = 0  # as the client does when the offset is out of range
    assert await delivered(reader, 20) == [0, 1, 2]
    assert reader._committed_offset == {PLACE: None}


async def test_a_topic_that_is_made_again_while_records_of_it_are_under_way_ends_the_process() -> None:
    reader = InTurnCareless([100, 101], 100, random.Random(1))
    await reader.seek_to_committed()
    await delivered(reader, 5)
    reader.there, reader.place = [0, 1], 0
    with pytest.raises(PartitionResetError, match=r"topic\[0\] begins again at offset 0, 102 was to come"):
        await delivered(reader, 1)


async def test_commits_go_on_after_a_seek_that_did_not_know_of_the_last_one() -> None:
    reader = InTurnCareless(range(20), 10, random.Random(1))
    await reader.seek_to_committed()
    await delivered(reader, 30)
    for offset in (10, 11, 12):
        reader.ack(Message(offset))
    assert reader._new_offset(PLACE) == 13
    assert await reader._commit_offsets({PLACE: 13})
    assert reader._committed_offset == {PLACE: 10}
    reader.ack(Message(13))
    assert reader._new_offset(PLACE) == 14
    assert reader._committed_offset == {PLACE: 13}
