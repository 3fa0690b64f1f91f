"""What both logs do alike for a stage of the pipeline: the embedded one, and a real Kafka."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.delivery.offset_tracker import OffsetTracker
from pipeline.runtime.app import RAW, TopicLayout, build_app
from tests.interop.test_kafka_holes import make_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

DEADLINE = 120.0
NAMES = itertools.count()
LARGEST = 900_000
"""Bytes of the largest record that receivers write: `shipper.max_record_bytes`."""


class Log:
    """A log with a topic of one partition, and readers of it, each a Faust application as the pipeline's."""

    def __init__(self, url: str, topic: str, folder: Path) -> None:
        self.url, self.topic, self._folder = url, topic, folder

    @asynccontextmanager
    async def reader(self, group: str, *, holds_from: int = 1 << 60) -> AsyncIterator[Reader]:
        """A member of a consumer group; it does not finish records from an offset on."""
        folder = self._folder / f"{group}-{next(NAMES)}"
        app: Any = build_app(f"{self.topic}-{group}", self.url, folder, TopicLayout(1), topic_allow_declare=False)
        reader = Reader(app, self.topic, holds_from)
        await app.start()
        try:
            yield reader
        finally:
            await app.stop()


class Reader:
    """Keeps what it reads: offset, key, value and headers."""

    def __init__(self, app: Any, topic: str, holds_from: int) -> None:
        self.seen: list[tuple[int, bytes | None, bytes, dict[str, bytes]]] = []
        self._news = asyncio.Event()
        self._app = app
        self.topic = app.topic(topic, partitions=1, **RAW)
        offsets = self._offsets = OffsetTracker(app, 1000)

        @app.agent(self.topic)  # type: ignore[untyped-decorator]
        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                if not offsets.is_stale(event):
                    message = event.message
                    if message.offset < holds_from:
                        await offsets.done(event, ())
                    self.seen.append((message.offset, event.key, event.value, dict(message.headers or {})))
                    self._news.set()

        @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
        async def revoked(_app: Any, revoked: Any, **_: Any) -> None:
            offsets.revoke(revoked)

        @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
        async def assigned(_app: Any, _assigned: Any, **_: Any) -> None:
            offsets.assign()

    def hold_commits_until_the_stop(self) -> asyncio.Event:
        """From now on a commit takes until the stop has begun; the event is set when one is under way."""
        consumer, under_way = self._app.consumer, asyncio.Event()
        commit = consumer._commit

        async def held(offsets: Any) -> bool:
            under_way.set()
            await self._app._stopped.wait()
            done: bool = await commit(offsets)
            return done

        consumer._commit = held
        return under_way

    async def send(self, *values: bytes) -> list[int]:
        """The offsets under which the log has them."""
        sent = [await self.topic.send(key=b"k", value=value, headers={"h": b"x"}) for value in values]
        return [(await one).offset for one in sent]

    async def until_it_has(self, count: int) -> list[bytes]:
        """The values, once there are so many and those that it finishes may be committed."""
        async with asyncio.timeout(DEADLINE):
            while len(self.seen) < count:
                self._news.clear()
                await self._news.wait()
            await asyncio.gather(*self._offsets._tasks)
        return [value for _, _, value, _ in self.seen]


@pytest.fixture(params=["embedded", "kafka"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> Log:
    if request.param == "embedded":
        return Log(f"log://{tmp_path / 'log'}", "records", tmp_path)
    kafka = request.getfixturevalue("kafka")
    return Log(f"kafka://{kafka}", await make_topic(kafka), tmp_path)


VALUES = [b"%d" % number for number in range(100)]


async def test_what_is_sent_is_read_once_in_order_as_it_was(log: Log) -> None:
    async with log.reader("one") as reader:
        assert await reader.send(*VALUES) == list(range(100))
        await reader.until_it_has(100)
    assert reader.seen == [(offset, b"k", value, {"h": b"x"}) for offset, value in enumerate(VALUES)]


async def test_after_a_restart_what_was_not_finished_comes_again_and_nothing_else(log: Log) -> None:
    async with log.reader("one", holds_from=60) as reader:
        await reader.send(*VALUES)
        await reader.until_it_has(100)
    async with log.reader("one") as reader:
        assert await reader.until_it_has(40) == VALUES[60:]
    async with log.reader("one") as reader:
        await reader.send(b"new")
        assert await reader.until_it_has(1) == [b"new"]


async def test_a_stop_commits_what_was_finished_while_a_commit_was_under_way(log: Log) -> None:
    async with log.reader("one") as reader:
        under_way = reader.hold_commits_until_the_stop()
        await reader.send(VALUES[0])
        async with asyncio.timeout(DEADLINE):
            await under_way.wait()
        await reader.send(*VALUES[1:])
        await reader.until_it_has(100)
    async with log.reader("one") as reader:
        await reader.send(b"new")
        assert await reader.until_it_has(1) == [b"new"]


async def test_another_group_reads_from_the_beginning(log: Log) -> None:
    async with log.reader("one") as reader:
        await reader.send(*VALUES)
        await reader.until_it_has(100)
    async with log.reader("other") as reader:
        assert await reader.until_it_has(100) == VALUES


async def test_the_largest_record_of_a_receiver_and_an_empty_one_come_through(log: Log) -> None:
    values = [b"x" * LARGEST, b"", b"\x00\xff"]
    async with log.reader("one") as reader:
        await reader.send(*values)
        assert await reader.until_it_has(3) == values
