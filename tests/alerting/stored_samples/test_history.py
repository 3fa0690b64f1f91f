"""Rules over hours and days read rollups. The oracle reads all the samples, over the range that the rollups cover."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from alerting.promql.expression import LOOKBACK, compile_expression
from alerting.promql.vectors import EvaluationError
from alerting.rules.samples import Limits, Samples
from alerting.stored_samples import history as reading
from alerting.stored_samples.history import StoredHistory
from alerting.stored_samples.recorder import SampleRecorder
from components.durations import HOUR, MINUTE, SECOND
from stores.duckdb.samples import DuckDbSampleStore
from stores.samples.levels import DAY, Level
from stores.samples.store import SampleLimits
from telemetry.metrics import STALE, Point, Series

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from alerting.promql.vectors import Vector

START = 1_700_000_000 * SECOND // HOUR * HOUR
EVERY = 20 * SECOND
HOURS = 31
UNLIMITED = Limits(text=2**62, samples=2**62, samples_per_series=2**40, retention=2**61)
LATE = 11  # each so many samples come half an hour late


def points(number: int, hours: int = HOURS) -> list[Point]:
    """A counter with resets, gaps and a stale marker, or a gauge."""
    series, value, made = Series("sent_total", (("to", f"t{number}"),), False), 0.0, []
    for i in range(hours * HOUR // EVERY):
        value = 0.25 if i % 997 == 500 + number else value + (i * 31 + number) % 7 / 4
        if i % 700 < 650 or number == 2:
            made.append(Point(series, START + i * EVERY + number, value))
        elif i % 700 == 650:
            made.append(Point(series, START + i * EVERY + number, STALE))
    return made


class World:
    """Samples in memory and in the store, and the same without any limit."""

    def __init__(self, path: Path, limits: SampleLimits | None = None) -> None:
        self.store = DuckDbSampleStore(path, limits)
        self.all = Samples(UNLIMITED)
        self.now = 0
        self.start()

    def start(self) -> None:
        """As after a start of the process."""
        self.samples = Samples()
        self.recorder = SampleRecorder(self.store, lambda: self.now)
        self.journal = self.recorder.journal("default", lambda: self.samples.newest)
        self.samples.journal = self.journal
        self.history = StoredHistory(self.store, self.samples, self.journal)

    async def feed(self, rows: Iterable[Point], chunk: int = HOUR) -> None:
        """Points in order of time, some of them late; flushed again and again."""
        parts: dict[int, list[Point]] = {}
        for i, point in enumerate(rows):
            delay = 30 * MINUTE if i % LATE == 5 else 0
            parts.setdefault((point.time + delay) // chunk, []).append(point)
        for _, part in sorted(parts.items()):
            self.samples.add(part)
            self.all.add(part)
            self.samples.retain()
            await self.recorder.flush()

    async def evaluate(self, text: str, at: int) -> tuple[Vector, list[str]]:
        """As a rule does."""
        compiled = compile_expression(text)
        self.now += HOUR
        wanted = {reach: reach.of(self.samples, at, at, LOOKBACK) for reach in compiled.reaches}
        past = await self.history.for_rules(wanted, self.now)
        return compiled.evaluate(self.samples, at, past=past), past.notes()

    def expected(self, function: str, width: int, at: int, level: int) -> Vector:
        """Over all samples since the nearest bucket's end."""
        begin = (at - width + level // 2) // level * level
        covered = (at - begin) // SECOND
        scale = width / SECOND / covered if function in {"increase", "delta"} else 1
        found = compile_expression(f"{function}(sent_total[{covered}s])").evaluate(self.all, at)
        return sorted((labels, value * scale) for labels, value in found)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "samples.duckdb")
    yield made
    await made.store.close()


def same(found: Vector, expected: Vector) -> bool:
    return sorted(labels for labels, _ in found) == [labels for labels, _ in expected] and [
        value for _, value in sorted(found)
    ] == pytest.approx([value for _, value in expected], rel=1e-9)


FUNCTIONS = [
    "rate", "increase", "delta", "avg_over_time", "sum_over_time", "count_over_time", "min_over_time", "max_over_time",
    "last_over_time", "present_over_time", "resets", "changes",
]  # fmt: skip


async def test_functions_over_rollups_are_those_over_the_samples(world: World) -> None:
    rows = sorted((point for number in range(4) for point in points(number)), key=lambda point: point.time)
    await world.feed(rows)
    newest = world.samples.newest // SECOND * SECOND
    for width, level in ((2 * HOUR, 5 * SECOND), (9 * HOUR, MINUTE), (30 * HOUR, HOUR)):
        at = newest - 7 * SECOND
        for function in FUNCTIONS:
            found, notes = await world.evaluate(f"{function}(sent_total[{width // SECOND}s])", at)
            assert same(found, world.expected(function, width, at, level)), (function, width)
            assert len(notes) >= 1


