"""An unmodified Faust application on the embedded log, and the log under kill -9."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faust
import pytest

from durable_log.errors import LogError, LogLockedError, UnknownTopicError
from durable_log.log import DurableLog
from durable_log.partition import TopicSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.system

RAW = {"key_type": bytes, "key_serializer": "raw", "value_type": bytes, "value_serializer": "raw"}
STORES = ["memory://", "rocksdb://?driver=rocksdict"]


def application(directory: Path, name: str = "app", store: str = "memory://", **conf: Any) -> Any:
    """A Faust application with settings that make its tests quick."""
    return faust.App(
        name,
        broker=f"log://{directory / 'log'}",
        datadir=str(directory / f"{name}-data"),
        store=store,
        topic_partitions=4,
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        broker_commit_interval=0.05,
        web_enabled=False,
        **conf,
    )


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[Any]:
    await app.start()
    try:
        yield app
    finally:
        await app.stop()


async def until(condition: Any, seconds: float = 30.0) -> None:
    """Wait for what Faust has no event for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.01)


class Reader:
    """An application with one agent that keeps what it reads; `hold` of the records are never acknowledged."""

    def __init__(self, app: Any, topic: str = "t", hold_from: int = 1 << 60) -> None:
        self.app = app
        self.seen: list[tuple[int, int, bytes, dict[str, bytes]]] = []
        self.topic = app.topic(topic, **RAW)
        self.news = asyncio.Event()

        async def read(stream: Any) -> None:
            async for event in stream.noack().events():
                message = event.message
                self.seen.append((message.partition, message.offset, event.value, dict(message.headers)))
                if message.offset < hold_from:
                    event.ack()

        app.agent(self.topic, name=f"{app.conf.id}-reader")(read)

    @property
    def values(self) -> set[bytes]:
        return {value for _, _, value, _ in self.seen}


async def test_an_agent_reads_what_a_topic_was_sent_with_keys_headers_and_times(tmp_path: Path) -> None:
    reader = Reader(application(tmp_path))
    async with running(reader.app) as app:
        sent = [await reader.topic.send(key=b"k", value=b"%d" % i, headers={"h": b"x"}, timestamp=12.5) for i in range(100)]
        confirmed = [await future for future in sent]
        assert {metadata.partition for metadata in confirmed} == {confirmed[0].partition}, "one key, one partition"
        assert [metadata.offset for metadata in confirmed] == list(range(100))
        await until(lambda: len(reader.seen) == 100)
        assert [(offset, value, headers) for _, offset, value, headers in reader.seen] == [
            (i, b"%d" % i, {"h": b"x"}) for i in range(100)
        ]
        assert app.transport.log.read("t", confirmed[0].partition, 0)[0].timestamp == 12_500
        await until(lambda: app.transport.log.lag("app", "t") == 0)


async def test_after_a_restart_only_unacknowledged_records_come_again(tmp_path: Path) -> None:
    first = Reader(application(tmp_path), hold_from=60)
    async with running(first.app) as app:
        for i in range(100):
            await first.topic.send(key=b"k", value=b"%d" % i)
        await until(lambda: len(first.seen) == 100 and app.transport.log.lag("app", "t") == 40)
    second = Reader(application(tmp_path))
    async with running(second.app):
        await until(lambda: len(second.seen) >= 40)
    assert [value for _, _, value, _ in second.seen] == [b"%d" % i for i in range(60, 100)]


@pytest.mark.parametrize("store", STORES)
async def test_a_table_is_there_again_after_a_restart(tmp_path: Path, store: str) -> None:
    async def count(times: int) -> dict[str, int]:
        app = application(tmp_path, store=store)
        topic = app.topic("t", **RAW)
        table = app.Table("counts", default=int)
        done = 0

        async def counter(stream: Any) -> None:
            nonlocal done
            async for event in stream.events():
                table[event.key.decode()] += 1
                done += 1

        app.agent(topic)(counter)
        async with running(app):
            for i in range(times):
                await topic.send(key=b"k%d" % (i % 7), value=b"")
            await until(lambda: done == times and app.transport.log.lag("app", "t") == 0)
            assert app.transport.log.topics()["app-counts-changelog"].compact
            return dict(table.items())

    await count(70)
    assert await count(35) == {f"k{i}": 15 for i in range(7)}


async def test_two_applications_share_the_log_and_read_apart(tmp_path: Path) -> None:
    first, second = Reader(application(tmp_path, "first")), Reader(application(tmp_path, "second"), hold_from=0)
    async with running(first.app), running(second.app):
        for i in range(40):
            await first.topic.send(key=b"%d" % i, value=b"%d" % i)
        await until(lambda: len(first.values) == len(second.values) == 40)
        log = first.app.transport.log
        assert second.app.transport.log is log
        await until(lambda: log.lag("first", "t") == 0)
        assert log.lag("second", "t") == 40


async def test_a_second_consumer_of_a_group_is_refused(tmp_path: Path) -> None:
    async with running(Reader(application(tmp_path)).app):
        twin = application(tmp_path)
        with pytest.raises(LogError, match="'app' has a consumer"):
            await twin.consumer.start()
        await twin.consumer.stop()


