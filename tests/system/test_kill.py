"""kill -9 of `spanloom up` at random moments: what is stored equals what an undisturbed run stores.

Where the native core is installed it is what gets killed; the undisturbed run is in Python alone.
"""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx2
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from components.durations import SECOND
from processors.series.edge_counts import CALLS, DURATION, FAILURES
from stores.duckdb.samples import DuckDbSampleStore
from stores.duckdb.store import DuckDbStore
from stores.samples.levels import Level
from tests.system.exactness import QUICK, assert_same, documents, points_of, send_all, spans_of, traces_of
from tests.system.processes import Up

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

TRACES = 2500
KILLS = 10
KEPT = {f"SPANLOOM_SAMPLES__{level}_DAYS": "4000" for level in ("RAW", "FIVE_SECOND")}
"""The telemetry is of 2023, but for what has no time, which is of today."""


def wait_settled(up: Up, seconds: float = 180.0) -> None:
    """Wait until every record is done with; what rules look back at stays held."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        lag = dict(up.status()["lag"])
        lag.pop("spanloom-signals", None)
        if lag and not any(lag.values()):
            return
        time.sleep(0.2)
    raise AssertionError(f"not settled: {up.status()}; log: {(up.folder / 'up.log').read_text()[-2000:]}")


def wait_counted(up: Up, seconds: float = 180.0) -> None:
    """Wait until stage 4 has read all that it was sent, and its samples are stored."""
    deadline, found = time.monotonic() + seconds, {}
    while time.monotonic() < deadline:
        text = httpx2.get(f"{up.console}/metrics", headers=up.proof, timeout=60).text
        found = {
            f"{sample.name}{''.join(sample.labels.values())}": sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        unread = found.get("spanloom_lag_recordsspanloom-signals", 1) - found.get("spanloom_in_flight_recordsact", 0)
        if unread <= 0 and not found.get("spanloom_stored_samples_waiting", 1):
            return
        time.sleep(0.2)
    raise AssertionError(f"not counted: {found}")


async def stored(up: Up) -> dict[str, Any]:
    """What is stored, corrections folded in."""
    store, samples = DuckDbStore(up.store_file), DuckDbSampleStore(up.store_file.with_suffix(".samples.duckdb"))
    try:
        return await documents(store) | {"counted": await counted(samples)}
    finally:
        await store.close()
        await samples.close()


async def counted(samples: DuckDbSampleStore) -> dict[Any, Any]:
    """The samples of the edges that are not zero, and their buckets of 5 s up to the last, which time has to close."""
    named = [(one, dict(one.labels)["__name__"]) for one in await samples.series(None)]
    of_edges = {one.id: (one.environment, one.labels) for one, name in named if name.startswith((CALLS, FAILURES, DURATION))}
    all_ = np.array(sorted(of_edges), np.int64)
    found = await samples.samples(all_, 0, 2**62)
    buckets = await samples.rollups(all_, Level.SECONDS, 0, int(found.times.max()) - 15 * SECOND)
    ids, times = [*found.ids.tolist(), *buckets.ids.tolist()], [*found.times.tolist(), *(-buckets.ends).tolist()]
    values = np.round(np.concatenate((found.values, buckets.sum)), 6).tolist()
    return {(of_edges[id_], time): value for id_, time, value in zip(ids, times, values, strict=True) if value}


def run(folder: Path, kills: int, **settings: str) -> Up:
    """Send everything while killing so many times."""
    folder.mkdir()
    up = Up(folder, **QUICK, **KEPT, **settings)
    up.start()
    try:
        up.wait_ready()
        done = threading.Event()
        sender = threading.Thread(target=send_all, args=(up.otlp, TRACES, 0.02 if kills else 0.0, done), daemon=True)
        sender.start()
        chance = random.Random(11)
        for _ in range(kills):
            time.sleep(chance.uniform(0.1, 2.0))
            up.kill()
            up.start()
            if chance.random() < 0.7:  # some kills hit a start
                up.wait_ready()
        up.wait_ready()
        assert done.wait(400)  # the test's own limit of time is 900 s: a machine at fifteen times its load is within
        wait_settled(up)
        wait_counted(up)
    finally:
        up.stop()
    return up


async def test_documents_after_ten_kills_equal_those_of_an_undisturbed_run(tmp_path: Path) -> None:
    undisturbed = await stored(run(tmp_path / "undisturbed", 0, SPANLOOM_NATIVE="off"))
    assert len(undisturbed["spans"]) == spans_of(TRACES)
    assert len(undisturbed["traces"]) == traces_of(TRACES)
    assert len(undisturbed["metrics"]) == points_of(TRACES)
    assert sum(bool(trace["exemplars"]) for trace in undisturbed["traces"].values()) == TRACES
    received = [hop for hop in undisturbed["hops"].values() if hop["callee"]["name"] == "mail" and hop["link"]]
    assert sum(hop["caller"]["kind"] == "service" and hop["queue_wait"] > 0 for hop in received) == TRACES
    assert sum(calls for calls, *_ in undisturbed["edges"].values()) == len(undisturbed["hops"])
    calls = sum(
        value for ((_, of), time), value in undisturbed["counted"].items() if dict(of)["__name__"] == CALLS and time > 0
    )
    assert calls == len(undisturbed["hops"])
    killed = await stored(run(tmp_path / "killed", KILLS))
    assert_same(undisturbed, killed)
