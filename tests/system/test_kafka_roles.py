"""Many processes: stages in workers of their own, and alerts that have one owner whichever workers come, stop or are killed."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest

from spanloom.experiments.webhook import WebhookReceiver
from stores.elasticsearch.store import open_elasticsearch
from stores.store import Query
from telemetry import otlp
from telemetry.audit import verify
from telemetry.documents import Kind
from tests.generated import logs, traces
from tests.system.cluster import ALL, Cluster, Role
from tests.system.exactness import QUICK
from tests.system.test_alerting import RULES, OnCall, Queues

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

PATIENCE = 150.0
REPEATED = 7.0
"""Seconds in which a second notification would have come: longer than the group's interval."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Kafka, Elasticsearch and a collector; each test has workers of its own."""
    with Cluster(tmp_path_factory.mktemp("cluster"), **QUICK) as cluster:
        yield cluster


async def until(ask: Callable[[], Awaitable[Any]], what: Callable[[], object]) -> Any:
    """What is asked for, as soon as it is there."""
    found = None
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := await ask()):  # noqa: ASYNC110 - other processes have no event for it
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(what()) from None
    return found


async def test_a_trace_goes_from_the_collector_through_workers_of_single_stages_to_the_console(
    cluster: Cluster, tmp_path: Path
) -> None:
    workers = [
        Role("worker", tmp_path / stages, "--stages", stages, **cluster.settings)
        for stages in ("rekey", "assemble", "score,act")
    ]
    console = Role("console", tmp_path / "console", **cluster.settings)
    with ExitStack() as stack:
        for role in (*workers, console):
            stack.callback(role.stop)
            role.start()
        for role in (*workers, console):
            await asyncio.to_thread(role.wait_ready, PATIENCE)
        (spans,) = traces(1)
        records = logs(spans)
        async with httpx2.AsyncClient(timeout=20) as client:
            for path, body in (("traces", otlp.encode_spans(spans)), ("logs", otlp.encode_logs(records))):
                headers = {"content-type": "application/x-protobuf"}
                answer = await client.post(f"{cluster.collector.otlp}/v1/{path}", content=body, headers=headers)
                assert answer.is_success
            url = f"{console.url}/api/v1/traces/{spans[0].trace_id.hex()}"
            found = await until(lambda: whole(client, url, len(records)), console.log.read_text)
            assert "spanloom_" in (await client.get(f"{cluster.collector.url}/metrics")).text
        assert len(found["spans"]) == len(spans)
        assert len(found["logs"]) == len(records)
        assert f"spanloom_spans_received_total {len(spans)}.0" in workers[1].metrics()
        assert 'spanloom_lag_records{topic="spanloom-series"}' in workers[2].metrics()


async def whole(client: httpx2.AsyncClient, url: str, logs: int) -> dict[str, Any] | None:
    """The trace, if its call graph is stored and counts so many logs: one that comes after its trace makes a revision of it."""
    answer = await client.get(url)
    found: dict[str, Any] | None = answer.json() if answer.is_success else None
    return found if found and found["trace"] is not None and found["trace"]["logs"]["count"] == logs else None


class Workers:
    """Workers of all stages, and which of them owns the alerts."""

    def __init__(self, workers: Sequence[Role], client: httpx2.AsyncClient) -> None:
        self.running: list[Role] = []
        self._waiting = list(workers)
        self._client = client

    async def add(self) -> None:
        worker = self._waiting.pop(0)
        worker.start()
        await asyncio.to_thread(worker.wait_ready, PATIENCE)
        self.running.append(worker)

    def remove(self, worker: Role, how: Callable[[], object]) -> None:
        self.running.remove(worker)
        how()

    async def owner(self) -> Role | None:
        """The one that answers for alerts; None while there is none."""
        answers = await asyncio.gather(*(self._ask(worker) for worker in self.running))
        owners = [worker for worker, alerts in zip(self.running, answers, strict=True) if alerts is not None]
        return owners[0] if len(owners) == 1 else None

    async def alert(self) -> dict[str, Any] | None:
        """The alert on cart's queue, at the owner. Two that answer are asked again: it may have moved between two questions."""
        found = [alerts for alerts in await asyncio.gather(*map(self._ask, self.running)) if alerts is not None]
        if len(found) != 1:
            return None
        return next((alert for alert in found[0] if alert["labels"].get("service") == "cart"), None)

    async def healing(self, method: str, path: str = "") -> dict[str, Any] | None:
        """What the owner answers for self-healing; None while there is no one owner."""
        owner = await self.owner()
        if owner is None:
            return None
        try:
            answer = await self._client.request(method, f"{owner.url}/api/v1/healing{path}", json={}, headers=owner.proof)
        except httpx2.HTTPError:
            return None
        found: dict[str, Any] | None = answer.json() if answer.is_success else None
        return found

    async def _ask(self, worker: Role) -> list[dict[str, Any]] | None:
        try:
            answer = await self._client.get(f"{worker.url}/api/v2/alerts")
        except httpx2.HTTPError:
            return None
        return [one for one in answer.json() if one["labels"]["alertname"] == "QueueDeep"] if answer.is_success else None

    async def metric(self, pattern: str) -> dict[str, float]:
        """By its first label: the sum of all running workers."""
        found: dict[str, float] = {}
        for worker in self.running:
            text = (await self._client.get(f"{worker.url}/metrics")).text
            for label, value in re.findall(pattern + r'\{\w+="([^"]+)"\} (\S+)', text):
                found[label] = found.get(label, 0.0) + float(value)
        return found

    def reported(self) -> str:
        return "\n".join(worker.log.read_text()[-1500:] for worker in self.running)


