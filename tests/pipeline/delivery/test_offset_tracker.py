from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.delivery.offset_tracker import RECORD_BYTES, OffsetTracker
from pipeline.delivery.record_error import RecordFailedError
from pipeline.record import TP
from tests.pipeline.parts import APP, Event

TOPIC = "spanloom-traced"


def held(offsets: OffsetTracker, count: int, holders: int = 1, partition: int = 0) -> list[Event]:
    events = [Event(TOPIC, partition, offset, b"12345") for offset in range(count)]
    for event in events:
        offsets.add(event, holders)
    return events


def acked(events: list[Event]) -> list[int]:
    return [event.message.offset for event in events if event.acked]


@given(st.permutations(range(12)))
def test_a_record_is_acknowledged_when_it_and_all_before_it_are_done_whatever_the_order(order: list[int]) -> None:
    offsets = OffsetTracker(APP, 100)
    events = held(offsets, 12)
    for done, offset in enumerate(order, 1):
        offsets.release(TP(TOPIC, 0), [offset])
        finished = set(order[:done])
        prefix = next(i for i in range(13) if i not in finished)
        assert acked(events) == list(range(prefix))
        assert offsets.in_flight == 12 - prefix
        assert offsets.in_flight_bytes == (RECORD_BYTES + 5) * (12 - prefix)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_a_record_waits_for_each_of_its_holders(holders: list[int], chance: Any) -> None:
    offsets = OffsetTracker(APP, 100)
    events = [Event(TOPIC, 0, offset) for offset in range(len(holders))]
    for event, count in zip(events, holders, strict=True):
        offsets.add(event, count)
    offsets.release(TP(TOPIC, 0), ())
    releases = [offset for offset, count in enumerate(holders) for _ in range(count)]
    chance.shuffle(releases)
    for position, offset in enumerate(releases):
        offsets.release(TP(TOPIC, 0), [offset])
        left = releases[position + 1 :]
        assert acked(events) == list(range(min(left, default=len(holders))))


def test_partitions_do_not_wait_for_each_other() -> None:
    offsets = OffsetTracker(APP, 100)
    first, second = held(offsets, 2), held(offsets, 2, partition=1)
    offsets.release(TP(TOPIC, 1), [0, 1])
    assert (acked(first), acked(second)) == ([], [0, 1])


def test_what_holds_a_record_again_delays_it_and_all_after_it() -> None:
    offsets = OffsetTracker(APP, 100)
    events = held(offsets, 2)
    offsets.add_references(TP(TOPIC, 0), [0, 7])
    offsets.release(TP(TOPIC, 0), [0, 1])
    assert acked(events) == []
    offsets.release(TP(TOPIC, 0), [0])
    assert acked(events) == [0, 1]


def test_records_of_a_partition_that_was_revoked_are_never_acknowledged() -> None:
    offsets = OffsetTracker(APP, 100)
    gone, kept = held(offsets, 3), held(offsets, 3, partition=1)
    offsets.drop([TP(TOPIC, 0), TP("another", 5)])
    assert offsets.in_flight == 3
    for partition in (0, 1):
        offsets.release(TP(TOPIC, partition), [0, 1, 2])
    assert (acked(gone), acked(kept)) == ([], [0, 1, 2])
    assert offsets.in_flight == offsets.in_flight_bytes == 0


async def test_work_of_an_earlier_assignment_does_not_acknowledge_the_record_that_came_again() -> None:
    offsets = OffsetTracker(APP, 100)
    work: list[asyncio.Future[None]] = [asyncio.get_running_loop().create_future() for _ in range(2)]
    before, again = Event(TOPIC, 0, 0), Event(TOPIC, 0, 0)
    await offsets.done(before, [work[0]])
    offsets.drop([TP(TOPIC, 0)])
    await offsets.done(again, [work[1]])
    work[0].set_result(None)
    await asyncio.sleep(0.01)
    assert not again.acked
    work[1].set_result(None)
    await asyncio.sleep(0.01)
    assert again.acked
    assert not before.acked


@pytest.mark.parametrize(("limit", "max_bytes"), [(3, 1 << 20), (100, 3 * (RECORD_BYTES + 5))])
async def test_no_more_records_are_read_than_the_limits_allow(limit: int, max_bytes: int) -> None:
    offsets = OffsetTracker(APP, limit, max_bytes)
    work: list[asyncio.Future[None]] = [asyncio.get_running_loop().create_future() for _ in range(3)]
    for offset in range(2):
        await offsets.done(Event(TOPIC, 0, offset, b"12345"), [work[offset]])
    third = asyncio.create_task(offsets.done(Event(TOPIC, 0, 2, b"12345"), [work[2]]))
    await asyncio.sleep(0.01)
    assert offsets.full
    assert not third.done()
    work[0].set_result(None)
    await third
    assert not offsets.full


class CrashableApp:
    """Faust's application, as far as a failure goes."""

    consumer_generation_id = 1

    def __init__(self) -> None:
        self.reason: BaseException | None = None

    async def crash(self, reason: BaseException) -> None:
        self.reason = reason


async def test_work_that_fails_ends_the_stream_agent_at_once_and_names_the_record() -> None:
    app = CrashableApp()
    offsets = OffsetTracker(app, 1)
    work: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    event = Event(TOPIC, 2, 17)
    waiting = asyncio.create_task(offsets.done(event, [work]))
    await asyncio.sleep(0)
    work.set_exception(ValueError("no such thing"))
    with pytest.raises(RecordFailedError, match=r"spanloom-traced\[2\] offset 17: ValueError: no such thing"):
        await waiting
    assert isinstance(app.reason, RecordFailedError)
    assert not event.acked


def test_an_event_of_an_earlier_generation_is_stale() -> None:
    offsets = OffsetTracker(APP, 1)
    event = Event(TOPIC, 0, 0)
    assert not offsets.is_stale(event)
    event.message.generation_id = 0
    assert offsets.is_stale(event)


def test_the_next_offset_is_the_one_after_the_last_delivered() -> None:
    offsets = OffsetTracker(APP, 100)
    assert offsets.next_of(TOPIC, 0) == 0
    held(offsets, 3)
    offsets.release(TP(TOPIC, 0), [0, 1, 2])
    assert offsets.next_of(TOPIC, 0) == 3


def test_a_record_that_comes_twice_in_one_assignment_is_handled_once() -> None:
    offsets = OffsetTracker(APP, 100)
    events = held(offsets, 3)
    assert all(offsets.is_stale(event) for event in events), "held already"
    offsets.release(TP(TOPIC, 0), [0, 1, 2])
    assert all(offsets.is_stale(event) for event in events), "acknowledged already"
    assert not offsets.is_stale(Event(TOPIC, 0, 3))
    offsets.drop([TP(TOPIC, 0)])
    assert not any(offsets.is_stale(event) for event in events), "a new assignment reads them again"
