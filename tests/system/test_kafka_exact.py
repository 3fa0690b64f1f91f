"""One of three workers killed, Kafka bounced, Elasticsearch away for a while: the documents are those of an undisturbed run.

The undisturbed run is of the embedded deployment, so it also shows that both deployments are one application.
SPANLOOM_EXACT_SPANS sets the size: `make test-exact` takes half a million.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from typing import TYPE_CHECKING

import pytest

from stores.duckdb import DuckDbStore
from stores.elasticsearch import open_elasticsearch
from telemetry.documents import Kind
from tests.system.cluster import ALL, Cluster
from tests.system.exactness import QUICK, assert_same, documents, send_all
from tests.system.processes import Up
from tests.system.test_kill import wait_settled

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

pytestmark = [pytest.mark.system, pytest.mark.timeout(3600)]

TRACES = int(os.environ.get("SPANLOOM_EXACT_SPANS", "24000")) // 12 // 20 * 20
WORKERS = 3
PATIENCE = 300 + TRACES / 20


def run_embedded(folder: Path) -> Path:
    """The file with its documents."""
    folder.mkdir()
    up = Up(folder, **QUICK)
    up.start()
    try:
        up.wait_ready()
        send_all(up.otlp, TRACES, 0.0, threading.Event())
        wait_settled(up, PATIENCE)
    finally:
        up.stop()
    return up.store_file


async def undisturbed(folder: Path) -> dict[str, Any]:
    store = DuckDbStore(await asyncio.to_thread(run_embedded, folder))
    try:
        return await documents(store)
    finally:
        await store.close()


async def disturbed(folder: Path) -> dict[str, Any]:
    with Cluster(folder, *[ALL] * WORKERS, **QUICK) as cluster:
        done = threading.Event()
        sender = threading.Thread(target=send_all, args=(cluster.collector.otlp, TRACES, 0.02, done), daemon=True)
        sender.start()
        await asyncio.to_thread(disturb, cluster, random.Random(11), done)
        await wait_drained(cluster)
        assert all("spanloom_spans_received_total" in worker.metrics() for worker in cluster.workers)
        store = open_elasticsearch(f"http://127.0.0.1:{cluster.elasticsearch.port}")
        try:
            await store.refresh([Kind.SPAN, Kind.LOG, Kind.TRACE, Kind.HOP, Kind.EDGE])
            return await documents(store)
        finally:
            await store.close()


def disturb(cluster: Cluster, chance: random.Random, done: threading.Event) -> None:
    """Kill workers at random moments, the first while all is well, others while Kafka and Elasticsearch are away."""

    def kill_one(away: float) -> None:
        victim = chance.choice(cluster.workers)
        victim.kill()
        time.sleep(away)
        victim.start()

    time.sleep(chance.uniform(2, 6))
    kill_one(chance.uniform(0, 2))
    time.sleep(chance.uniform(3, 8))
    cluster.kafka.stop()
    kill_one(chance.uniform(0, 2))
    cluster.kafka.start()
    time.sleep(chance.uniform(5, 10))
    cluster.elasticsearch.stop()
    kill_one(chance.uniform(3, 8))
    time.sleep(chance.uniform(3, 8))
    cluster.elasticsearch.start()
    while not done.wait(chance.uniform(5, 15)):
        kill_one(chance.uniform(0, 5))
    kill_one(0)  # while what is open drains


async def wait_drained(cluster: Cluster) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        lag = await cluster.lag()
        if not any(lag.values()):
            return
        logs = [worker.log.read_text()[-1500:] for worker in cluster.workers]
        assert time.monotonic() < deadline, (lag, *logs)
        await asyncio.sleep(1)


async def test_documents_in_elasticsearch_equal_those_of_an_undisturbed_embedded_run(tmp_path: Path) -> None:
    expected = await undisturbed(tmp_path / "undisturbed")
    assert len(expected["spans"]) == TRACES * 12
    assert_same(expected, await disturbed(tmp_path / "disturbed"))
