"""Records of 0.2.0, and what it kept, on a real Kafka: workers of this release go on with them and with their own."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from durable_log.closed import ClosedLog
from pipeline.exchange.topics import Topic
from spanloom.experiments.webhook import WebhookReceiver
from stores.duckdb.store import DuckDbStore
from stores.elasticsearch.store import open_elasticsearch
from tests.system.cluster import ALL, Cluster
from tests.system.exactness import KINDS, QUICK, assert_same, documents
from tests.system.processes import Up
from tests.system.test_alerting import OnCall, until
from tests.system.test_kafka_exact import wait_drained
from tests.system.test_kill import wait_settled
from tests.upgrade import moved, scenario
from tests.upgrade.archives import unpack

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

GRAPH = ("spans", "traces", "hops", "edges")
"""What stage 2 makes of the records of stage 1. Logs and metrics are stored by stage 1 itself."""

STATE = ("spanloom-spanloom-scores-changelog", "spanloom-spanloom-state-changelog")


class AtCollector:
    """Where services report to, at the time that the workers see."""

    def __init__(self, otlp: str, time: moved.MovedClock) -> None:
        self.otlp, self.now = otlp, time.now


def requests(log: ClosedLog) -> list[tuple[str, bytes]]:
    """The export requests that the earlier release received, of spans and logs."""
    found = []
    for path, topic in (("traces", Topic.SPANS), ("logs", Topic.LOGS)):
        for partition in range(log.topics()[topic].partitions):
            found += [(path, record.value or b"") for record in log.records(topic, partition)]
    return found


def send(url: str, bodies: list[tuple[str, bytes]]) -> None:
    with httpx2.Client(timeout=30) as client:
        for path, body in bodies:
            client.post(f"{url}/v1/{path}", content=body, headers=moved.PROTOBUF).raise_for_status()


def undisturbed(folder: Path, bodies: list[tuple[str, bytes]]) -> Path:
    """The file with what this release alone makes of them."""
    folder.mkdir()
    up = Up(folder, **QUICK)
    up.start()
    try:
        up.wait_ready()
        send(up.otlp, bodies)
        wait_settled(up)
    finally:
        up.stop()
    return up.store_file


async def put_on_kafka(port: int, log: ClosedLog) -> None:
    """The records of the earlier release that stage 2 reads, all; those of stages 3 and 4 that were in flight; its state."""
    committed = log.committed()["spanloom"]
    async with AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{port}") as producer:
        for topic in (Topic.TRACED, Topic.SERIES, Topic.SIGNALS, *STATE):
            for partition in range(log.topics()[topic].partitions):
                first = 0 if topic in {Topic.TRACED, *STATE} else committed.get((topic, partition), 0)
                for record in log.records(topic, partition, first):
                    headers = [(name, value or b"") for name, value in record.headers]
                    await producer.send(topic, record.value, record.key, partition, headers=headers)
        await producer.flush()


async def end_of(port: int, topic: str) -> int:
    async with AIOKafkaConsumer(bootstrap_servers=f"127.0.0.1:{port}") as consumer:
        place = TopicPartition(topic, 0)
        return int((await consumer.end_offsets([place]))[place])


async def test_workers_go_on_with_records_and_state_of_the_release_before(tmp_path: Path) -> None:
    noted = unpack("0.2.0", tmp_path)
    log = ClosedLog(tmp_path / "data" / "log")
    bodies = requests(log)
    expecting = asyncio.create_task(asyncio.to_thread(undisturbed, tmp_path / "undisturbed", bodies))
    on_call = OnCall()
    async with WebhookReceiver(0, on_call.got.append) as receiver, AsyncExitStack() as stack:
        time = moved.MovedClock(tmp_path / "site")
        time.stand_at(noted["ended"] + scenario.SECOND)
        settings = {
            **QUICK,
            **scenario.write_configuration(tmp_path),
            "SPANLOOM_WEBHOOK_URL": receiver.url,
            "PYTHONPATH": f"{time.folder}{os.pathsep}{Path.cwd()}",
        }
        cluster = Cluster(tmp_path, ALL, ALL, **settings)
        for role in (cluster.collector, *cluster.workers):
            role.cwd = tmp_path
        await asyncio.to_thread(stack.enter_context, cluster.services())
        await put_on_kafka(cluster.kafka.port, log)
        report = await asyncio.to_thread(upgrade, cluster)
        assert not report["refused"], report
        assert {each["outcome"] for each in report["items"] if each["part"] in {"log", "state"}} == {"kept"}
        stack.callback(cluster.collector.stop)
        cluster.collector.start()
        await asyncio.to_thread(stack.enter_context, cluster.running_workers())
        await asyncio.to_thread(cluster.collector.wait_ready)
        time.run_on()
        await asyncio.to_thread(send, cluster.collector.otlp, bodies[::2])  # the same telemetry again, as this release has it
        async with httpx2.AsyncClient(timeout=30) as client:
            queues = {**scenario.QUEUES, "cart": scenario.DEEP, "payment": scenario.SHALLOW}
            here = AtCollector(cluster.collector.otlp, time)
            reporting = asyncio.create_task(moved.report(client, here, queues, lambda: scenario.USUAL))
            try:
                await until(lambda: alerts(cluster) == noted["alerts"], lambda: (alerts(cluster), noted["alerts"]), 120)
                await asyncio.sleep(15)
                assert alerts(cluster) == noted["alerts"]
                assert on_call.got == []
            finally:
                reporting.cancel()
        await wait_drained(cluster)
        assert await end_of(cluster.kafka.port, Topic.DEAD_LETTERS) == 0
        store = open_elasticsearch(f"http://127.0.0.1:{cluster.elasticsearch.port}")
        stack.push_async_callback(store.close)
        await store.refresh(KINDS)
        found = await documents(store)
    expected_store = DuckDbStore(await expecting)
    try:
        expected = await documents(expected_store)
    finally:
        await expected_store.close()
    assert len(expected["traces"]) == scenario.TRACES + len(noted["open_traces"])
    assert_same({kind: expected[kind] for kind in GRAPH}, found)


def upgrade(cluster: Cluster) -> dict[str, Any]:
    done = cluster.workers[0].command("upgrade", "--dry-run", "--json")
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def alerts(cluster: Cluster) -> dict[str, list[str]]:
    """Fingerprint and start of each alert of a queue, as the worker that decides has it."""
    found = {}
    for worker in cluster.workers:
        answer = httpx2.get(f"{worker.url}/api/v2/alerts", timeout=10)
        for each in answer.json() if answer.is_success else ():
            if each["labels"]["alertname"] == "QueueDeep":
                found[each["labels"]["service"]] = [each["fingerprint"], each["startsAt"]]
    return found
