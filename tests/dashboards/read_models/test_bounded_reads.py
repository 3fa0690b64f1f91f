from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from dashboards.read_models.bounded_reads import BoundedReads, QueryLimits
from stores.duckdb.store import DuckDbStore
from stores.store import AnswerTooLargeError, BusyError, Query, Written
from telemetry.documents import Document, Kind
from tests.pipeline.parts import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.documents import Body

SPANS = Query(Kind.SPAN, limit=10_000)


class SlowStore(MemoryStore):
    """A store whose reads wait until it is opened.

    Attributes:
        most: reads that were made at once, at most.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.begun = asyncio.Event()
        self.reading = self.most = 0

    async def find(self, query: Query) -> list[Body]:
        self.reading += 1
        self.most = max(self.most, self.reading)
        self.begun.set()
        try:
            await self.open.wait()
            return await super().find(query)
        finally:
            self.reading -= 1


def value(registry: CollectorRegistry, limit: str) -> float:
    return registry.get_sample_value("spanloom_queries_refused_total", {"limit": limit}) or 0.0


async def test_of_twelve_queries_two_run_eight_wait_and_two_are_refused_while_writes_go_on() -> None:
    store, registry = SlowStore(), CollectorRegistry()
    reads = BoundedReads(store, QueryLimits(at_once=2, waiting=8), registry)
    asking = [asyncio.create_task(reads.find(SPANS)) for _ in range(12)]
    await store.begun.wait()
    refused = [task for task in asking if task.done()]
    assert len(refused) == 2
    for task in refused:
        with pytest.raises(BusyError, match="try again later"):
            task.result()
    assert await store.write([Document(Kind.SPAN, "a", 1, {})]) == Written(1, 0)
    store.open.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(isinstance(answer, list) for answer in answers) == 10
    assert store.most == 2
    assert value(registry, "waiting") == 2
    assert registry.get_sample_value("spanloom_queries_running") == 0


async def test_a_query_that_has_waited_too_long_is_refused() -> None:
    store, registry = SlowStore(), CollectorRegistry()
    reads = BoundedReads(store, QueryLimits(at_once=1, seconds=0.01), registry)
    first = asyncio.create_task(reads.find(SPANS))
    await store.begun.wait()
    with pytest.raises(BusyError, match=r"waited 0\.01 s"):
        await reads.find(SPANS)
    store.open.set()
    assert await first == []
    assert value(registry, "waiting") == 1


async def test_an_answer_has_as_many_documents_as_fit_and_says_that_there_are_more(tmp_path: Path) -> None:
    store, registry = DuckDbStore(tmp_path / "store.duckdb"), CollectorRegistry()
    await store.write([Document(Kind.SPAN, f"{number}", number, {"attributes": {"x": "y" * 1000}}) for number in range(4000)])
    reads = BoundedReads(store, QueryLimits(max_bytes=1 << 20), registry)
    with pytest.raises(AnswerTooLargeError):
        await reads.find(SPANS)
    found, more = await reads.as_many(SPANS)
    assert more
    assert [body["@timestamp"] for body in found] == list(range(len(found)))
    assert 100 <= len(found) < 1100
    assert value(registry, "bytes") == 3
    found, more = await reads.as_many(Query(Kind.SPAN, limit=10_000, until=100))
    assert (len(found), more) == (100, False)
    await store.close()


async def test_reads_that_are_under_way_hold_up_no_write(tmp_path: Path) -> None:
    store = DuckDbStore(tmp_path / "store.duckdb")
    await store.write([Document(Kind.SPAN, f"{number}", 1, {"attributes": {"i": number}}) for number in range(20_000)])
    reads = BoundedReads(store, QueryLimits(waiting=100))
    sorts = [asyncio.create_task(reads.find(Query(Kind.SPAN, sort="attributes.i", limit=10_000))) for _ in range(12)]
    written = await asyncio.gather(*(store.write([Document(Kind.LOG, f"{number}", 1, {})]) for number in range(20)))
    assert sum(one.created for one in written) == 20
    assert not all(task.done() for task in sorts)
    for task in sorts:
        task.cancel()
    await asyncio.gather(*sorts, return_exceptions=True)
    await store.close()
