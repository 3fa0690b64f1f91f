"""The dead man's switch: asked for while stage 4 works, and never in its way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2
from structlog.testing import capture_logs

from pipeline.acting.heartbeat import Heartbeat
from tests.pipeline.test_act import SECOND, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

from contextlib import asynccontextmanager

URL = "https://hc.example.org/secret-id"


class Check:
    """The other end."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.answers = asyncio.Event()
        self.answers.set()
        self.time = 0

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(str(request.url))
        await self.answers.wait()
        return httpx2.Response(self.status)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Heartbeat]:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(self.answer)) as client:
            heartbeat = Heartbeat(client, URL, 60 * SECOND, lambda: self.time)
            yield heartbeat
            await heartbeat.close()


async def beat(check: Check, heartbeat: Heartbeat, seconds: int) -> None:
    for _ in range(seconds):
        check.time += SECOND
        heartbeat.beat()
        for _ in range(5):
            await asyncio.sleep(0)


async def test_it_is_asked_for_once_a_minute() -> None:
    check = Check()
    check.time = 10**18
    async with check.watched() as heartbeat:
        await beat(check, heartbeat, 150)
        assert check.asked == [URL] * 3
        assert heartbeat.counts == {"sent": 3}


async def test_a_check_that_does_not_answer_holds_nothing_up_and_has_one_request_open() -> None:
    check = Check()
    check.time = 10**18
    check.answers.clear()
    async with check.watched() as heartbeat:
        await beat(check, heartbeat, 600)
        assert check.asked == [URL]


async def test_a_check_that_refuses_is_said_once_without_its_secret() -> None:
    check = Check()
    check.time, check.status = 10**18, 500
    with capture_logs() as said:
        async with check.watched() as heartbeat:
            await beat(check, heartbeat, 150)
            check.status = 200
            await beat(check, heartbeat, 60)
            assert heartbeat.counts == {"failed": 3, "sent": 1}
    assert [line["event"] for line in said] == ["heartbeat_failed", "heartbeat_recovered"]
    assert "secret-id" not in str(said)


async def test_stage_4_beats_after_each_round_while_it_has_the_first_partition(tmp_path: Path) -> None:
    beats: list[int] = []

    class Counting(World):
        def stage_options(self) -> dict[str, object]:
            class Beating:
                def beat(self) -> None:
                    beats.append(1)

            return {"heartbeat": Beating()}

    world = Counting(tmp_path)
    await world.begin()
    await world.seconds(3, 1.0)
    assert len(beats) == 3
    await world.stage.release()
    await world.stage.tick()
    assert len(beats) == 3