async def test_a_range_goes_on_as_time_and_late_samples_do(world: World) -> None:
    rows = sorted((point for number in range(3) for point in points(number)), key=lambda point: point.time)
    cut = len(rows) * 9 // 10
    await world.feed(rows[:cut])
    width = 9 * HOUR
    for start in range(cut, len(rows), 400):
        await world.feed(rows[start : start + 400], 5 * MINUTE)
        at = world.samples.newest // SECOND * SECOND
        found, _ = await world.evaluate("increase(sent_total[9h])", at)
        assert same(found, world.expected("increase", width, at, MINUTE))
        found, _ = await world.evaluate("avg_over_time(sent_total[30h])", at)
        assert same(found, world.expected("avg_over_time", 30 * HOUR, at, HOUR))


async def test_a_series_that_begins_later_joins(world: World) -> None:
    await world.feed(points(0, 12))
    at = world.samples.newest // SECOND * SECOND
    assert len((await world.evaluate("count_over_time(sent_total[9h])", at))[0]) == 1
    await world.feed([replace(point, time=point.time + 11 * HOUR) for point in points(1, 1)])
    found, _ = await world.evaluate("count_over_time(sent_total[9h])", at)
    assert same(found, world.expected("count_over_time", 9 * HOUR, at, MINUTE))
    assert len(found) == 2


async def test_after_a_start_the_store_has_what_memory_lost(world: World) -> None:
    rows = points(0, 12)
    await world.feed(rows)
    world.start()
    world.samples.add(rows[-15:])
    at = world.samples.newest // SECOND * SECOND
    found, _ = await world.evaluate("sum_over_time(sent_total[9h])", at)
    assert same(found, world.expected("sum_over_time", 9 * HOUR, at, MINUTE))


async def test_queries_of_the_past_get_the_samples_themselves_while_these_are_kept(world: World) -> None:
    await world.feed(points(0, 12))
    at = START + 5 * HOUR + 123 * SECOND
    for text in ("sent_total", "rate(sent_total[5m])", "quantile_over_time(0.5, sent_total[7m])", "sent_total offset 1h"):
        compiled = compile_expression(text)
        past = await world.history.for_query(compiled.reaches, at, at, LOOKBACK, 0)
        assert compiled.evaluate(world.samples, at, past=past) == compiled.evaluate(world.all, at)
        assert past.notes() == []
    compiled = compile_expression("max_over_time(rate(sent_total[5m])[3h:5m])")
    past = await world.history.for_query(compiled.reaches, at, at, LOOKBACK, 0)
    assert compiled.evaluate(world.samples, at, past=past) == compiled.evaluate(world.all, at)


async def test_queries_beyond_raw_samples_get_rollups_and_are_told(tmp_path: Path) -> None:
    kept = {Level.RAW: 3 * HOUR, Level.SECONDS: 3 * HOUR, Level.MINUTE: 400 * DAY, Level.HOUR: 400 * DAY}
    world = World(tmp_path / "samples.duckdb", SampleLimits(kept=kept))
    await world.feed(points(2, 12))
    await world.store.retain(world.samples.newest)
    at = START + 5 * HOUR
    compiled = compile_expression("increase(sent_total[10m])")
    past = await world.history.for_query(compiled.reaches, at, at, LOOKBACK, 0)
    assert same(compiled.evaluate(world.samples, at, past=past), world.expected("increase", 10 * MINUTE, at, MINUTE))
    (note,) = past.notes()
    assert "rollups of 1m" in note
    compiled = compile_expression("sent_total")
    past = await world.history.for_query(compiled.reaches, at, at, LOOKBACK, 0)
    assert compiled.evaluate(world.samples, at, past=past) == compiled.evaluate(world.all, at)
    await world.store.close()


async def test_what_is_too_much_or_too_old_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.feed(points(0, 12))
    at = world.samples.newest // SECOND * SECOND
    with pytest.raises(EvaluationError, match="samples are kept for 400d at most"):
        await world.evaluate("rate(sent_total[500d])", at)
    monkeypatch.setattr(reading, "MAX_CELLS", 5)
    with pytest.raises(EvaluationError, match="more than 5 buckets"):
        await world.evaluate("rate(sent_total[9h])", at)


async def test_a_store_that_cannot_be_read_fails_the_rule_and_is_left_alone(world: World) -> None:
    await world.feed(points(0, 12))
    at = world.samples.newest // SECOND * SECOND
    store = world.store
    world.store = World(store._path.with_name("other.duckdb")).store
    await store.close()
    with pytest.raises(EvaluationError, match="cannot be read"):
        await world.evaluate("rate(sent_total[9h])", at)
    await asyncio.sleep(0)
