"""Elasticsearch away for long, and back."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import httpx2

from tests.attack.cluster_target import export, stored, tail
from tests.attack.gate import Gate
from tests.attack.line import Line, must
from tests.attack.telemetry import logs, spans
from tests.system.processes import injected

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attack.bench import Bench
    from tests.system.cluster import Cluster, Role

SPEED = 120
PROBES = 3600
"""Of a worker in an hour, one a second; what it does then must not depend on how many there were."""
HURRIED = f"""
import asyncio, os, pathlib
import pipeline.delivery.retry as retry
hurry = pathlib.Path(os.environ["ATTACK_HURRY"])
class Hurried:
    async def sleep(self, seconds):
        await asyncio.sleep(seconds / {SPEED} if hurry.exists() else seconds)
    def __getattr__(self, name):
        return getattr(asyncio, name)
retry.asyncio = Hurried()
"""
"""In the worker: while that file is there, its retries wait a fraction of the time."""
WAITING = (b"/_refresh", b"/_bulk")
"""What those ask who wait for the store; who looks whether it is there counts documents."""
PROBED = "spanloom_store_probes"
LONGEST = 300.0
WITHIN = 2.0
"""Seconds from the store's return to the first request of who waited for it: one, and one more for a busy machine."""


def an_hour_without_elasticsearch_ends_with_a_try_within_a_second(bench: Bench) -> str:
    """No connection to Elasticsearch for as many retries as an hour has, with those who wait; then its return."""
    hurry = bench.folder() / "hurry"
    settings = {"ATTACK_HURRY": str(hurry), "PYTHONPATH": injected(bench.folder(), HURRIED)}
    with bench.other_worker(**settings) as (cluster, worker), Gate(cluster.elasticsearch.port, WAITING) as gate:
        worker.environment["SPANLOOM_STORE"] = f"http://127.0.0.1:{gate.port}"
        worker.start()
        worker.wait_ready()
        gate.shut()
        hurry.touch()
        traces = [os.urandom(16) for _ in range(40)]  # each partition asks what the store has of its own; logs are written
        export(cluster, b"".join(spans("away", 3, trace=trace) for trace in traces))
        export(cluster, logs("away", 20), "logs")
        _until(cluster, lambda: _retried(worker).keys() > {"write"}, "no readers and writers wait for the store")
        _until(cluster, lambda: _counted(worker, PROBED) > PROBES, f"not {PROBES} probes")
        waiting = _retried(worker)
        ready, alive = (httpx2.get(f"{worker.url}/{path}", timeout=30) for path in ("readyz", "healthz"))
        must(ready.status_code == 503 and "store" in ready.text, f"/readyz: {ready.status_code} {ready.text[:200]}")
        must(alive.status_code == 200, f"/healthz: {alive.status_code} {alive.text[:200]}")
        hurry.unlink()
        probes = _counted(worker, PROBED)
        _until(cluster, lambda: _counted(worker, PROBED) > probes + 2, "it does not probe any more")
        opened = gate.open()
        _until(cluster, lambda: len(gate.first) > 1, "nobody who waited asks again")
        tried, woken = gate.first["connection"] - opened, gate.first["watched"] - opened
        seconds = stored(cluster, traces)
        _until(cluster, lambda: httpx2.get(f"{worker.url}/readyz", timeout=30).is_success, "it does not become ready")
        worker.stop()  # before the gate is shut again
    must(woken < WITHIN, f"a try after {tried:.1f} s, who waited asked after {woken:.1f} s")
    return (
        f"{PROBES} probes, {waiting} wait; a try after {tried:.1f} s, who waited asked after {woken:.1f} s, all stored after "
        f"{seconds:.0f} s"
    )


def _counted(worker: Role, name: str) -> float:
    found = re.search(rf"^{name}_total (\S+)$", worker.metrics(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def _retried(worker: Role) -> dict[str, int]:
    """Requests made again, by operation."""
    found = re.findall(r'^spanloom_store_requests_retried_total{operation="(\w+)"} (\S+)$', worker.metrics(), re.MULTILINE)
    return {operation: int(float(count)) for operation, count in found}


def _until(cluster: Cluster, condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + LONGEST
    while not condition():
        must(time.monotonic() < deadline and all(worker.lives for worker in cluster.workers), f"{otherwise}: {tail(cluster)}")
        time.sleep(0.05)


LINES = (Line("outage", an_hour_without_elasticsearch_ends_with_a_try_within_a_second),)
