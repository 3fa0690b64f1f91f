from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from pipeline.acting.marking import mark_of
from pipeline.exchange import codec
from pipeline.exchange.codec import HEADER, BatchKind, LogLine
from pipeline.exchange.environment_topic import EnvironmentTopic
from pipeline.exchange.learning import decode_lines, decode_traces, encode_traces
from pipeline.score import SAVE_EVERY, ScoreStage
from processors.feedback.mark import MarkVerdict, Subject
from processors.root_cause.sampled_trace import sampled_trace
from processors.series.derived import LOG_RECORDS
from telemetry import otlp
from telemetry.errors import DecodeError
from telemetry.metrics import Point, Series
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind
from tests.pipeline.all_detectors import all_detectors
from tests.pipeline.parts import Event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.documents import Document

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


class World:
    """The stage with what is around it: a clock, a table, a store and the topic of stage 4, all in memory."""

    def __init__(self, **sections: object) -> None:
        self.sections = sections
        self.time = START
        self.table: dict[tuple[int, str], bytes] = {}
        self.stored: dict[str, Document] = {}
        self.sent: dict[BatchKind, list[bytes]] = defaultdict(list)
        self.offset = 0
        self.restart()

    def restart(self) -> None:
        around: Any = self
        self.stage = ScoreStage(
            around, EnvironmentTopic(around), around, lambda: self.time, partial(all_detectors, sections=self.sections)
        )

    def load(self, partition: int, name: str) -> Any:
        value = self.table.get((partition, name))
        return None if value is None else orjson.loads(value)

    async def save(self, partition: int, name: str, value: Any) -> None:
        self.table[partition, name] = orjson.dumps(value)

    async def write(self, documents: Sequence[Document], _wanted: Any) -> None:
        for document in documents:
            self.stored.setdefault(document.id, document)

    partitions = 1

    async def send(self, *, value: bytes, headers: Mapping[str, bytes], **_: Any) -> Any:
        self.sent[BatchKind(headers[HEADER].decode())].append(value)
        return asyncio.sleep(0)

    async def take(self, batch: BatchKind, value: bytes) -> None:
        self.offset += 1
        for work in self.stage.handle(Event("spanloom-series", 0, self.offset, value, batch)):
            await work

    async def traces(self, seconds: range, *callees: str) -> None:
        for second in seconds:
            self.time = START + (second + 1) * SECOND
            await self.take(BatchKind.TRACES, encode_traces([sampled_trace(request(second, *callees))]))

    async def logs(self, second: int, *texts: str, severity: int = 9) -> None:
        self.time = START + second * SECOND
        lines = [LogLine("pay", "pay-1", "test", self.time, severity, text, b"t" * 16) for text in texts]
        await self.take(BatchKind.LOGS, codec.encode_logs(lines))

    def points(self, name: str) -> list[Any]:
        return [p for value in self.sent[BatchKind.POINTS] for p in codec.decode_points(value) if p.series.name == name]


def request(second: int, *callees: str) -> list[Span]:
    """A request to the shop, which calls some services."""
    start, trace_id = START + second * SECOND, (second + 1).to_bytes(16, "big")
    names = ("shop", *callees)
    return [
        Span(
            trace_id,
            bytes([number + 1] * 8),
            bytes([1] * 8) if number else b"",
            f"{name} work",
            SpanKind.SERVER,
            start + number,
            start + 1000 - number,
            Resource({"service.name": name}),
        )
        for number, name in enumerate(names)
    ]


async def usual(world: World, seconds: range) -> None:
    for second in seconds:
        await world.logs(second, f"paid {second}", f"order {second} done")


