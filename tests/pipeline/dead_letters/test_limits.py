"""Dead letters written, read back and replayed, on the embedded log."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest
from starlette.applications import Starlette

from durable_log.log import DurableLog
from durable_log.partition import TopicSettings
from pipeline.dead_letters.letters import replay_dead_letters
from pipeline.dead_letters.limits import MAX_VALUE, DeadLetters
from pipeline.dead_letters.on_log import PATH, LogDeadLetters, LogPlace, routes
from pipeline.dead_letters.skip import skip
from pipeline.exchange.codec import MAX_RECORD
from pipeline.exchange.topics import Topic
from pipeline.record import TP
from pipeline.runtime.app import TopicLayout, build_app, declare_topics
from pipeline.runtime.skips import LogSkips, SkipError, Skips
from stores.store import Rejected, Written
from telemetry.documents import Document, Kind
from telemetry.errors import ConfigError, DecodeError
from tests.pipeline.parts import Event, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pipeline.dead_letters.letters import DeadLetter

WRONG = DecodeError("spans[3].span_id", "must be an id of 8 bytes")


class TopicOnLog:
    """What Faust's topic does of what dead letters need."""

    partitions = 1

    def __init__(self, log: DurableLog) -> None:
        self._log = log

    async def send(
        self,
        *,
        key: bytes | None = None,
        value: bytes | None = None,
        partition: int | None = None,
        headers: Mapping[str, bytes] | None = None,
    ) -> Awaitable[int]:
        return self._log.append("spanloom-dlq", partition or 0, key, value, tuple((headers or {}).items()))


@contextmanager
def opened(directory: Path) -> Iterator[DurableLog]:
    log = DurableLog(directory, time.monotonic_ns)
    try:
        for topic in ("otlp_spans", "spanloom-dlq"):
            log.create_topic(topic, TopicSettings(1 if topic == "spanloom-dlq" else 4))
        yield log
    finally:
        log.close()


def written_to(log: DurableLog) -> DeadLetters:
    return DeadLetters(TopicOnLog(log))


async def listed(log: DurableLog, *, replayed: bool = True) -> list[DeadLetter]:
    return [letter async for letter in LogDeadLetters(log).read(replayed=replayed)]


