from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from dashboards.api.answers import FRESH, OLD, SETTLED, Answers
from telemetry.errors import StoreError

NOW = 10**18


class Said(BaseModel):
    text: str


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


class Maker:
    """Counts how often an answer is made."""

    def __init__(self, text: str = "x") -> None:
        self.made, self.text = 0, text
        self.may, self.begun = asyncio.Event(), asyncio.Event()
        self.may.set()

    async def __call__(self) -> Said:
        self.made += 1
        self.begun.set()
        await self.may.wait()
        return Said(text=self.text)


async def test_who_asks_at_once_and_who_asks_soon_share_one_answer() -> None:
    clock, make = Clock(), Maker()
    answers = Answers(clock)
    make.may.clear()
    asking = [asyncio.create_task(answers.give("q", NOW, make)) for _ in range(5)]
    await asyncio.sleep(0)
    make.may.set()
    assert {answer.body for answer in await asyncio.gather(*asking)} == {b'{"text":"x"}'}
    clock.now += FRESH - 1
    await answers.give("q", NOW, make)
    assert (make.made, answers.counts["shared"]) == (1, 5)
    clock.now += 1
    await answers.give("q", NOW, make)
    assert make.made == 2


async def test_an_answer_about_a_time_long_over_is_kept_longer() -> None:
    clock, make = Clock(), Maker()
    answers = Answers(clock)
    for _ in range(2):
        await answers.give("q", NOW - SETTLED - 1, make)
        clock.now += OLD - 1
    assert make.made == 1


async def test_whoever_goes_away_takes_no_answer_from_the_others() -> None:
    make = Maker()
    answers = Answers(Clock())
    make.may.clear()
    first, second = (asyncio.create_task(answers.give("q", NOW, make)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    make.may.set()
    assert (await second).body == b'{"text":"x"}'


async def test_errors_are_not_kept() -> None:
    answers = Answers(Clock())

    async def fail() -> Said:
        raise StoreError("away")

    with pytest.raises(StoreError):
        await answers.give("q", NOW, fail)
    await answers.give("q", NOW, Maker())


async def test_entries_and_bytes_are_bounded() -> None:
    answers = Answers(Clock(), capacity=3, max_bytes=100)
    for number in range(10):
        await answers.give(number, NOW, Maker())
    await asyncio.sleep(0)
    assert (len(answers), answers.counts["evicted"]) == (3, 7)
    await answers.give("large", NOW, Maker("y" * 200))
    await asyncio.sleep(0)
    assert len(answers) == 0


async def test_an_answer_that_was_dropped_is_made_anew_even_while_it_was_being_made() -> None:
    answers, maker = Answers(Clock()), Maker("before")
    await answers.give(("map", 1), NOW, Maker())
    maker.may.clear()
    waiting = asyncio.create_task(answers.give(("incidents", 1), NOW, maker))
    await maker.begun.wait()
    answers.drop("incidents")
    maker.may.set()
    assert b"before" in (await waiting).body
    assert b"after" in (await answers.give(("incidents", 1), NOW, Maker("after"))).body
    assert len(answers) == 2
