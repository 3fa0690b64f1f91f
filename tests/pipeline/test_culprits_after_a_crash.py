from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from pipeline.act import ActStage
from pipeline.acting.config import ActConfig, ActCounts
from pipeline.acting.environment import Environment
from pipeline.delivery.document_writer import DocumentWriter
from pipeline.delivery.offset_tracker import OffsetTracker
from pipeline.exchange import codec
from pipeline.exchange.codec import BatchKind, LogLine
from processors.root_cause.ranking import CulpritRanker
from telemetry import otlp
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind
from tests.pipeline.parts import APP, Event, MemoryStore, NoRejects
from tests.pipeline.test_act import ONE_PARTITION

if TYPE_CHECKING:
    from pipeline.state.table import StageTable

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
MS = 1_000_000


class NoTable:
    """An analysis without alerts saves nothing."""

    def load(self, _partition: int, _name: str) -> None:
        return None

    def scoped(self, _environment: str) -> NoTable:
        return self


class World:
    """Workers one after the other on the same log, as they do without alerts."""

    def __init__(self) -> None:
        self.time = START
        self.log: list[Event] = []

    async def begin(self) -> None:
        """Start a worker: it reads again what was not acknowledged."""
        store: Any = MemoryStore()
        rejects: Any = NoRejects()
        table: Any = NoTable()
        counts, writer = ActCounts(), DocumentWriter(store, rejects)

        def environment(name: str, state: StageTable) -> Environment:
            return Environment(name, ActConfig(), counts, CulpritRanker(), state, lambda: self.time, None)

        self.stage = ActStage(ActConfig(), counts, environment, writer, table, lambda: self.time, ONE_PARTITION)
        app: Any = APP
        self.offsets = OffsetTracker(app, 100_000)
        await self.stage.own(0)
        for event in [event for event in self.log if not event.acked]:
            self.stage.handle(event, self.offsets)

    def feed(self, batch: BatchKind, value: bytes) -> None:
        event: Any = Event("spanloom-signals", 0, len(self.log), value, batch)
        self.log.append(event)
        self.stage.handle(event, self.offsets)


def request(number: int, time: int, work: int) -> list[Span]:
    trace_id = number.to_bytes(16, "big")
    web, pay = Resource({"service.name": "web"}), Resource({"service.name": "pay"})
    return [
        Span(trace_id, b"1" * 8, b"", "GET /", SpanKind.SERVER, time, time + work + 20 * MS, web),
        Span(trace_id, b"2" * 8, b"1" * 8, "POST pay", SpanKind.CLIENT, time + 5 * MS, time + work + 12 * MS, web),
        Span(trace_id, b"3" * 8, b"2" * 8, "POST /pay", SpanKind.SERVER, time + 6 * MS, time + work + 11 * MS, pay),
    ]


async def test_what_culprits_are_ranked_by_is_read_again_after_a_crash() -> None:
    rankings = []
    for crash in (False, True):
        world, rng = World(), random.Random(5)
        await world.begin()
        for number in range(1, 801):
            slow = 400 * MS if number > 760 else 0
            world.time = START + number * SECOND
            work = round(10 * MS * rng.lognormvariate(0.0, 0.2)) + slow
            world.feed(BatchKind.SPANS, otlp.encode_spans(request(number, world.time - SECOND, work)))
            line = LogLine("pay", "", "", world.time, 9, f"charged {number}", number.to_bytes(16, "big"), b"3" * 8)
            world.feed(BatchKind.LOGS, codec.encode_logs([line]))
        assert world.log[0].acked, "not everything is held"
        if crash:
            await world.begin()
        (document,) = await world.stage.rank()
        rankings.append(document.body["ranking"])
    undisturbed, crashed = rankings
    assert undisturbed[0]["service"] == crashed[0]["service"] == "pay"
    assert crashed[0]["score"] > 0.5 * undisturbed[0]["score"], "less of the past is known, but enough"
