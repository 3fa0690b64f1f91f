"""What every store of samples does alike. The oracle is a dictionary of samples and a loop over it."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from components.durations import HOUR, MINUTE, SECOND
from spanloom.components import STORES
from stores.component import StoreContext
from stores.samples.levels import DAY, ROLLUPS, Level
from stores.samples.store import Labels, SampleBatch, SampleLimits, series_id
from telemetry.metrics import STALE, is_stale
from tests.contracts.conftest import CASES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from stores.samples.store import RollupColumns, SampleStore

NOON = 1_700_000_000 * SECOND // HOUR * HOUR
EVERY = 15 * SECOND
Rows = list[tuple[Labels, int, float]]
Open = Callable[..., Awaitable["SampleStore"]]


@pytest.fixture(params=[one.name for one in STORES if one.build_samples is not None])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[SampleStore]]]:
    (component,) = (one for one in STORES if one.name == request.param)
    url = await CASES[component.name](request, tmp_path)
    namespace = uuid.uuid4().hex
    opened: list[SampleStore] = []

    async def make(limits: SampleLimits | None = None) -> SampleStore:
        for each in opened:
            await each.close()
        assert component.build_samples is not None
        config, context = component.example_config(), StoreContext(url, namespace)
        opened.append(component.build_samples(config, context, limits or SampleLimits()))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()
        await each.close()


def labels(number: int, name: str = "requests_total") -> Labels:
    return (("__name__", name), ("instance", f"i{number}"))


def batch(rows: Rows, environment: str = "default", newest: int = 0, deltas: Sequence[int] | None = None) -> SampleBatch:
    ids = [series_id(environment, of) for of, _, _ in rows]
    return SampleBatch(
        environment,
        dict(zip(ids, (of for of, _, _ in rows), strict=True)),
        np.array(ids, np.int64),
        np.array([time for _, time, _ in rows], np.int64),
        np.array([value for _, _, value in rows], np.float64),
        newest or max(time for _, time, _ in rows),
        None if deltas is None else np.array(deltas, np.int64),
    )


async def samples_of(store: SampleStore, of: Labels, environment: str = "default") -> list[tuple[int, float]]:
    found = await store.samples(np.array([series_id(environment, of)], np.int64), 0, 2**62)
    return list(zip(found.times.tolist(), found.values.tolist(), strict=True))


def counter(number: int, hours: int = 3) -> Rows:
    """A counter that falls to zero now and then, with a gap and a stale marker in it."""
    rows, value = [], float(number)
    for i in range(hours * HOUR // EVERY):
        value = 0.5 if (i + 7 * number) % 131 == 0 else value + (i * 7919 + number) % 13 / 8
        if i % 200 < 190:
            rows.append((labels(number), NOON + i * EVERY, value))
        elif i % 200 == 190:
            rows.append((labels(number), NOON + i * EVERY, STALE))
    return rows


def expected_rollups(rows: Rows, level: Level, until: int) -> dict[tuple[int, int], tuple[float, ...]]:
    """By series and end of the bucket."""
    buckets: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for of, time, value in rows:
        end = level.end_of(time)
        if end <= until and not is_stale(value):
            buckets.setdefault((series_id("default", of), end), []).append((time, value))
    made: dict[tuple[int, int], tuple[float, ...]] = {}
    for key, held in buckets.items():
        values = [value for _, value in sorted(held)]
        numbers = [value for value in values if not math.isnan(value)] or [math.nan]
        falls = [before for before, value in pairwise(values) if value < before]
        changes = sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in pairwise(values))
        times = sorted(time for time, _ in held)
        made[key] = (
            len(values), math.fsum(values), min(numbers), max(numbers), values[0], times[0], values[-1], times[-1],
            math.fsum(falls), len(falls), changes,
        )  # fmt: skip
    return made


def by_bucket(found: RollupColumns) -> dict[tuple[int, int], tuple[float, ...]]:
    columns = [
        found.count, found.sum, found.least, found.most, found.first, found.first_time, found.last, found.last_time,
        found.lost, found.resets, found.changes,
    ]  # fmt: skip
    keys = zip(found.ids.tolist(), found.ends.tolist(), strict=True)
    return dict(zip(keys, zip(*(column.tolist() for column in columns), strict=True), strict=True))


async def assert_rolled_up(store: SampleStore, rows: Rows) -> None:
    ids = np.array(sorted({series_id("default", of) for of, _, _ in rows}), np.int64)
    for level in ROLLUPS:
        until = await store.rolled_until("default", level)
        assert until == (max(time for _, time, _ in rows) - level.grace) // level.width * level.width
        found, expected = by_bucket(await store.rollups(ids, level, 0, 2**62)), expected_rollups(rows, level, until)
        assert found.keys() == expected.keys()
        for key, numbers in expected.items():
            assert found[key] == pytest.approx(numbers, rel=1e-12, nan_ok=True), (level, key)


async def test_samples_come_back_as_they_were(open_store: Open) -> None:
    store = await open_store()
    values = [1.5, -0.0, math.inf, -math.inf, math.nan, STALE, 5e-324, 1.7e308]
    rows = [(labels(1), NOON + i * EVERY + i, value) for i, value in enumerate(values)]
    await store.write([batch(rows)])
    found = await samples_of(store, labels(1))
    assert [time for time, _ in found] == [time for _, time, _ in rows]
    assert list(map(repr, (value for _, value in found))) == list(map(repr, values))
    assert [is_stale(value) for _, value in found] == [is_stale(value) for value in values]


async def test_writing_twice_changes_nothing_and_the_first_value_stays(open_store: Open) -> None:
    store = await open_store()
    rows = counter(1, 1)
    await store.write([batch(rows)])
    await store.write([batch(rows), batch(rows[:3])])
    await store.write([batch([(of, time, value + 1) for of, time, value in rows])])
    assert len(await samples_of(store, labels(1))) == len(rows)
    assert store.counters().written == len(rows)
    assert store.counters().existing == 2 * len(rows) + 3
    await assert_rolled_up(store, rows)


async def test_rollups_are_exact_in_any_order_and_repetition(open_store: Open) -> None:
    rows = [row for number in range(3) for row in counter(number)]
    chance = np.random.default_rng(11)
    late = [rows[i] for i in chance.permutation(len(rows))[: len(rows) // 10]]
    in_time = sorted((row for row in rows if row not in late), key=lambda row: row[1])
    store = await open_store()
    newest = 0
    for part in (in_time[i : i + 500] for i in range(0, len(in_time), 500)):
        newest = max(newest, *(time for _, time, _ in part))
        await store.write([batch(part, newest=newest)])
    newest = max(time for _, time, _ in rows)
    for part in (late[i : i + 100] for i in range(0, len(late), 100)):
        await store.write([batch(part, newest=newest)])
        await store.write([batch(part, newest=newest)])
    await assert_rolled_up(store, rows)


async def test_what_was_written_is_there_after_a_start_and_goes_on(open_store: Open) -> None:
    rows = counter(1)
    store = await open_store()
    await store.write([batch(rows[:350])])
    store = await open_store()
    await store.write([batch(rows[300:])])
    assert len(await samples_of(store, labels(1))) == len(rows)
    await assert_rolled_up(store, rows)


async def test_a_delta_corrects_once_what_is_stored_and_rolled_up(open_store: Open) -> None:
    rows = [(labels(1), NOON + i * EVERY, float(i % 5)) for i in range(500)]
    store = await open_store()
    await store.write([batch(rows)])
    correction = batch(
        [(labels(1), NOON + 10 * EVERY, 3.0), (labels(1), NOON + 10 * EVERY, -1.0)], newest=rows[-1][1], deltas=[7, 8]
    )
    await store.write([correction])
    await store.write([correction])
    store = await open_store()
    await store.write([correction])
    rows[10] = (*rows[10][:2], rows[10][2] + 2.0)
    assert dict(await samples_of(store, labels(1)))[NOON + 10 * EVERY] == rows[10][2]
    await assert_rolled_up(store, rows)


async def test_environments_are_apart(open_store: Open) -> None:
    store = await open_store()
    rows = counter(1, 1)
    await store.write([batch(rows), batch([(of, time - 2 * HOUR, 1.0) for of, time, _ in rows], "staging")])
    assert {(one.environment, one.labels) for one in await store.series(None)} == {
        ("default", labels(1)),
        ("staging", labels(1)),
    }
    assert [one.labels for one in await store.series("staging")] == [labels(1)]
    assert await store.rolled_until("staging", Level.HOUR) == NOON - 2 * HOUR
    await assert_rolled_up(store, rows)


async def test_series_are_bounded_in_all_and_of_an_environment(open_store: Open) -> None:
    store = await open_store(SampleLimits(series=5, series_per_environment=3))
    await store.write([batch([(labels(i), NOON + EVERY, 1.0) for i in range(4)], name) for name in ("a", "b")])
    assert len(await store.series("a")) == 3
    assert len(await store.series("b")) == 2
    assert store.counters().series_refused == 3
    assert store.counters().refused == 3
    store = await open_store(SampleLimits(series=5, series_per_environment=3))
    await store.write([batch([(labels(9), NOON + EVERY, 1.0)], "c")])
    assert await store.series("c") == []


def of_job(job: str, number: int) -> Labels:
    return (("__name__", "hits_total"), ("job", job), ("user", f"u{number}"))


async def test_the_series_of_one_sender_leave_room_for_others(open_store: Open) -> None:
    """A label with an id in it fills the share of its own service, in whatever order, and after a start as before."""
    limits = SampleLimits(series=100, series_per_environment=50, series_per_sender=10)
    store = await open_store(limits)
    await store.write([batch([(of_job("flood", i), NOON + EVERY, 1.0) for i in range(80)])])
    await store.write([batch([(of_job("shop", i), NOON + 2 * EVERY, 1.0) for i in range(10)])])
    store = await open_store(limits)
    await store.write([batch([(of_job("flood", i), NOON + 3 * EVERY, 1.0) for i in range(70, 90)])])
    await store.write([batch([(of_job("shop", i), NOON + 3 * EVERY, 1.0) for i in range(11)])])
    await store.write([batch([(of_job("flood", i), NOON + 3 * EVERY, 1.0) for i in range(3)], "staging")])
    known = [dict(one.labels)["job"] for one in await store.series("default")]
    assert (known.count("flood"), known.count("shop")) == (10, 10)
    assert len(await samples_of(store, of_job("shop", 3))) == 2
    assert len(await store.series("staging")) == 3
    assert store.counters().series_refused == 21
    told = store.refusals.recent("default", NOON + 3 * EVERY)
    assert [text.split(" are refused")[0] for text in told] == ['new series of "flood"', 'new series of "shop"']
    assert "10 are there, which is the bound samples.series_per_sender" in told[0]
    assert store.refusals.recent("staging", NOON + 3 * EVERY) == []


async def test_each_level_is_kept_for_its_time(open_store: Open) -> None:
    kept = {Level.RAW: 2 * HOUR, Level.SECONDS: HOUR, Level.MINUTE: 3 * HOUR, Level.HOUR: 40 * HOUR}
    store = await open_store(SampleLimits(kept=kept))
    old = [(labels(0), NOON - 50 * HOUR, 1.0)]
    rows = counter(1, 5)
    await store.write([batch(old)])
    for start in range(0, len(rows), 400):
        await store.write([batch(rows[start : start + 400])])
    end = rows[-1][1]
    assert await store.retain(end) > 0
    ids = np.array([series_id("default", labels(n)) for n in (0, 1)], np.int64)
    assert (await store.samples(ids, 0, 2**62)).times.min() > end - 2 * HOUR
    for level in ROLLUPS:
        assert (await store.rollups(ids, level, 0, 2**62)).ends.min() > end - kept[level]
    assert [one.labels for one in await store.series("default")] == [labels(1)]
    await store.write([batch(old, newest=end)])
    assert store.counters().too_old == 1


async def test_reading_and_writing_at_once(open_store: Open) -> None:
    store = await open_store()
    rows = counter(1)
    parts = [rows[start : start + 60] for start in range(0, len(rows), 60)]
    ids = np.array([series_id("default", labels(1))], np.int64)
    await asyncio.gather(
        *(store.write([batch(part, newest=rows[-1][1])]) for part in parts),
        *(store.rollups(ids, Level.MINUTE, 0, 2**62) for _ in parts),
    )
    await assert_rolled_up(store, rows)


def test_the_number_of_a_series_never_changes() -> None:
    assert series_id("default", (("__name__", "up"), ("job", "a"))) == series_id("default", (("__name__", "up"), ("job", "a")))
    assert len({series_id("a", (("b", "c"),)), series_id("ab", (("", "c"),)), series_id("a", (("bc", ""),))}) == 3
    assert DAY == 24 * HOUR == 1440 * MINUTE