async def test_a_dead_letter_says_where_it_came_from_and_why(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        await written_to(log).send(Event("otlp_spans", 2, 41, b"\xff"), WRONG)
        (letter,) = await listed(log)
    assert (letter.topic, letter.partition, letter.offset, letter.value, letter.whole) == ("otlp_spans", 2, 41, b"\xff", True)
    assert letter.reason == "spans[3].span_id: must be an id of 8 bytes"


def test_dead_letters_are_kept_for_two_weeks_though_topics_are_kept_for_a_day(tmp_path: Path) -> None:
    sizes = TopicLayout(retention_seconds=86_400)
    topics = declare_topics(build_app("kept", f"log://{tmp_path}", tmp_path, sizes), sizes)
    days = {topic: declared.retention / 86_400 for topic, declared in topics.items()}
    assert days == dict.fromkeys(Topic, 1) | {Topic.DEAD_LETTERS: 14}


async def test_a_replay_puts_each_back_untouched_once_also_over_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        dead = written_to(log)
        for value in (b"one", b"two"):
            await dead.send(Event("otlp_spans", 2, 41, value), WRONG)
        assert await replay_dead_letters(LogDeadLetters(log), None) == {"otlp_spans": 2}
    with opened(tmp_path) as log:
        assert await replay_dead_letters(LogDeadLetters(log), None) == {}
        await written_to(log).send(Event("otlp_spans", 2, 41, b"three"), WRONG)
        assert await replay_dead_letters(LogDeadLetters(log), None) == {"otlp_spans": 1}
        assert [record.value for record in log.read("otlp_spans", 2, 0)] == [b"one", b"two", b"three"]
        assert all(record.headers == () for record in log.read("otlp_spans", 2, 0))
        assert await replay_dead_letters(LogDeadLetters(log), None, again=True) == {"otlp_spans": 3}


async def test_of_a_record_that_no_topic_accepts_the_beginning_is_kept_and_a_replay_passes_it_over(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        await written_to(log).send(Event("otlp_spans", 0, 1, b"x" * (MAX_VALUE + 10)), WRONG)
        await written_to(log).send(Event("otlp_spans", 0, 2, b"small"), WRONG)
        cut, small = await listed(log)
        assert (cut.whole, cut.bytes, len(cut.value or b"")) == (False, MAX_VALUE + 10, MAX_VALUE)
        assert small.whole
        assert await replay_dead_letters(LogDeadLetters(log), None) == {"otlp_spans": 1}
        assert [record.value for record in log.read("otlp_spans", 0, 0)] == [b"small"]
        assert await listed(log, replayed=False) == []


@pytest.mark.parametrize(
    ("topic", "partition", "value"),
    [
        ("of-yesterday", 0, b"its topic is gone"),
        ("otlp_spans", 99, b"so is its partition"),
        ("", 0, b"others wrote it"),
        ("store", 0, b"no document"),
        ("store", 0, b"5"),
        ("store", 0, b'{"kind":"trace","id":"t1","time":"noon","body":{}}'),
        ("store", 0, b'{"kind":"novel","id":"t1","time":1,"body":{}}'),
    ],
)
async def test_what_can_go_nowhere_is_passed_over_and_the_others_are_replayed(
    tmp_path: Path, topic: str, partition: int, value: bytes
) -> None:
    with opened(tmp_path) as log:
        await written_to(log).send(Event(topic, partition, 1, value), WRONG)
        await written_to(log).send(Event("otlp_spans", 0, 2, b"good"), WRONG)
        assert await replay_dead_letters(LogDeadLetters(log), MemoryStore()) == {"otlp_spans": 1}
        assert await listed(log, replayed=False) == []


async def test_a_document_that_was_rejected_goes_to_the_store(tmp_path: Path) -> None:
    document = Document(Kind.TRACE, "t1", 5, {"trace_id": "t1"})
    with opened(tmp_path) as log:
        await written_to(log).reject([Rejected(document, "mapper_parsing_exception")])
        with pytest.raises(ConfigError, match="belongs to another process"):
            await replay_dead_letters(LogDeadLetters(log), None)
        store = MemoryStore()
        assert await replay_dead_letters(LogDeadLetters(log), store) == {"store": 1}
    assert document in store.documents.values()


class Refusing(MemoryStore):
    """Refuses all but one document."""

    async def write(self, documents: Sequence[Document]) -> Written:
        (document,) = documents
        return await super().write(documents) if document.id == "good" else Written(0, 0, (Rejected(document, "still bad"),))


async def test_a_document_that_is_refused_again_is_a_dead_letter_again(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        for id_ in ("bad", "good"):
            await written_to(log).reject([Rejected(Document(Kind.TRACE, id_, 5, {}), "bad")])
        assert await replay_dead_letters(LogDeadLetters(log), Refusing()) == {"store": 1, "spanloom-dlq": 1}
        (letter,) = await listed(log, replayed=False)
        assert (letter.topic, letter.partition, letter.reason, letter.key) == ("store", None, "still bad", b"bad")
        store = MemoryStore()
        assert await replay_dead_letters(LogDeadLetters(log), store) == {"store": 1}
    assert list(store.documents.values()) == [Document(Kind.TRACE, "bad", 5, {})]


@pytest.mark.parametrize("odd", [2**70, "\ud800", b"bytes"])
async def test_a_document_is_a_dead_letter_though_it_is_no_json(tmp_path: Path, odd: object) -> None:
    with opened(tmp_path) as log:
        await written_to(log).reject([Rejected(Document(Kind.TRACE, "t1", 5, {"odd": odd}), "not JSON")])
        (letter,) = await listed(log)
        assert letter.reason == "not JSON"


async def test_the_process_that_has_the_log_lists_and_replays_over_http(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        await written_to(log).send(Event("otlp_spans", 2, 41, b"\xff"), WRONG)
        transport = httpx2.ASGITransport(
            app=Starlette(routes=routes(LogDeadLetters(log), MemoryStore(), LogPlace(log), Skips()))
        )
        async with httpx2.AsyncClient(transport=transport, base_url="http://up") as client:
            (line,) = (await client.get(PATH)).text.splitlines()
            assert '"topic":"otlp_spans"' in line
            refused = await client.post(f"{PATH}/replay", content=b"{}", headers={"content-type": "text/plain"})
            assert refused.status_code == 400, "what a form of another site can send"
            assert (await client.post(f"{PATH}/replay", json={"again": False})).json() == {"otlp_spans": 1}
            assert (await client.post(f"{PATH}/replay", json={})).json() == {}


async def test_a_record_is_shown_and_then_skipped_over_http(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("spanloom-traced", TopicSettings(2))
        await log.append("spanloom-traced", 1, b"k", b"\x00" * 7, (("spanloom.batch", b"spans"),))
        skips = Skips()
        app = Starlette(routes=routes(LogDeadLetters(log), MemoryStore(), LogPlace(log), skips))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://up") as client:
            place = {"topic": "spanloom-traced", "partition": 1, "offset": 0}
            shown = (await client.post(f"{PATH}/skip", json=place | {"look": True})).json()
            assert (shown["bytes"], shown["key"], shown["headers"]) == (7, "k", {"spanloom.batch": "spans"})
            assert not skips.has(TP("spanloom-traced", 1), 0), "it was only looked at"
            assert (await client.post(f"{PATH}/skip", json=place)).json() == shown
            assert skips.has(TP("spanloom-traced", 1), 0)
            missing = await client.post(f"{PATH}/skip", json=place | {"offset": 5})
            assert missing.status_code == 409
            assert "the partition has offsets 0 to 0" in missing.text
            assert (await client.post(f"{PATH}/skip", json={"topic": "x"})).status_code == 400
        assert await LogSkips(log).load() == {(TP("spanloom-traced", 1), 0)}
        (letter,) = await listed(log)
        assert (letter.topic, letter.partition, letter.offset, letter.value) == ("spanloom-traced", 1, 0, b"\x00" * 7)
        assert letter.reason == "skipped by spanloom dlq skip"


async def test_of_what_the_dead_letters_refuse_a_note_is_left(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.create_topic("spanloom-traced", TopicSettings(1))
        await log.append("spanloom-traced", 0, None, b"x" * (MAX_RECORD + 1))
        await skip(LogPlace(log), "spanloom-traced", 0, 0)
        (letter,) = await listed(log)
        assert (letter.whole, letter.bytes, letter.value) == (False, MAX_RECORD + 1, b"")


async def test_a_value_of_a_changelog_is_given_up_by_a_record_that_deletes_its_key(tmp_path: Path) -> None:
    topic = "spanloom-act-changelog"
    with opened(tmp_path) as log:
        log.create_topic(topic, TopicSettings(1, compact=True))
        for value in (b"old", b"garbage"):
            await log.append(topic, 0, b"0/engine", value)
        with pytest.raises(SkipError, match="the record at offset 1 has replaced it"):
            await skip(LogPlace(log), topic, 0, 0)
        await skip(LogPlace(log), topic, 0, 1)
        last = log.read(topic, 0, 2)[0]
        assert (last.key, last.value) == (b"0/engine", None)
        with pytest.raises(SkipError, match="nothing to pass over"):
            await skip(LogPlace(log), topic, 0, 2)
        assert await replay_dead_letters(LogDeadLetters(log), MemoryStore()) == {}, "it would be damaged again"
