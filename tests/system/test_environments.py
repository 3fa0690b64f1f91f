"""Two environments on Kafka, each at a worker of its own: one breaks, its worker is killed, and the other one hears nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest

from pipeline.exchange.partitions import of_environment
from spanloom.experiments.webhook import WebhookReceiver
from stores.elasticsearch.store import open_elasticsearch
from stores.store import Query
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import StoreError
from tests.system.cluster import ALL, Cluster, Role
from tests.system.test_alerting import OnCall, Queues, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

RULES = """
groups:
- name: queue
  interval: 1s
  rules:
  - alert: QueueDeep
    expr: max_over_time(queue_depth[5s]) > 10
    labels: {severity: warning, service: "{{ $labels.service_name }}"}
"""
STAGING = next(name for name in ("staging", "test", "canary") if of_environment(name, 2) == 1)
PATIENCE = 180.0
"""Seconds until what must come has come: each takes a few on an idle machine."""


class Carts(Queues):
    """The same service in both environments, which tells the depth of its queue twice a second."""

    def __init__(self, collector: Role) -> None:
        super().__init__(collector)
        self.depths = {DEFAULT_ENVIRONMENT: 1.0, STAGING: 1.0}

    def _resources(self) -> list[tuple[dict[str, str], float]]:
        named = {DEFAULT_ENVIRONMENT: {}, STAGING: {"deployment.environment.name": STAGING}}
        return [({"service.name": "cart"} | named[name], depth) for name, depth in self.depths.items()]


def environments(worker: Role) -> set[str]:
    """Those that a worker decides for, as its API says."""
    answer = httpx2.get(f"{worker.url}/api/v1/rules", timeout=10)
    return {group["environment"] for group in answer.json()["data"]["groups"]} if answer.is_success else set()


def alerts(worker: Role) -> list[dict[str, Any]]:
    answer = httpx2.get(f"{worker.url}/api/v2/alerts", timeout=10)
    return list(answer.json()) if answer.is_success else []


async def until_stored(cluster: Cluster, kind: Kind) -> None:
    store = open_elasticsearch(f"http://127.0.0.1:{cluster.elasticsearch.port}")
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            with contextlib.suppress(StoreError):  # an index that was made just now answers 503 for a moment
                if await store.count(Query(kind)):
                    return
            assert time.monotonic() < deadline, kind
            await asyncio.sleep(0.2)
    finally:
        await store.close()


async def test_one_environment_breaks_and_its_worker_is_killed_and_the_other_is_silent(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    on_call = OnCall()
    async with WebhookReceiver(0, on_call.got.append) as receiver:
        settings = {
            "SPANLOOM_WEBHOOK_URL": receiver.url,
            "SPANLOOM_ALERTING__RULES": orjson.dumps([str(tmp_path / "rules.yml")]).decode(),
            "SPANLOOM_ACT__IDLE": "1",
            "SPANLOOM_TOPICS__SIGNAL_PARTITIONS": "2",
        }
        cluster = Cluster(tmp_path, ALL, ALL, **settings)
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.to_thread(cluster.__enter__)
            stack.push_async_callback(asyncio.to_thread, cluster.__exit__, None, None, None)
            carts = Carts(cluster.collector)
            reporting = asyncio.create_task(carts.report())
            stack.callback(reporting.cancel)
            await follow(cluster, carts, on_call)


async def follow(cluster: Cluster, carts: Carts, on_call: OnCall) -> None:
    workers = cluster.workers

    def shown() -> str:
        return f"{on_call.got}\n{[worker.log.read_text()[-2000:] for worker in workers]}"

    each_has_one = [{DEFAULT_ENVIRONMENT}, {STAGING}]
    await until(lambda: sorted((environments(worker) for worker in workers), key=sorted) == each_has_one, shown, PATIENCE)
    carts.depths[STAGING] = 50.0
    await until(lambda: bool(on_call.got), shown, PATIENCE)
    await until_stored(cluster, Kind.NOTIFICATION)  # its document comes when what it says is durable
    (owner,) = (worker for worker in workers if STAGING in environments(worker))
    (other,) = (worker for worker in workers if worker is not owner)
    assert alerts(other) == []
    (alert,) = alerts(owner)
    assert alert["labels"].items() >= {"environment": STAGING, "service": "cart"}.items()

    owner.kill()
    await until(lambda: environments(other) == {DEFAULT_ENVIRONMENT, STAGING}, shown, PATIENCE)
    await until(lambda: [each["startsAt"] for each in alerts(other)] == [alert["startsAt"]], shown, PATIENCE)
    carts.depths[STAGING] = 1.0
    await until(lambda: len(on_call.got) > 1, shown, PATIENCE)
    assert on_call.statuses() == [("firing", "cart"), ("resolved", "cart")]
    assert {each["labels"]["environment"] for payload in on_call.got for each in payload["alerts"]} == {STAGING}

    owner.start()  # and the environments are divided again
    await until(lambda: sorted((environments(worker) for worker in workers), key=sorted) == each_has_one, shown, PATIENCE)
    carts.depths[DEFAULT_ENVIRONMENT] = 50.0
    await until(lambda: len(on_call.got) > 2, shown, PATIENCE)
    assert "environment" not in on_call.got[2]["alerts"][0]["labels"]
