"""Documents whose producer does not wait for the store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pipeline.delivery import background_writer
from pipeline.delivery.background_writer import BackgroundWriter, PromptWriter
from pipeline.delivery.document_writer import DocumentWriter
from telemetry.documents import Document, Kind
from telemetry.errors import StoreError
from tests.pipeline.parts import KilledError, MemoryStore, NoRejects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stores.store import Written


class SlowStore(MemoryStore):
    """Stores nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()

    async def write(self, documents: Sequence[Document]) -> Written:
        await self.open.wait()
        return await super().write(documents)


def documents(count: int, first: int = 0) -> list[Document]:
    return [Document(Kind.ALERT, str(number), 1, {}) for number in range(first, first + count)]


async def test_the_producer_goes_on_until_too_many_wait_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_writer, "MAX_WAITING", 10)
    store = SlowStore()
    box = BackgroundWriter(DocumentWriter(store, NoRejects()))
    box.put(documents(3))
    await asyncio.sleep(0)  # these are being written
    box.put(documents(9, first=3))
    await box.wait_for_capacity()
    box.put(documents(1, first=12))
    waiting = asyncio.create_task(box.wait_for_capacity())
    await asyncio.sleep(0)
    assert not waiting.done()
    store.open.set()
    await waiting
    await box.settle(5)
    assert len(store.documents) == 13


async def test_an_error_of_ours_is_not_swallowed() -> None:
    box = BackgroundWriter(DocumentWriter(MemoryStore(kill_at=1), NoRejects()))
    box.put(documents(1))
    await box.settle(5)
    with pytest.raises(KilledError):
        box.put([])


async def test_what_is_offered_again_is_written_once_and_told_when_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_writer, "WAIT_SECONDS", 0.0)
    store = SlowStore()
    write = PromptWriter(DocumentWriter(store, NoRejects()))
    for count in (2, 2, 3):
        with pytest.raises(StoreError):
            await write(documents(count))
    store.open.set()
    monkeypatch.setattr(background_writer, "WAIT_SECONDS", 5.0)
    await write(documents(3))
    assert len(store.documents) == 3
    assert store.writes == 2
