"""One of three workers killed, Kafka bounced, Elasticsearch away for a while: the documents are those of an undisturbed run.

The undisturbed run is of the embedded deployment, so it also shows that both deployments are one application. It is in Python
alone, so it shows the same of the native core, where that is installed.
SPANLOOM_EXACT_SPANS sets the size: `make test-exact` takes half a million.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from elastic_transport import TransportError

from stores.duckdb.store import DuckDbStore
from stores.elasticsearch.store import open_elasticsearch
from stores.elasticsearch.templates import data_stream
from stores.store import Query
from telemetry.documents import Kind
from telemetry.errors import StoreError
from tests.system.cluster import ALL, Cluster
from tests.system.exactness import KINDS, QUICK, assert_same, documents, send_all, spans_of
from tests.system.processes import Up
from tests.system.test_kill import wait_settled

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from stores.elasticsearch.store import ElasticsearchStore

pytestmark = [pytest.mark.system, pytest.mark.timeout(3600)]

TRACES = int(os.environ.get("SPANLOOM_EXACT_SPANS", "24000")) // 12 // 20 * 20
WORKERS = 3
KILLS = 9
PATIENCE = 300 + TRACES / 20
"""Seconds that may pass until all is stored."""


def run_embedded(folder: Path) -> Path:
    """The file with its documents."""
    folder.mkdir()
    up = Up(folder, **QUICK, SPANLOOM_NATIVE="off")
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
        sender = threading.Thread(target=send_all, args=(cluster.collector.otlp, TRACES, 0.02, threading.Event()), daemon=True)
        sender.start()
        store = open_elasticsearch(f"http://127.0.0.1:{cluster.elasticsearch.port}")
        try:
            await disturb(cluster, store, random.Random(11))
            await asyncio.to_thread(sender.join, PATIENCE)
            await wait_drained(cluster)
            for worker in cluster.workers:  # the one killed last may still be starting: the others drained without it
                await asyncio.to_thread(worker.wait_ready)
            assert all("spanloom_spans_received_total" in worker.metrics() for worker in cluster.workers)
            await store.refresh(KINDS)
            return await documents(store)
        finally:
            await store.close()


async def disturb(cluster: Cluster, store: ElasticsearchStore, chance: random.Random) -> None:
    """Kill workers at random moments of the replay; during one of them Kafka is away, during another Elasticsearch.

    Half way every data stream begins a new generation, so that what is written again is looked for in the older one.
    Moments are shares of the spans that are stored, so that a slow machine sees the same crashes as a fast one.
    """
    moments = [*sorted(chance.uniform(0.02, 0.95) for _ in range(KILLS - 1)), 1.0]  # the last while open traces drain
    for crash, moment in enumerate(moments):
        await until_stored(store, moment)
        if crash == KILLS // 2:
            await begin_new_generations(store)
        victim, seconds_away = chance.choice(cluster.workers), chance.uniform(0, 5)
        service = {KILLS // 3: cluster.kafka, 2 * KILLS // 3: cluster.elasticsearch}.get(crash)
        if service is not None:
            await asyncio.to_thread(service.stop)
        victim.kill()
        await asyncio.sleep(seconds_away)
        victim.start()
        if service is not None:
            await asyncio.sleep(2 * seconds_away)
            await asyncio.to_thread(service.start)


async def begin_new_generations(store: ElasticsearchStore) -> None:
    """Return when every data stream has rolled over; an overloaded Elasticsearch may close the connection instead."""
    for kind in KINDS:
        while True:
            with suppress(TransportError):
                await store._client.indices.rollover(alias=data_stream(kind, "default"))
                break
            await asyncio.sleep(0.2)


async def until_stored(store: ElasticsearchStore, share: float) -> None:
    """Return when this share of all spans can be found."""
    while True:
        with suppress(StoreError):  # it is busy, or it starts again
            await store.refresh([Kind.SPAN])
            if await store.count(Query(Kind.SPAN)) >= share * TRACES * 12:
                return
        await asyncio.sleep(0.2)


async def wait_drained(cluster: Cluster) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        lag = await cluster.lag()
        if not any(lag.values()):
            return
        if time.monotonic() > deadline:
            logs = [f"{worker.url}:\n{worker.log.read_text()[-6000:]}" for worker in cluster.workers]
            pytest.fail("\n\n".join([f"not committed: {lag}", *logs]))  # whole: a comparison would be shortened
        await asyncio.sleep(1)


async def test_documents_in_elasticsearch_equal_those_of_an_undisturbed_embedded_run(tmp_path: Path) -> None:
    expected = await undisturbed(tmp_path / "undisturbed")
    assert len(expected["spans"]) == spans_of(TRACES)
    assert_same(expected, await disturbed(tmp_path / "disturbed"))