async def test_a_burst_of_failing_lines_becomes_an_anomaly_in_the_store_and_for_stage_4() -> None:
    world = World()
    await usual(world, range(200))
    await world.logs(205, *(f"card {n} refused" for n in range(50)), severity=17)
    await usual(world, range(206, 220))
    kinds = {document.body["series"]["name"]: document.body for document in world.stored.values()}
    assert set(kinds) == {"spanloom_log_error_ratio", "spanloom_log_new_lines"}
    assert {(body["kind"], body["service"], body["environment"]) for body in kinds.values()} == {("log", "pay", "test")}
    reported = [body for value in world.sent[BatchKind.ANOMALIES] for body in codec.decode_bodies(value)]
    assert {body["id"] for body in reported} == set(world.stored)
    assert {dict(point.series.labels)["kind"] for point in world.points("spanloom_anomaly_score")} == {"log"}


async def test_rules_see_log_counts_by_severity_and_template() -> None:
    world = World()
    await usual(world, range(40))
    await world.logs(40, "card 3 refused", severity=17)
    await usual(world, range(41, 60))
    last = {point.series: point.value for point in world.points(LOG_RECORDS)}
    by_severity: dict[str, float] = defaultdict(float)
    for series, value in last.items():
        assert series.label("instance") == "pay-1"
        by_severity[series.label("severity")] += value
    assert by_severity["ERROR"] == 1.0
    assert by_severity["INFO"] > 80
    assert len(last) == 3


async def test_lines_in_traces_go_on_to_stage_4_as_templates_and_those_in_none_do_not() -> None:
    world = World()
    await world.logs(0, "paid 1", "paid 2", "card refused")
    (value,) = world.sent[BatchKind.LOG_TEMPLATES]
    paid, again, refused = decode_lines(value)
    assert paid.template == again.template != refused.template
    assert (paid.quoted, refused.quoted) == ("'paid <*>' (such as 'paid 1')", "'card refused'")
    assert (paid.environment, paid.trace_id, paid.severity) == ("test", b"t" * 16, 9)
    assert b"paid 2" not in value
    alone = LogLine("pay", "pay-1", "test", world.time, 9, "paid 3")
    await world.take(BatchKind.LOGS, codec.encode_logs([alone]))
    assert len(world.sent[BatchKind.LOG_TEMPLATES]) == 1


async def test_traces_go_on_to_stage_4_as_they_came() -> None:
    world = World()
    value = encode_traces([sampled_trace(request(1, "cart", "pay")), sampled_trace(request(2)[:1])])
    await world.take(BatchKind.TRACES, value)
    assert world.sent[BatchKind.TRACES] == [value]


async def test_a_sample_of_a_release_that_sent_spans_is_learned_from_and_goes_on_as_visits() -> None:
    world = World()
    spans = request(1, "cart"), request(2, "pay")
    await world.take(BatchKind.SPANS, otlp.encode_spans([*spans[0], *spans[1]]))
    (value,) = world.sent[BatchKind.TRACES]
    assert decode_traces(value) == [sampled_trace(one) for one in spans]


