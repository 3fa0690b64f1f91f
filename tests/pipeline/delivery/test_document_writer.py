from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.dead_letters.limits import DeadLetterConfig, DeadLetters
from pipeline.delivery import retry
from pipeline.delivery.document_writer import DocumentWriter
from pipeline.delivery.retry import RevokedError
from stores.store import Capabilities, Rejected, Written
from telemetry.documents import Document, Kind
from telemetry.errors import StoreError
from tests.pipeline.parts import KeepingTopic, MemoryStore, NoRejects

if TYPE_CHECKING:
    from collections.abc import Sequence


def documents(*ids: int) -> list[Document]:
    return [Document(Kind.SPAN, str(number), number, {}) for number in ids]


class Gate(MemoryStore):
    """A store whose writes wait until it is opened, and fail so many times."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.failures = failures
        self.batches: list[list[str]] = []

    async def write(self, documents: Sequence[Document]) -> Written:
        self.batches.append([document.id for document in documents])
        await self.open.wait()
        if self.failures:
            self.failures -= 1
            raise StoreError("away")
        return await super().write(documents)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.001)


async def test_what_comes_while_all_slots_are_busy_is_written_together() -> None:
    store = Gate()
    writer = DocumentWriter(store, NoRejects(), concurrency=1)
    first = writer.write(documents(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [writer.write(documents(number)) for number in range(1, 50)]
    store.open.set()
    await asyncio.gather(first, *others)
    assert store.batches == [["0"], [str(number) for number in range(1, 50)]]
    assert writer.counts.created == 50


async def test_a_batch_ends_at_its_size_and_keeps_what_one_caller_gave_together() -> None:
    store = Gate()
    store.open.set()
    writer = DocumentWriter(store, NoRejects(), batch=4)
    await asyncio.gather(*(writer.write(documents(10 * i, 10 * i + 1, 10 * i + 2)) for i in range(3)))
    assert [len(batch) for batch in store.batches] == [6, 3]


async def test_a_batch_has_the_size_that_the_store_asks_for() -> None:
    class Asks(Gate):
        def capabilities(self) -> Capabilities:
            return Capabilities(write=5)

    store = Asks()
    store.open.set()
    writer = DocumentWriter(store, NoRejects())
    await asyncio.gather(*(writer.write(documents(2 * i, 2 * i + 1)) for i in range(5)))
    assert [len(batch) for batch in store.batches] == [6, 4]


async def test_nothing_ends_at_once() -> None:
    assert DocumentWriter(Gate(), NoRejects()).write([]).done()


async def test_while_the_store_is_down_nobodys_write_ends_and_none_is_lost() -> None:
    store = Gate(failures=3)
    writer = DocumentWriter(store, NoRejects())
    written = writer.write(documents(1, 2))
    await asyncio.sleep(0.01)
    assert not written.done()
    store.open.set()
    await written
    assert set(store.documents) == {(Kind.SPAN, "1"), (Kind.SPAN, "2")}
    assert writer.availability.retries == {"write": 3}


async def test_documents_that_are_there_already_are_counted_apart() -> None:
    store = MemoryStore()
    writer = DocumentWriter(store, NoRejects())
    await writer.write(documents(1, 2))
    await writer.write(documents(2, 3))
    assert (writer.counts.created, writer.counts.existing) == (3, 1)


class Sink:
    """Keeps rejected documents once it is told to."""

    def __init__(self) -> None:
        self.safe = asyncio.Event()
        self.kept: list[Rejected] = []
        self.counted: list[tuple[Kind, bool]] = []

    def count(self, kind: Kind, *, refused: bool) -> None:
        self.counted.append((kind, refused))

    def objection(self, _: Sequence[Rejected]) -> str:
        return ""

    async def reject(self, rejected: Sequence[Rejected]) -> None:
        await self.safe.wait()
        self.kept += rejected


class Picky(MemoryStore):
    """Rejects odd ids until it is mended."""

    mended = False

    async def write(self, documents: Sequence[Document]) -> Written:
        odd = tuple(Rejected(document, "odd") for document in documents if int(document.id) % 2 and not self.mended)
        return Written(len(documents) - len(odd), 0, odd)


async def test_a_write_with_rejected_documents_ends_when_they_are_safe() -> None:
    sink = Sink()
    writer = DocumentWriter(Picky(), sink)
    written = writer.write(documents(1, 2, 3))
    await asyncio.sleep(0.01)
    assert not written.done()
    sink.safe.set()
    await written
    assert [item.document.id for item in sink.kept] == ["1", "3"]
    assert (writer.counts.created, writer.counts.rejected) == (1, 2)


async def test_each_write_is_counted_by_whether_any_of_it_was_refused() -> None:
    sink = Sink()
    sink.safe.set()
    writer = DocumentWriter(Picky(), sink)
    await asyncio.gather(*(writer.write(documents(*ids)) for ids in ((0, 2), (1, 2), (4,), (3, 5))))
    assert sink.counted == [(Kind.SPAN, False), (Kind.SPAN, True), (Kind.SPAN, False), (Kind.SPAN, True)]


async def test_when_the_store_refuses_too_much_the_rest_waits_until_it_is_mended() -> None:
    topic, store = KeepingTopic(), Picky()
    writer = DocumentWriter(store, DeadLetters(topic, DeadLetterConfig(run=10)), batch=1, concurrency=1)
    first = [writer.write(documents(odd)) for odd in range(1, 21, 2)]
    await asyncio.gather(*first)
    waiting = [writer.write(documents(odd)) for odd in range(21, 101, 2)]
    await offered_again(writer, 200)
    assert (len(topic.sent), writer.counts.rejected) == (10, 10)
    assert not any(one.done() for one in waiting)
    assert writer.refused_waiting == {Kind.SPAN: 40}
    store.mended = True
    await asyncio.gather(*waiting)
    assert (len(topic.sent), writer.counts.created) == (10, 40)
    while writer.refused_waiting:  # noqa: ASYNC110 - the writer tells nobody
        await asyncio.sleep(0)


async def offered_again(writer: DocumentWriter, times: int) -> None:
    """Return when the writer has offered so many refused documents again."""
    while writer.counts.retried < times:  # noqa: ASYNC110 - the writer counts and tells nobody
        await asyncio.sleep(0)


class Full(Sink):
    """Admits nothing until it is told to."""

    def objection(self, _: Sequence[Rejected]) -> str:
        return "" if self.safe.is_set() else "too many"


async def test_while_refused_documents_wait_all_others_are_stored_of_their_kind_and_of_any() -> None:
    writer = DocumentWriter(Picky(), Full())
    waiting = [writer.write(documents(odd)) for odd in range(1, 601, 2)]
    mixed = writer.write(documents(1001, 1002))
    await asyncio.gather(*(writer.write(documents(even)) for even in range(0, 20, 2)))
    await writer.write([Document(Kind.AUDIT, "0", 1, {})])
    waiting += [writer.write(documents(odd)) for odd in range(2001, 2601, 2)]
    await offered_again(writer, 3000)
    await writer.write([*documents(30), Document(Kind.LOG, "0", 1, {})])
    assert not any(one.done() for one in (*waiting, mixed))
    assert writer.counts.created == 10 + 1 + 1 + 2, "and what the mixed one had beside"
    await writer.close()
    assert all(one.done() for one in waiting)


async def test_a_refusal_counts_once_however_often_the_document_is_offered() -> None:
    sink = Full()
    writer = DocumentWriter(Picky(), sink)
    written = writer.write(documents(1, 2, 3))
    await offered_again(writer, 10)
    assert sink.counted == [(Kind.SPAN, True)]
    sink.safe.set()
    await written
    assert sink.counted == [(Kind.SPAN, True)]
    assert [item.document.id for item in sink.kept] == ["1", "3"]
    assert (writer.counts.created, writer.counts.rejected) == (1, 2)


async def test_one_batch_sends_no_more_to_the_dead_letters_than_the_limit() -> None:
    topic = KeepingTopic()
    writer = DocumentWriter(Picky(), DeadLetters(topic, DeadLetterConfig(run=10)))
    waiting = [writer.write(documents(odd)) for odd in range(1, 601, 2)]
    await offered_again(writer, 600)
    assert (len(topic.sent), sum(one.done() for one in waiting)) == (10, 10)
    await writer.close()


async def test_what_is_refused_and_not_wanted_any_more_waits_no_more() -> None:
    wanted = [True]
    writer = DocumentWriter(Picky(), DeadLetters(KeepingTopic(), DeadLetterConfig(run=1)))
    await writer.write(documents(1))
    written = writer.write(documents(3), lambda: wanted[0])
    await offered_again(writer, 2)
    wanted.clear()
    wanted.append(False)
    with pytest.raises(RevokedError):
        await written


async def test_what_no_store_accepts_never_waits_nor_counts_towards_the_limit() -> None:
    class Strict(MemoryStore):
        async def write(self, documents: Sequence[Document]) -> Written:
            return Written(0, 0, tuple(Rejected(document, "no JSON", unstorable=True) for document in documents))

    topic = KeepingTopic()
    writer = DocumentWriter(Strict(), DeadLetters(topic, DeadLetterConfig(run=1)))
    await asyncio.gather(*(writer.write(documents(number)) for number in range(500)))
    assert (len(topic.sent), writer.counts.rejected, writer.counts.retried) == (500, 500, 0)


async def test_an_error_that_is_not_the_stores_reaches_every_caller_of_the_batch() -> None:
    store: Any = Gate()
    store.open.set()

    async def fail(_: Any) -> Written:
        raise ValueError("a bug")

    store.write = fail
    writer = DocumentWriter(store, NoRejects())
    found = await asyncio.gather(writer.write(documents(1)), writer.write(documents(2)), return_exceptions=True)
    assert [type(error) for error in found] == [ValueError, ValueError]


async def test_what_nobody_wants_any_more_is_not_written() -> None:
    store = Gate()
    store.open.set()
    writer = DocumentWriter(store, NoRejects())
    gone, kept = writer.write(documents(1), lambda: False), writer.write(documents(2))
    with pytest.raises(RevokedError):
        await gone
    await kept
    assert list(store.documents) == [(Kind.SPAN, "2")]


async def test_closing_ends_callers_that_wait_for_a_store_that_is_down() -> None:
    store = Gate()
    writer = DocumentWriter(store, NoRejects())
    written = writer.write(documents(1))
    await asyncio.sleep(0.01)
    await writer.close()
    assert written.done()
    with pytest.raises(asyncio.CancelledError):
        await written
