"""Bulk requests in trouble, by the real client: cut connections before a real Elasticsearch, and any answers of a server."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dead_letters.limits import REASON, DeadLetterConfig, DeadLetters
from pipeline.delivery import retry
from pipeline.delivery.document_writer import DocumentWriter
from stores.elasticsearch import bulk_requests
from stores.elasticsearch.client import connect
from stores.elasticsearch.store import ElasticsearchStore, open_elasticsearch
from stores.elasticsearch.templates import install
from stores.store import Query, Written
from telemetry.documents import Document, Kind
from telemetry.errors import StoreError
from tests.pipeline.parts import KeepingTopic, NoRejects
from tests.stores.elasticsearch.test_store import busy_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COUNT = 500
BODY = {"operation": "x" * 200}
DOCUMENTS = [Document(Kind.HOP, f"{number:06d}", 1_700_000_000_000_000_000, BODY) for number in range(COUNT)]
OFTEN = 80
"""More than a write and a probe try, with those tries that the client makes by itself."""


class Wire:
    """A TCP connection to Elasticsearch that can be cut.

    Attributes:
        cut_after: bytes of a request after which the connection is cut, once.
        cut_answers: how many bulk requests are let through and not answered.
        away: whether nobody is there.
        in_vain: set when somebody came often while nobody was there.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.cut_after: int | None = None
        self.cut_answers = 0
        self.away = False
        self.in_vain = asyncio.Event()
        self._came = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.away:
            self._came += 1
            if self._came == OFTEN:
                self.in_vain.set()
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        asks_bulk = asyncio.Event()
        both = {
            asyncio.create_task(self._requests(reader, back, asks_bulk)),
            asyncio.create_task(self._answers(there, writer, asks_bulk)),
        }
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, back):
            end.close()
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)

    async def _requests(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, asks_bulk: asyncio.Event) -> None:
        while data := await reader.read(4096):
            if b"/_bulk" in data:
                asks_bulk.set()
            if asks_bulk.is_set() and self.cut_after is not None:
                self.cut_after -= len(data)
                if self.cut_after < 0:
                    self.cut_after = None
                    return
            back.write(data)
            await back.drain()

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, asks_bulk: asyncio.Event) -> None:
        while data := await there.read(65536):
            if asks_bulk.is_set() and self.cut_answers:
                self.cut_answers -= 1
                return
            writer.write(data)
            await writer.drain()


@pytest.fixture
async def wire(elasticsearch: str) -> AsyncIterator[tuple[Wire, ElasticsearchStore]]:
    client = connect(elasticsearch)
    await install(client)
    await client.close()
    wire = Wire(int(elasticsearch.rpartition(":")[2]))
    async with await asyncio.start_server(wire.carry, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = open_elasticsearch(f"http://127.0.0.1:{port}", namespace=uuid.uuid4().hex)
        yield wire, store
        await store.close()


async def there(store: ElasticsearchStore) -> int:
    await store.refresh([Kind.HOP])
    return await store.count(Query(Kind.HOP))


async def test_a_connection_that_is_cut_in_a_request_loses_and_doubles_nothing(wire: tuple[Wire, ElasticsearchStore]) -> None:
    cutting, store = wire
    cutting.cut_after = 50_000
    assert await store.write(DOCUMENTS) == Written(COUNT, 0)
    assert cutting.cut_after is None
    assert await there(store) == COUNT


async def test_a_connection_that_is_cut_before_the_answer_loses_and_doubles_nothing(
    wire: tuple[Wire, ElasticsearchStore],
) -> None:
    cutting, store = wire
    cutting.cut_answers = 1
    written = await store.write(DOCUMENTS)
    assert cutting.cut_answers == 0
    assert written.created + written.existing == COUNT
    assert await there(store) == COUNT


async def test_a_write_waits_until_elasticsearch_is_back(
    wire: tuple[Wire, ElasticsearchStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "PROBE_SECONDS", 0.01)
    cutting, store = wire
    cutting.away = True
    with pytest.raises(StoreError, match="cannot be reached"):
        await store.write(DOCUMENTS[:1])
    writer = DocumentWriter(store, NoRejects())
    written = [writer.write(DOCUMENTS[start : start + 50]) for start in range(0, COUNT, 50)]
    await cutting.in_vain.wait()
    assert "cannot be reached" in writer.availability.down
    assert not any(one.done() for one in written)
    cutting.away = False
    await asyncio.gather(*written)
    assert (writer.counts.created, await there(store)) == (COUNT, COUNT)


async def test_a_rejected_document_goes_to_the_dead_letters_with_the_reason(
    wire: tuple[Wire, ElasticsearchStore],
) -> None:
    _, store = wire
    topic = KeepingTopic()
    writer = DocumentWriter(store, DeadLetters(topic, DeadLetterConfig()))
    bad = Document(Kind.HOP, "bad", 1, {"duration": "long"})
    await writer.write([*DOCUMENTS[:3], bad, *DOCUMENTS[3:6]])
    (sent,) = topic.sent
    assert b"duration: 'long' is no integer" in sent.headers[REASON]
    assert b'"long"' in sent.value
    assert await there(store) == 6


ANSWERS = st.lists(st.sampled_from([201, 201, 409, 429, 503, 400]), min_size=4, max_size=4)


@given(answers=st.lists(ANSWERS | st.sampled_from([429, 503]), max_size=4))
@settings(max_examples=50)
def test_whatever_the_server_answers_each_document_is_reported_once(answers: list[int | list[int]]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bulk_requests, "LONGEST_WAIT", 0.0)
        written, asked = asyncio.run(write_to(patched, answers))
    ends = [end(id_, asked, answers) for id_ in "abcd"]
    assert written.created == ends.count(201)
    assert written.existing == ends.count(409)
    assert {one.document.id for one in written.rejected} == {id_ for id_, one in zip("abcd", ends, strict=True) if one == 400}


async def write_to(patched: pytest.MonkeyPatch, answers: list[int | list[int]]) -> tuple[Written, list[list[str]]]:
    cut = [answer if isinstance(answer, int) else list(answer) for answer in answers]
    store, asked = busy_store(patched, *cut)
    written = await store.write([Document(Kind.SPAN, id_, 1, {}) for id_ in "abcd"])
    await store.close()
    return written, asked


def end(id_: str, asked: list[list[str]], answers: list[int | list[int]]) -> int:
    """What the server said of a document when it was asked for it last; after its answers it takes everything."""
    number = max(number for number, ids in enumerate(asked) if id_ in ids)
    if number >= len(answers):
        return 201
    answer = answers[number]
    assert isinstance(answer, list), "a busy server is asked again"
    return answer[asked[number].index(id_)]