async def test_an_application_on_a_log_of_another_process_says_so_and_stops(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    owner = DurableLog(tmp_path / "log", lambda: 0)
    app = Reader(application(tmp_path)).app
    with pytest.raises(LogLockedError, match="stop that process"):
        await app.start()
    await app.stop()
    owner.close()


async def test_damage_in_the_log_ends_the_application(tmp_path: Path) -> None:
    log = DurableLog(tmp_path / "log", lambda: 0)
    log.create_topic("t", TopicSettings(1, segment_bytes=200))
    for _ in range(4):
        await log.append("t", 0, b"k", b"v" * 200)
    log.close()
    oldest = min((tmp_path / "log" / "topics" / "t" / "0").iterdir())
    oldest.write_bytes(oldest.read_bytes().replace(b"v", b"w"))
    reader = Reader(application(tmp_path))
    async with running(reader.app) as app:
        await until(lambda: app.crashed)
    assert reader.seen == []


async def test_a_producer_alone_needs_no_consumer(tmp_path: Path) -> None:
    app = application(tmp_path)
    producer = await app.maybe_start_producer()
    metadata = await producer.send_and_wait("new", b"k", b"v", None, None, None)
    assert (metadata.offset, app.transport.log.partitions("new")) == (0, 4)
    with pytest.raises(UnknownTopicError, match="partition 9: it has 4"):
        await producer.send("new", b"k", b"v", 9, None, None)
    await producer.stop()
    with pytest.raises(LogError, match="not open"):
        _ = app.transport.log
    DurableLog(tmp_path / "log", lambda: 0).close()


async def test_a_timer_runs_and_an_agent_forwards_between_topics(tmp_path: Path) -> None:
    app = application(tmp_path)
    ticks, relay = app.topic("ticks", **RAW), app.topic("relay", partitions=2, **RAW)
    arrived = asyncio.Event()

    async def tick() -> None:
        await ticks.send(value=b"tick")

    async def forward(stream: Any) -> None:
        async for value in stream:
            await relay.send(value=value, partition=1)

    async def end(stream: Any) -> None:
        async for event in stream.events():
            assert event.message.partition == 1
            arrived.set()

    app.timer(interval=0.05)(tick)
    app.agent(ticks)(forward)
    app.agent(relay)(end)
    async with running(app):
        await asyncio.wait_for(arrived.wait(), 30)
        assert app.transport.log.partitions("relay") == 2


async def test_a_seek_back_delivers_again_from_there(tmp_path: Path) -> None:
    reader = Reader(application(tmp_path))
    async with running(reader.app) as app:
        for i in range(20):
            await reader.topic.send(key=b"k", value=b"%d" % i)
        await until(lambda: len(reader.seen) == 20)
        partition = reader.seen[0][0]
        tp = next(tp for tp in app.consumer.assignment() if tp.topic == "t" and tp.partition == partition)
        assert await app.consumer.position(tp) == 20
        await app.consumer.seek_wait({tp: 15})
        await until(lambda: len(reader.seen) == 25)
        assert [offset for _, offset, _, _ in reader.seen[20:]] == [15, 16, 17, 18, 19]


async def test_more_than_the_stream_buffers_hold_is_read_in_order(tmp_path: Path) -> None:
    reader = Reader(application(tmp_path, stream_buffer_maxsize=32))
    async with running(reader.app) as app:
        for i in range(2000):
            await reader.topic.send(value=b"%d" % i, partition=i % 4)
        await until(lambda: len(reader.seen) >= 2000)
        for partition in range(4):
            assert [offset for p, offset, _, _ in reader.seen if p == partition] == list(range(500))
        await until(lambda: app.transport.log.lag("app", "t") == 0)


def test_kill_nine_at_ten_moments_loses_no_confirmed_record(tmp_path: Path) -> None:
    chance = random.Random(4)
    confirmed: dict[tuple[int, int], str] = {}
    for run in range(10):
        command = [sys.executable, str(Path(__file__).with_name("produce_until_killed.py")), str(tmp_path), str(run)]
        with subprocess.Popen(
            command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            assert child.stdout is not None
            first = child.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.3))  # the moment itself is what is tested
            child.kill()
            lines = [first, *child.stdout.readlines()]
        assert first, "the producer did not start"
        for line in lines:
            where, at, identity = line.decode().split()
            assert confirmed.setdefault((int(where), int(at)), identity) == identity

    log = DurableLog(tmp_path, lambda: 0)
    try:
        kept: dict[tuple[int, int], str] = {}
        for partition, end in log.end_offsets("t").items():
            offset = 0
            while records := log.read("t", partition, offset):
                for record in records:
                    assert record.offset == offset, "offsets are dense"
                    offset += 1
                    kept[partition, record.offset] = (record.key or b"").decode()
            assert offset == end
    finally:
        log.close()
    assert len(confirmed) > 1000
    assert confirmed.items() <= kept.items()
    assert len(set(kept.values())) == len(kept), "no record has two offsets"
