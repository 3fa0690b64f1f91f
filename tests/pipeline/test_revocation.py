"""Records that a stream still holds when its partitions are taken away."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.agents import rekey_topic
from pipeline.dead_letters.limits import DeadLetters
from pipeline.delivery import retry
from pipeline.delivery.document_writer import DocumentWriter
from pipeline.delivery.offset_tracker import OffsetTracker
from pipeline.incoming import RekeyCounts
from pipeline.record import TP
from pipeline.rekey import rekey_logs, rekey_metrics
from telemetry import otlp
from telemetry.errors import StoreError
from telemetry.logs import LogRecord
from telemetry.metrics import DataPoint, Metric, MetricType
from telemetry.resource import Resource
from tests.pipeline.parts import Event, KeepingTopic, MemoryStore, NoRejects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.rekey import Rekey
    from stores.store import Written
    from telemetry.documents import Document

PLACE = TP("otlp_spans", 0)


def event(offset: int, generation: int, acknowledged: list[int]) -> Any:
    message = SimpleNamespace(tp=PLACE, offset=offset, value=b"v", generation_id=generation)
    return SimpleNamespace(message=message, ack=lambda: acknowledged.append(offset))


def test_between_a_revocation_and_the_next_assignment_everything_is_stale() -> None:
    app = SimpleNamespace(consumer_generation_id=1)
    offsets = OffsetTracker(app, limit=10)
    old = event(0, 1, [])
    assert not offsets.is_stale(old)
    offsets.revoke([PLACE])
    assert offsets.is_stale(old), "the generation is still the old one"
    app.consumer_generation_id = 2
    offsets.assign()
    assert offsets.is_stale(old)
    assert not offsets.is_stale(event(0, 2, []))


def test_a_group_that_begins_its_generations_anew_is_not_taken_for_the_old_one() -> None:
    offsets = OffsetTracker(SimpleNamespace(consumer_generation_id=1), limit=10)
    offsets.revoke([PLACE])
    offsets.assign()
    assert not offsets.is_stale(event(0, 1, []))


async def test_work_of_an_earlier_assignment_does_not_acknowledge_the_record_read_again() -> None:
    app = SimpleNamespace(consumer_generation_id=1)
    offsets = OffsetTracker(app, limit=10)
    acknowledged: list[int] = []
    stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await offsets.done(event(7, 1, acknowledged), [stored])
    offsets.revoke([PLACE])
    app.consumer_generation_id = 2
    offsets.assign()
    again = event(7, 2, acknowledged)
    offsets.add(again)
    stored.set_result(None)
    await asyncio.gather(*offsets._tasks)
    assert acknowledged == []
    assert offsets.in_flight == 1
    offsets.release(PLACE, [7])
    assert acknowledged == [7]


class AwayStore(MemoryStore):
    """A store that is down until it is told to be back."""

    def __init__(self) -> None:
        super().__init__()
        self.back = asyncio.Event()
        self.taken: list[str] = []

    async def write(self, documents: Sequence[Document]) -> Written:
        if not self.back.is_set():
            raise StoreError("away")
        self.taken += [document.id for document in documents]
        return await super().write(documents)


def line(offset: int) -> bytes:
    return otlp.encode_logs([LogRecord(offset + 1, "started", Resource({"service.name": "shop"}))])


def point(offset: int) -> bytes:
    return otlp.encode_metrics([Metric("load", MetricType.GAUGE, (DataPoint(offset + 1, value=1.0),), Resource({}))])


@pytest.mark.parametrize(("rekey", "value"), [(rekey_logs, line), (rekey_metrics, point)])
async def test_writes_that_wait_for_the_store_do_not_pile_up_over_rebalances(
    rekey: Callable[..., Rekey], value: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.001)
    agents: list[Any] = []
    app: Any = SimpleNamespace(consumer_generation_id=0, agent=lambda *_, **__: agents.append)
    store, topic, dead_topic = AwayStore(), KeepingTopic(), KeepingTopic()
    around: Any = topic
    offsets, writer = OffsetTracker(app, 1000), DocumentWriter(store, NoRejects(), batch=20)
    work = rekey(around, around, writer, offsets, RekeyCounts(), lambda: 0)
    rekey_topic(app, "rekey", None, offsets, DeadLetters(dead_topic), work)
    (agent,) = agents
    for generation in (1, 2, 3):
        app.consumer_generation_id = generation
        offsets.assign()
        events = [Event("inlet", 0, offset, value(offset)) for offset in range(100)]
        for one in events:
            one.message.generation_id = generation
        await agent(SimpleNamespace(noack=lambda given=events: SimpleNamespace(events=lambda: each(given))))
        await asyncio.sleep(0.01)
        if generation < 3:
            offsets.revoke([TP("inlet", 0)])
    store.back.set()
    async with asyncio.timeout(60):
        await events[-1].acknowledged.wait()
    assert all(one.acked for one in events)
    assert len(store.taken) == len(set(store.taken)) == 100
    await writer.close()


async def each(events: list[Event]) -> Any:
    for one in events:
        yield one