async def test_what_was_learnt_survives_a_crash() -> None:
    world = World()
    await usual(world, range(SAVE_EVERY // SECOND * 3))
    world.restart()
    await world.logs(190, *(f"card {n} refused" for n in range(50)), severity=17)
    await usual(world, range(191, 210))
    assert {document.body["series"]["name"] for document in world.stored.values()} == {
        "spanloom_log_error_ratio",
        "spanloom_log_new_lines",
    }


async def test_a_snapshot_that_another_release_wrote_is_left_aside() -> None:
    world = World()
    await usual(world, range(SAVE_EVERY // SECOND * 3))
    for key, value in world.table.items():
        world.table[key] = value.replace(b'"version":1', b'"version":0').replace(b'"version":2', b'"version":0')
    world.restart()
    await usual(world, range(190, 220))
    assert not world.stored


async def test_the_same_records_again_give_the_same_anomalies() -> None:
    one, other = World(), World()
    for world in (one, other):
        await usual(world, range(200))
        await world.logs(205, *(f"card {n} refused" for n in range(50)), severity=17)
        await usual(world, range(206, 220))
    assert one.stored == other.stored


async def test_a_call_that_traces_no_longer_make_becomes_an_anomaly() -> None:
    world = World()
    await world.traces(range(100), "cart", "pay")
    await world.traces(range(100, 140), "cart")
    bodies = sorted((document.body for document in world.stored.values()), key=lambda body: int(body["start"]))
    assert [(body["start"] - START) // SECOND for body in bodies] == [100, 110]
    assert {(body["kind"], body["service"], body["series"]["labels"]["callee"]) for body in bodies} == {
        ("shape", "shop", "pay")
    }
    assert len(world.sent[BatchKind.TRACES]) == 140
    assert {dict(point.series.labels)["kind"] for point in world.points("spanloom_anomaly_score")} == {"shape"}


async def test_traces_with_a_part_missing_say_nothing_about_calls() -> None:
    world = World()
    await world.traces(range(100), "cart", "pay")
    for second in range(100, 140):
        spans = request(second, "cart", "pay")
        await world.take(BatchKind.TRACES, encode_traces([sampled_trace(spans[1:])]))
    assert not world.stored


async def test_one_wrong_clock_does_not_close_the_window_of_all() -> None:
    world = World()
    await world.traces(range(100), "cart", "pay")
    late = [replace(span, end=span.end + 10**6 * SECOND) for span in request(100, "cart", "pay")]
    await world.take(BatchKind.TRACES, encode_traces([sampled_trace(late)]))
    await world.traces(range(100, 140), "cart")
    assert len(world.stored) == 2


async def test_a_service_that_fails_loudly_and_falls_silent_is_reported_while_others_are_heard() -> None:
    world = World()
    await usual(world, range(200))
    await world.logs(205, *(f"card {n} refused" for n in range(50)), severity=17)
    await world.traces(range(206, 212), "cart")
    assert not world.stored
    await world.traces(range(212, 230), "cart")
    assert {document.body["kind"] for document in world.stored.values()} == {"log"}


async def test_a_series_whose_clock_was_ahead_once_is_scored_as_before() -> None:
    world, memory = World(), Series("memory_usage_bytes", (("service_name", "pay"),))
    for second in range(200):
        world.time = START + second * SECOND
        stamp = world.time + (10**6 * SECOND if second == 100 else 0)
        value = 9e9 if second == 199 else 1e9 + 1e6 * (second % 7)
        await world.take(BatchKind.POINTS, codec.encode_points([Point(memory, stamp, value)]))
    (anomaly,) = (document.body for document in world.stored.values())
    assert (anomaly["end"], anomaly["seen"]) == (START + 199 * SECOND, 9e9)
    assert world.stage.dropped["points_late"] == 0


async def bad_day(world: World) -> set[str]:
    """A burst of failing lines, a call that is no longer made, and a jump of a series; gives the kinds of what was found."""
    memory = Series("memory_usage_bytes", (("service_name", "pay"),))
    for second in range(230):
        world.time = START + second * SECOND
        value = 9e9 if second == 210 else 1e9 + 1e6 * (second % 7)
        await world.take(BatchKind.POINTS, codec.encode_points([Point(memory, world.time, value)]))
        await usual(world, range(second, second + 1))
        if second == 205:
            await world.logs(second, *(f"card {n} refused" for n in range(50)), severity=17)
        await world.traces(range(second, second + 1), *(("cart", "pay") if second < 180 else ("cart",)))
    return {document.body["kind"] for document in world.stored.values()}


async def test_each_detector_can_be_switched_off_by_itself() -> None:
    off = {"enabled": False}
    assert await bad_day(World()) == {"log", "shape", "metric", "trace"}
    assert await bad_day(World(logs=off)) == {"shape", "metric", "trace"}
    assert await bad_day(World(trace_shapes=off)) == {"log", "metric", "trace"}
    assert await bad_day(World(series=off)) == {"log", "shape", "trace"}
    assert await bad_day(World(whole_traces=off)) == {"log", "shape", "metric"}


async def test_rules_see_log_counts_also_where_no_detector_looks_at_logs() -> None:
    on, off = World(), World(logs={"enabled": False})
    for world in (on, off):
        await usual(world, range(60))
    assert off.points(LOG_RECORDS) == on.points(LOG_RECORDS) != []
    assert {name for _, name in off.table} == set()


async def test_a_threshold_decides_what_is_an_anomaly() -> None:
    assert "metric" in await bad_day(World(series={"min_change": 7.0}))
    assert "metric" not in await bad_day(World(series={"min_change": 9.0}))


def depth(second: int, value: float) -> bytes:
    return codec.encode_points(
        [Point(Series("queue_wait_seconds", (("service_name", "cart"),)), START + second * SECOND, value)]
    )


async def depths(world: World, seconds: range, high: int) -> None:
    """A wait of about 0.1 s, and of 30 s in one second."""
    for second in seconds:
        world.time = START + second * SECOND
        await world.take(BatchKind.POINTS, depth(second, 30.0 if second == high else 0.1 + second % 7 / 1000))


def marked(document: Document, verdict: MarkVerdict, at: int, environment: str = "default") -> bytes:
    """A mark of a stored anomaly, as stage 4 sends it."""
    body = document.body | {"environment": environment}
    fields: dict[str, Any] = {"verdict": verdict.value}
    mark = mark_of(Subject.ANOMALY, document.id, body, fields, "ann", at)
    return codec.encode_bodies([mark.model_dump(mode="json")])


async def test_what_is_marked_as_expected_is_not_reported_again_and_other_series_are() -> None:
    world = World()
    await depths(world, range(300), high=250)
    (first,) = {document.id: document for document in world.stored.values()}.values()
    await world.take(BatchKind.MARKS, marked(first, MarkVerdict.EXPECTED, world.time))
    await depths(world, range(300, 700), high=650)
    assert list(world.stored) == [first.id]
    assert world.stage.withheld["expected"] == 1
    unmarked = World()
    await depths(unmarked, range(700), high=250)
    await depths(unmarked, range(700, 1000), high=950)
    assert len(unmarked.stored) == 2


async def test_detectors_learn_the_same_with_marks_as_without() -> None:
    plain, said = World(), World()
    for world in (plain, said):
        await depths(world, range(300), high=250)
    (first,) = said.stored.values()
    await said.take(BatchKind.MARKS, marked(first, MarkVerdict.EXPECTED, said.time))
    for world in (plain, said):
        await depths(world, range(300, 700), high=650)
        world.time += SAVE_EVERY
        await world.take(BatchKind.POINTS, depth(700, 0.1))
    assert said.table[0, "scores"] == plain.table[0, "scores"]
    assert len(plain.stored) == 2


async def test_marks_are_kept_before_their_record_is_done_and_a_record_read_again_meets_the_same() -> None:
    world = World()
    await depths(world, range(300), high=250)
    (first,) = world.stored.values()
    await world.take(BatchKind.MARKS, marked(first, MarkVerdict.EXPECTED, world.time))
    world.restart()
    await world.take(BatchKind.MARKS, marked(first, MarkVerdict.EXPECTED, world.time))  # read again
    assert len(orjson.loads(world.table[0, "marks"])["marks"]) == 1
    world.table.pop((0, "scores"), None)
    await depths(world, range(300), high=250)  # read again, too: it ends before the mark
    await depths(world, range(300, 700), high=650)
    assert list(world.stored) == [first.id]
    assert world.stage.counts.anomalies == 1


async def test_marks_of_a_stranger_that_have_another_form_are_refused() -> None:
    world = World()
    with pytest.raises(DecodeError, match="verdict"):
        await world.take(BatchKind.MARKS, b'[{"subject": "anomaly", "id": "a", "verdict": "maybe"}]')