async def test_an_alert_and_the_audit_trail_move_with_their_owner(cluster: Cluster, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES.format(limit=10))
    on_call = OnCall()
    async with WebhookReceiver(0, on_call.got.append) as receiver, httpx2.AsyncClient(timeout=20) as client:
        settings = {
            **cluster.settings,
            "SPANLOOM_WEBHOOK_URL": receiver.url,
            "SPANLOOM_ALERTING__RULES": orjson.dumps([str(rules)]).decode(),
            "SPANLOOM_ACT__IDLE": "1",
        }
        roles = [Role("worker", tmp_path / f"worker-{number}", "--stages", ALL, **settings) for number in range(3)]
        workers = Workers(roles, client)
        queues = Queues(cluster.collector)
        with ExitStack() as stack:
            for role in roles:
                stack.callback(role.stop)
            reporting = asyncio.create_task(queues.report())
            try:
                await story(workers, queues, on_call)
            finally:
                reporting.cancel()
            await the_metrics_are_true(cluster, workers)
            await the_audit_trail_is_whole(cluster.settings["SPANLOOM_STORE"])


async def story(workers: Workers, queues: Queues, on_call: OnCall) -> None:
    """An alert fires; a worker is added, the owner is killed, the next one is stopped; the alert ends."""

    async def owner() -> Role:
        found: Role = await until(workers.owner, workers.reported)
        return found

    async def alert() -> dict[str, Any]:
        found: dict[str, Any] = await until(workers.alert, workers.reported)
        return found

    await workers.add()
    await workers.add()
    queues.depths["cart"] = 50.0
    await until(lambda: asyncio.sleep(0, ("firing", "cart") in on_call.statuses()), workers.reported)
    began = (await alert())["startsAt"]
    await until(lambda: workers.healing("POST", "/stop"), workers.reported)

    await workers.add()
    assert (await alert())["startsAt"] == began

    first = await owner()
    workers.remove(first, first.kill)
    assert (await alert())["startsAt"] == began, "firing since when it began"
    assert (await until(lambda: workers.healing("GET"), workers.reported))["stopped_by"] == "local"
    await until(lambda: workers.healing("POST", "/resume"), workers.reported)

    second = await owner()
    workers.remove(second, second.stop)
    assert (await alert())["startsAt"] == began
    await asyncio.sleep(REPEATED)
    assert on_call.statuses() == [("firing", "cart")], "nothing twice"
    queues.depths["cart"] = 1.0
    await until(lambda: asyncio.sleep(0, len(on_call.statuses()) > 1), workers.reported)
    await asyncio.sleep(REPEATED)
    assert on_call.statuses() == [("firing", "cart"), ("resolved", "cart")]


async def the_metrics_are_true(cluster: Cluster, workers: Workers) -> None:
    """What workers say of their lag is what Kafka says of their group."""
    reported: list[dict[str, float]] = []

    async def equal() -> bool:
        reported[:] = [dict(await cluster.lag()), await workers.metric("spanloom_lag_records")]
        kafka, ours = reported
        return kafka == {topic: ours.get(topic, 0.0) for topic in kafka}

    await until(equal, lambda: reported)
    assert (await workers.metric("spanloom_records_total"))["rekey-metrics"] > 0


async def the_audit_trail_is_whole(url: str) -> None:
    """Its records, written by two owners, are one chain."""
    store = open_elasticsearch(url)
    try:
        records = await store.find(Query(Kind.AUDIT, limit=1000))
    finally:
        await store.close()
    assert {record["data"].get("who") for record in records} >= {"local"}
    assert verify(sorted(records, key=lambda record: int(record["sequence"])), []) == []
