"""One id, one document: across rollovers of the data streams of a real Elasticsearch, whoever writes and whenever."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from stores.elasticsearch.client import connect
from stores.elasticsearch.generations import AHEAD, Generations
from stores.elasticsearch.store import ElasticsearchStore
from stores.elasticsearch.templates import data_stream, install
from stores.store import Written
from telemetry.documents import Document, Kind
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from elasticsearch import AsyncElasticsearch

PAST = 1_700_000_000_000_000_000


@pytest.fixture
async def client(elasticsearch: str) -> AsyncIterator[AsyncElasticsearch]:
    made = connect(elasticsearch)
    await install(made)
    yield made
    await made.close()


class Stream:
    """The edges of a namespace: what is written to them by a store, and what happens to them meanwhile."""

    def __init__(self, client: AsyncElasticsearch) -> None:
        self.client = client
        self.namespace = uuid.uuid4().hex
        self.name = data_stream(Kind.EDGE, self.namespace)
        self.store = self.restarted()

    def restarted(self) -> ElasticsearchStore:
        self.store = ElasticsearchStore(self.client, self.namespace)
        return self.store

    async def roll_over(self) -> None:
        await self.client.indices.rollover(alias=self.name)

    async def indices(self) -> list[str]:
        (stream,) = (await self.client.indices.resolve_index(name=self.name))["data_streams"]
        return list(stream["backing_indices"])

    async def counts(self) -> list[int]:
        """Documents of each generation, oldest first."""
        await self.store.refresh([Kind.EDGE])
        return [(await self.client.count(index=index))["count"] for index in await self.indices()]


@pytest.fixture
def stream(client: AsyncElasticsearch) -> Stream:
    return Stream(client)


def edges(*ids: str, at: int = PAST) -> list[Document]:
    return [Document(Kind.EDGE, id_, at, {"calls": 1}) for id_ in ids]


async def test_what_is_written_again_after_a_rollover_is_there_already(stream: Stream) -> None:
    assert await stream.store.write(edges("a", "b")) == Written(2, 0)
    await stream.roll_over()
    assert await stream.store.write(edges("a", "b", "c")) == Written(1, 2)
    assert await stream.counts() == [2, 1]


async def test_so_it_is_for_a_process_that_was_started_after_the_rollover(stream: Stream) -> None:
    await stream.store.write(edges("a", "b"))
    await stream.roll_over()
    assert await stream.restarted().write(edges("a", "b", "c")) == Written(1, 2)
    assert await stream.counts() == [2, 1]


async def test_so_it_is_for_each_of_many_generations(stream: Stream) -> None:
    for id_ in ("a", "b", "c"):
        await stream.store.write(edges(id_))
        await stream.roll_over()
    assert await stream.store.write(edges("a", "b", "c", "d")) == Written(1, 3)
    assert await stream.restarted().write(edges("a", "b", "c", "d")) == Written(0, 4)
    assert await stream.counts() == [1, 1, 1, 1]


async def test_a_copy_that_a_killed_process_left_is_removed(stream: Stream) -> None:
    await stream.store.write(edges("a", "b"))
    await stream.roll_over()
    copy = {"@timestamp": "2023-11-14T22:13:20Z", "calls": 1}
    await stream.client.create(index=stream.name, id="a", document=copy)  # and killed before it looked for others
    assert await stream.counts() == [2, 1]
    assert await stream.restarted().write(edges("a", "b")) == Written(0, 2)
    assert await stream.counts() == [2, 0]


async def test_a_rollover_between_the_look_and_the_write_is_seen_in_the_answer(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stream.store.write(edges("a", "b"))
    send = stream.store._bulk._requests.send

    async def after_a_rollover(*asked: Any) -> Any:
        await stream.roll_over()
        return await send(*asked)

    with monkeypatch.context() as patched:
        patched.setattr(stream.store._bulk._requests, "send", after_a_rollover)
        assert await stream.store.write(edges("a", "b", "c")) == Written(1, 2)
    assert await stream.counts() == [2, 1]


async def test_a_copy_whose_answer_was_lost_is_removed_when_it_is_written_again(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stream.store.write(edges("a"))
    send = stream.store._bulk._requests.send

    async def unanswered(*asked: Any) -> Any:
        await stream.roll_over()
        await send(*asked)
        raise StoreError("the connection was cut")

    with monkeypatch.context() as patched:
        patched.setattr(stream.store._bulk._requests, "send", unanswered)
        with pytest.raises(StoreError):
            await stream.store.write(edges("a"))
    assert await stream.counts() == [1, 1]
    assert await stream.store.write(edges("a")) == Written(0, 1)
    assert await stream.counts() == [1, 0]


async def test_rollovers_while_many_write_make_no_second_document(stream: Stream) -> None:
    batches = [edges(*map(str, range(start, start + 40))) for start in range(0, 120, 10)]

    async def write_and_roll(number: int, batch: list[Document]) -> int:
        written = await stream.store.write(batch)
        if number % 4 == 0:
            await stream.roll_over()
        return written.created

    created = await asyncio.gather(*(write_and_roll(number, batch) for number, batch in enumerate(batches)))
    assert sum(await stream.counts()) == 150
    assert sum(created) <= 150  # of two that write one document at once across a rollover, neither may count it
    assert len(await stream.indices()) == 4


async def test_only_what_an_older_generation_may_hold_is_asked_for(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[str]]] = []
    found = Generations._found

    async def reported(self: Generations, index: str, ids: list[str]) -> list[str]:
        if ids:
            asked.append((index, ids))
        return await found(self, index, ids)

    monkeypatch.setattr(Generations, "_found", reported)
    await stream.store.write(edges("a"))
    assert asked == []  # of one generation nothing is asked
    await stream.roll_over()
    await stream.roll_over()
    generations = await stream.restarted()._bulk._generations[Kind.EDGE].known()
    first, second, third = (generation.index for generation in generations)
    await stream.store.write(edges("old") + edges("live", at=generations[2].since + AHEAD))
    assert asked == [(first, ["old"]), (second, ["old"])]
    asked.clear()
    await stream.store.write(edges("young", at=generations[1].since + AHEAD))
    assert asked == [(second, ["young"])]
    assert await stream.counts() == [1, 0, 3]
    assert third.endswith("3")


async def test_a_generation_that_was_deleted_holds_nothing(stream: Stream) -> None:
    await stream.store.write(edges("a"))
    await stream.roll_over()
    await stream.store.write(edges("b"))
    first, _ = await stream.indices()
    await stream.client.indices.delete(index=first)
    assert await stream.store.write(edges("a", "b")) == Written(1, 1)


async def test_while_a_generation_cannot_be_asked_nothing_is_written(stream: Stream) -> None:
    await stream.store.write(edges("a"))
    await stream.roll_over()
    await stream.store.write(edges("b"))
    first, _ = await stream.indices()
    await stream.client.indices.close(index=first)
    with pytest.raises(StoreError, match=f"cannot say what {first} holds"):
        await stream.store.write(edges("a"))
    await stream.client.indices.open(index=first, wait_for_active_shards=1)
    assert await stream.store.write(edges("a")) == Written(0, 1)
