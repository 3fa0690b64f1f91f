"""A trace is joined again with the logs that are stored, so the owner of a trace hears only of those.

Otherwise a trace of 14 spans and 7 logs, joined with one more span before the store has the seventh log, would again be of 21
signals: no newer than what is stored, and the span would be missing from its document for good.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pipeline.delivery.document_writer import DocumentWriter
from pipeline.delivery.offset_tracker import OffsetTracker
from pipeline.exchange import codec
from pipeline.incoming import RekeyCounts
from pipeline.rekey import rekey_logs
from stores.store import Rejected, Written
from telemetry import otlp
from telemetry.documents import Kind
from telemetry.logs import LogRecord
from telemetry.resource import Resource
from tests.pipeline.parts import Event, KeepingTopic, MemoryStore, NoRejects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.documents import Document

TRACE = bytes.fromhex("4cac7a0848e4728749cfcc3b335449f3")


class SlowStore(MemoryStore):
    """Stores when it may, all but what is too much for it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.ready = asyncio.Event(), asyncio.Event()

    async def write(self, documents: Sequence[Document]) -> Written:
        self.asked.set()
        await self.ready.wait()
        refused = [one for one in documents if one.body["body"]["text"] == "too much"]
        await super().write([one for one in documents if one not in refused])
        return Written(len(documents) - len(refused), 0, tuple(Rejected(one, "too much", unstorable=True) for one in refused))


class Rejects(NoRejects):
    """Takes what is rejected."""

    def __init__(self) -> None:
        self.rejected: list[Rejected] = []

    async def reject(self, rejected: Sequence[Rejected]) -> None:
        self.rejected += rejected


async def test_the_owner_of_a_trace_hears_of_a_log_when_the_store_has_it() -> None:
    store, rejects, traced, series = SlowStore(), Rejects(), KeepingTopic(), KeepingTopic()
    around: Any = traced
    lines: Any = series
    app: Any = SimpleNamespace(consumer_generation_id=1)
    writer, offsets = DocumentWriter(store, rejects), OffsetTracker(app, 10)
    offsets.assign()
    logs = [LogRecord(5, body, Resource({"service.name": "shop"}), trace_id=TRACE) for body in ("first", "too much", "last")]
    record: Any = Event("logs", 0, 1, otlp.encode_logs(logs))
    record.message.generation_id = 1
    work, flaw, _ = rekey_logs(around, lines, writer, offsets, RekeyCounts(), lambda: 9)(record)
    assert flaw is None
    done = asyncio.gather(*work)
    async with asyncio.timeout(60):
        await store.asked.wait()
    for _ in range(100):
        await asyncio.sleep(0)
    assert not traced.sent
    store.ready.set()
    async with asyncio.timeout(60):
        await done
    referred = {one.id for sent in traced.sent for one in codec.decode_log_references(sent.value)}
    assert referred == {id_ for kind, id_ in store.documents if kind is Kind.LOG}
    assert len(referred) == 2
    assert [one.document.body["body"]["text"] for one in rejects.rejected] == ["too much"]
    await writer.close()
