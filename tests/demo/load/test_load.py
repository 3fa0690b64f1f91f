from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING

import pytest

from demo.load.generator import Load
from demo.load.journeys import buy
from demo.shop.directory import Directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

Answer = bytes
OK: Answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
BROKEN: Answer = b"HTTP/1.1 500 Broken\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Frontend:
    """Answers each request when `gate` is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.answer = OK
        self.requests: list[str] = []
        self.arrived = asyncio.Condition()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        async with self.arrived:
            self.requests.append(head.splitlines()[0])
            self.arrived.notify_all()
        await self.gate.wait()
        writer.write(self.answer)
        await writer.drain()
        writer.close()

    async def until(self, done: Callable[[], bool]) -> None:
        async with self.arrived, asyncio.timeout(60):
            await self.arrived.wait_for(done)


@pytest.fixture
async def frontend(tmp_path: Path) -> AsyncIterator[Frontend]:
    answering = Frontend()
    server = await asyncio.start_server(answering.take, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    (tmp_path / "addresses.json").write_text(json.dumps({"frontend": f"{host}:{port}"}))
    yield answering
    answering.gate.set()
    server.close()
    await server.wait_closed()


async def test_users_keep_coming_while_the_shop_does_not_answer(frontend: Frontend, tmp_path: Path) -> None:
    load = Load(Directory(tmp_path / "addresses.json"), 200.0, random.Random(1))
    running = asyncio.create_task(load.run())
    await frontend.until(lambda: len(frontend.requests) >= 20)
    report = load.report()
    running.cancel()
    frontend.gate.set()
    await asyncio.gather(running, return_exceptions=True)
    assert report["sent"] >= 20
    assert report["answered"] == 0


async def test_failures_are_counted_and_end_the_journey(frontend: Frontend, tmp_path: Path) -> None:
    frontend.answer = BROKEN
    frontend.gate.set()
    load = Load(Directory(tmp_path / "addresses.json"), 200.0, random.Random(1))
    running = asyncio.create_task(load.run())
    await frontend.until(lambda: len(frontend.requests) >= 20)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    report = load.report()
    assert report["failed"] == report["answered"] > 0
    assert not any("/order" in request for request in frontend.requests)


async def test_the_same_seed_makes_the_same_purchases() -> None:
    async def purchases(seed: int) -> list[tuple[str, str, object]]:
        asked: list[tuple[str, str, object]] = []

        async def ask(method: str, path: str, body: object) -> bool:
            asked.append((method, path, body))
            return True

        chance = random.Random(seed)
        for number in range(20):
            await buy(ask, f"user-{number}", chance)
        return asked

    assert await purchases(7) == await purchases(7)
    assert await purchases(7) != await purchases(8)
