"""kill -9 of `spanloom up` while metrics arrive: each sample is in the store of samples, once, and rolled up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx2
import numpy as np
import pytest

from components.durations import MINUTE, SECOND
from spanloom import clock
from stores.duckdb.samples import DuckDbSampleStore
from stores.samples.levels import Level
from stores.samples.store import series_id
from telemetry import otlp
from telemetry.metrics import DataPoint, Metric, MetricType
from telemetry.resource import Resource
from tests.system.processes import Up

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

HOSTS, STEPS, EVERY = 3, 240, 5 * SECOND
KILLED_AT = (80, 170)


def request(step: int, start: int) -> bytes:
    """The points of all hosts at a step."""
    at = start + step * EVERY
    points = [DataPoint(at, attributes={"host": f"h{host}"}, value=value(step, host)) for host in range(HOSTS)]
    return otlp.encode_metrics([Metric("room_temperature", MetricType.GAUGE, (point,), Resource({})) for point in points])


def value(step: int, host: int) -> float:
    return (step * 7 + host) % 11 + 0.5


def send(up: Up, body: bytes) -> None:
    """Until it is acknowledged."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            answer = httpx2.post(
                f"{up.otlp}/v1/metrics", content=body, headers={"content-type": "application/x-protobuf"}, timeout=20
            )
            if answer.is_success:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError((up.folder / "up.log").read_text()[-3000:])


def wait_seen(up: Up, samples: int) -> None:
    """Until a query over all of the time finds so many samples."""
    deadline, found = time.monotonic() + 180, None
    while time.monotonic() < deadline:
        query = {"query": "sum(count_over_time(room_temperature[2h]))"}
        found = httpx2.get(f"{up.console}/prometheus/api/v1/query", params=query, headers=up.proof, timeout=60).text
        if f'"{samples}"' in found:
            return
        time.sleep(0.5)
    raise AssertionError(f"{found}; log: {(up.folder / 'up.log').read_text()[-3000:]}")


async def test_each_sample_is_stored_once_over_kills(tmp_path: Path) -> None:
    up = Up(tmp_path, SPANLOOM_SAMPLES__FLUSH_SECONDS="0.5", SPANLOOM_ACT__LOOK_BACK="5")
    up.start()
    up.wait_ready()
    start = (clock.system() - 21 * MINUTE) // MINUTE * MINUTE
    for step in range(STEPS):
        if step in KILLED_AT:
            up.kill()
            up.start()
            up.wait_ready()
        send(up, request(step, start))
    wait_seen(up, HOSTS * STEPS)
    up.stop()
    store = DuckDbSampleStore(up.store_file.with_suffix(".samples.duckdb"))
    try:
        for host in range(HOSTS):
            (labels,) = [
                one.labels
                for one in await store.series("default")
                if dict(one.labels)["__name__"] == "room_temperature" and dict(one.labels)["host"] == f"h{host}"
            ]
            ids = np.array([series_id("default", labels)], np.int64)
            found = await store.samples(ids, 0, 2**62)
            assert found.times.tolist() == [start + step * EVERY for step in range(STEPS)]
            assert found.values.tolist() == [value(step, host) for step in range(STEPS)]
            until = await store.rolled_until("default", Level.MINUTE)
            buckets = await store.rollups(ids, Level.MINUTE, start, until)
            assert buckets.count.sum() == (until - start) // EVERY
            assert buckets.sum.sum() == sum(value(step, host) for step in range(1, (until - start) // EVERY + 1))
    finally:
        await store.close()
