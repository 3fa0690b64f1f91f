"""Samples on their way into the store: nothing is lost while it is away, and nothing is there twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerting.rules.samples import Samples
from alerting.stored_samples import recorder as recording
from alerting.stored_samples.recorder import NEVER, SampleRecorder
from components.durations import MINUTE, SECOND
from stores.duckdb.samples import DuckDbSampleStore
from stores.samples.store import series_id
from telemetry.errors import StoreError
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from stores.samples.store import SampleBatch

START = 1_700_000_000 * SECOND
UP = (("__name__", "up"), ("job", "a"))


class SometimesDown(DuckDbSampleStore):
    """A store that is away for some calls."""

    failures = 0

    async def write(self, batches: Sequence[SampleBatch]) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreError("away")
        await super().write(batches)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SometimesDown]:
    opened = SometimesDown(tmp_path / "samples.duckdb")
    yield opened
    await opened.close()


def points(*seconds: int, job: str = "a") -> list[Point]:
    return [Point(Series("up", (("job", job),), False), START + second * SECOND, float(second)) for second in seconds]


def recorded(store: DuckDbSampleStore) -> tuple[SampleRecorder, Samples]:
    recorder, samples = SampleRecorder(store, lambda: START), Samples()
    samples.journal = recorder.journal("default", lambda: samples.newest)
    return recorder, samples


async def stored(
    store: DuckDbSampleStore, labels: tuple[tuple[str, str], ...] = UP, environment: str = "default"
) -> list[float]:
    found = await store.samples(np.array([series_id(environment, labels)], np.int64), 0, 2**62)
    return [float(value) for value in found.values]


async def test_what_rules_see_is_stored_what_they_refuse_is_not(store: SometimesDown) -> None:
    recorder, samples = recorded(store)
    samples.add(points(0, 10, 20, 10))
    samples.append((("__name__", "recorded"),), START, 7.0)
    await recorder.flush()
    samples.add(points(30))
    samples.add(points(20 - 7200))
    await recorder.flush()
    assert await stored(store) == [0, 10, 20, 30]
    assert await stored(store, (("__name__", "recorded"),)) == [7]
    assert recorder.waiting == 0


async def test_after_a_crash_the_same_comes_again_and_changes_nothing(store: SometimesDown) -> None:
    recorder, samples = recorded(store)
    samples.add(points(0, 10))
    await recorder.flush()
    recorder, samples = recorded(store)
    samples.add(points(0, 10, 20))
    await recorder.flush()
    assert await stored(store) == [0, 10, 20]
    assert store.counters().existing == 2


async def test_records_are_held_until_their_samples_are_stored(store: SometimesDown) -> None:
    recorder, samples = recorded(store)
    journal = samples.journal
    assert isinstance(journal, recording.SampleJournal)
    assert journal.held_from == NEVER
    samples.add(points(0))
    samples.add(points(10, 20))
    assert journal.held_from == 0
    await recorder.flush()
    assert journal.held_from == NEVER
    samples.add(points(30))
    store.failures = 2
    with pytest.raises(StoreError):
        await recorder.flush()
    samples.add(points(40))
    assert journal.held_from == START + 20 * SECOND
    with pytest.raises(StoreError):
        await recorder.flush()
    await recorder.flush()
    assert journal.held_from == START + 30 * SECOND
    await recorder.flush()
    assert journal.held_from == NEVER
    assert await stored(store) == [0, 10, 20, 30, 40]


async def test_a_store_that_is_away_holds_up_nobody(store: SometimesDown) -> None:
    recorder, samples = recorded(store)
    samples.add(points(0))
    store.failures = 1
    recorder.tick()
    await recorder.close()
    assert recorder.counts.failed_flushes == 1
    assert await stored(store) == [0]


async def test_what_waits_is_bounded_and_what_is_dropped_counted(store: SometimesDown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_WAITING", 3)
    recorder, samples = recorded(store)
    samples.add(points(0, 10, 20, 30, 40))
    await recorder.flush()
    samples.add(points(50))
    await recorder.flush()
    assert await stored(store) == [0, 10, 20, 50]
    assert recorder.counts.dropped == 2
    assert len(samples.select(())[0].times) == 6


async def test_an_environment_that_is_let_go_leaves_nothing_waiting(store: SometimesDown) -> None:
    recorder, samples = recorded(store)
    journal = samples.journal
    assert isinstance(journal, recording.SampleJournal)
    samples.add(points(0))
    journal.close()
    journal.close()
    assert recorder.waiting == 0
    await recorder.flush()
    assert await stored(store) == []


async def test_over_all_environments_only_what_rules_record_is_stored(store: SometimesDown) -> None:
    recorder, samples = SampleRecorder(store, lambda: START), Samples()
    samples.journal, samples.journals_points = recorder.journal("*", lambda: samples.newest), False
    samples.add(points(0))
    samples.append((("__name__", "recorded"),), START, 7.0)
    await recorder.flush()
    assert [one.labels for one in await store.series("*")] == [(("__name__", "recorded"),)]


async def test_time_goes_on_for_rollups_though_nothing_new_comes(store: SometimesDown) -> None:
    recorder, samples = recorded(store)
    samples.add(points(0))
    await recorder.flush()
    samples.add(points(0), START + 5 * MINUTE)
    newest = START + 5 * MINUTE
    samples.journal = recorder.journal("default", lambda: newest)
    await recorder.flush()
    ids = np.array([series_id("default", UP)], np.int64)
    assert store.counters().rolled_up == 2
    assert len(ids) == 1


async def test_a_stop_does_not_wait_for_a_store_that_hangs(store: SometimesDown, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_batches: Sequence[SampleBatch]) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(recording, "CLOSE_SECONDS", 0.01)
    monkeypatch.setattr(store, "write", hang)
    recorder, samples = recorded(store)
    samples.add(points(0))
    recorder.tick()
    await recorder.close()
    assert recorder.waiting == 1


EDGE_LABELS = (("__name__", "spanloom_edge_calls"), ("client", "a"), ("server", "b"))


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(1, 6), st.integers(-3, 9)), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_deltas_add_up_once_over_repetition_order_and_crashes(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, int, int]], chance: random.Random
) -> None:
    """Windows up to 80 minutes apart: what the rules' memory does not hold any more is corrected in the store."""
    deltas = {(step, number): value for step, number, value in drawn}
    expected: dict[int, float] = {}
    for (step, _), value in deltas.items():
        expected[START + step * 10 * MINUTE] = expected.get(START + step * 10 * MINUTE, 0.0) + value
    arriving = [*deltas.items(), *chance.choices(list(deltas.items()), k=10)]
    chance.shuffle(arriving)

    async def run() -> None:
        store = DuckDbSampleStore(tmp_path_factory.mktemp("deltas") / "samples.duckdb")
        recorder, samples = recorded(store)
        for (step, number), value in arriving:
            at = START + step * 10 * MINUTE
            samples.add_delta([Point(Series("spanloom_edge_calls", EDGE_LABELS[1:]), at, float(value))], number, at)
            if chance.random() < 0.1:
                await recorder.flush()
            if chance.random() < 0.1:  # what was flushed is there, the rest comes again
                await recorder.flush()
                recorder, samples = recorded(store)
        await recorder.flush()
        found = await store.samples(np.array([series_id("default", EDGE_LABELS)], np.int64), 0, 2**62)
        assert dict(zip(found.times.tolist(), found.values.tolist(), strict=True)) == expected
        await store.close()

    asyncio.run(run())
