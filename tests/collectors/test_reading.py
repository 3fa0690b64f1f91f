from __future__ import annotations

import asyncio

import pytest

from collectors.errors import TooSlowError
from collectors.reading import Reading
from collectors.slots import Slots
from telemetry.errors import OverloadedError


async def read(reading: Reading, host: str, sizes: asyncio.Queue[int], seconds: float = 60.0) -> None:
    async with reading.body(host, seconds) as body:
        while size := await sizes.get():
            body.grow(size)


async def test_a_body_that_is_slower_makes_room_for_one_that_is_faster() -> None:
    reading = Reading(max_bytes=100, max_bytes_per_address=100, retry_after=1)
    slow: asyncio.Queue[int] = asyncio.Queue()
    slow.put_nowait(60)
    first = asyncio.create_task(read(reading, "192.0.2.1", slow))
    await asyncio.sleep(0.05)
    async with reading.body("192.0.2.2", 60) as body:
        body.grow(90)
        with pytest.raises(OverloadedError, match="slowest when room was needed"):
            await first
        assert reading.in_flight_bytes == 90
    assert reading.in_flight_bytes == 0


async def test_a_body_that_is_slower_than_all_others_is_the_one_to_go() -> None:
    reading = Reading(max_bytes=100, max_bytes_per_address=100, retry_after=1)
    async with reading.body("192.0.2.1", 60) as slow:
        await asyncio.sleep(0.05)
        async with reading.body("192.0.2.2", 60) as fast:
            fast.grow(95)
            with pytest.raises(OverloadedError, match="100 bytes at a time is the limit"):
                slow.grow(10)
            assert reading.in_flight_bytes == 95


async def test_one_address_does_not_have_the_room_of_all() -> None:
    reading = Reading(max_bytes=100, max_bytes_per_address=50, retry_after=1)
    async with reading.body("192.0.2.1", 60) as body, reading.body("192.0.2.2", 60) as other:
        other.grow(40)
        with pytest.raises(OverloadedError, match="50 bytes at a time from one address"):
            body.grow(51)
        body.grow(50)
        assert reading.in_flight_bytes == 90


async def test_a_body_that_does_not_come_in_time_gives_back_what_it_held() -> None:
    reading = Reading(max_bytes=100, max_bytes_per_address=100, retry_after=1)
    sizes: asyncio.Queue[int] = asyncio.Queue()
    sizes.put_nowait(60)
    with pytest.raises(TooSlowError):
        await read(reading, "192.0.2.1", sizes, seconds=0.05)
    assert reading.in_flight_bytes == 0


async def hold(slots: Slots, seconds: float = 60.0, *, until: asyncio.Event | None = None) -> None:
    async with slots.slot(seconds):
        await (until or asyncio.Event()).wait()


async def test_who_holds_a_place_for_too_long_leaves_it_to_one_that_waits() -> None:
    slots = Slots(slots=1, max_waiting=10, retry_after=1)
    first = asyncio.create_task(hold(slots))
    await asyncio.sleep(0)
    at_once = asyncio.Event()
    at_once.set()
    await hold(slots, until=at_once)
    with pytest.raises(OverloadedError, match="others needed the room"):
        await first


async def test_of_those_that_wait_the_newest_is_next_and_too_many_are_refused_from_the_oldest() -> None:
    slots = Slots(slots=1, max_waiting=2, retry_after=1)
    let_go = asyncio.Event()
    first = asyncio.create_task(hold(slots, until=let_go))
    await asyncio.sleep(0)
    order: list[int] = []

    async def wait(number: int) -> None:
        async with slots.slot(60):
            order.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    with pytest.raises(OverloadedError):
        await waiting[0]
    let_go.set()
    await asyncio.gather(first, *waiting[1:])
    assert order == [2, 1]


async def test_a_place_that_was_given_to_one_that_has_left_goes_to_the_next() -> None:
    slots = Slots(slots=1, max_waiting=10, retry_after=1)
    let_go = asyncio.Event()
    first = asyncio.create_task(hold(slots, until=let_go))
    await asyncio.sleep(0)
    leaving = asyncio.create_task(hold(slots))
    await asyncio.sleep(0)
    let_go.set()
    await first
    leaving.cancel()
    await hold(slots, until=let_go)
    assert leaving.cancelled()
