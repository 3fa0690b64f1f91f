"""A short run of the demo on a real Elasticsearch: the shop with a fault, some minutes of history, an alert, two repairs.

The history is sent as if it had been recorded: event time passes as quickly as it is read, so that what is usual is
known in seconds and what deviates from it is found. The rules and playbooks answer what the demo's would answer later.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2

from alerting.playbooks.model.incident import IncidentState
from spanloom.clock import system
from spanloom.experiments.shop import ShopProcess
from spanloom.experiments.webhook import WebhookReceiver
from stores.elasticsearch.client import connect
from stores.elasticsearch.store import open_elasticsearch
from stores.elasticsearch.templates import install
from stores.store import Equals, Query
from telemetry import otlp
from telemetry.documents import Kind
from telemetry.errors import StoreError
from telemetry.spans import Span, StatusCode
from tests.generated import trace
from tests.system.exactness import QUICK
from tests.system.processes import Up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECOND = 1_000_000_000
HISTORY, FAULTY = 480, 60
"""Seconds of history, and for how many of them payment fails at their end."""

BATCH = 600
PATIENCE = 200.0
"""Seconds until everything must be there; on two cores with much other work it took 100 to 140."""

RULES = """
groups:
- name: demo
  interval: 1s
  rules:
  - alert: Failing
    expr: >-
      label_replace(sum by (server) (traces_service_graph_request_failed_total{server=~"payment|inventory"}),
        "service", "$1", "server", "(.*)") > 0
    labels: {severity: critical}
    annotations: {summary: "{{ $labels.service }} fails"}
"""

PLAYBOOKS = """
playbooks:
- name: proven
  trigger: {alert: ['service="payment"']}
  approve: automatic
  cooldown: 1m
  steps: &steps
  - {name: tell, action: runbook, with: {url: 'http://localhost/$service'}, timeout: 5s, inverse: none}
  verify: {expr: 'sum(traces_service_graph_request_total{server="$service"}) > 0', for: 1s, within: 30s}
- name: unproven
  trigger: {alert: ['service="inventory"']}
  approve: automatic
  cooldown: 1m
  steps: *steps
  verify: {expr: 'absent(traces_service_graph_request_total)', for: 1s, within: 3s}
"""

WANTED = {
    **dict.fromkeys((Kind.SPAN, Kind.LOG, Kind.TRACE, Kind.HOP, Kind.EDGE, Kind.ANOMALY, Kind.CULPRIT), ()),
    Kind.ALERT: (Equals("state", "firing"),),
    Kind.NOTIFICATION: (Equals("outcome", "delivered"),),
    Kind.AUDIT: (Equals("event", "escalated"),),
}
ENDS = [Query(Kind.INCIDENT, [Equals("state", state)]) for state in (IncidentState.CLOSED, IncidentState.ESCALATED)]


async def run_demo(folder: Path, elasticsearch: str, namespace: str) -> None:
    """Return when Elasticsearch has documents of every kind that Kibana shows."""
    client = connect(elasticsearch)
    await install(client)
    await client.close()
    for name, text in (("rules.yml", RULES), ("playbooks.yml", PLAYBOOKS)):
        (folder / name).write_text(text)
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver(0, lambda _: None))
        up = Up(
            folder,
            SPANLOOM_STORE=elasticsearch,
            SPANLOOM_NAMESPACE=namespace,
            SPANLOOM_WEBHOOK_URL=receiver.url,
            SPANLOOM_ALERTING__RULES=f'["{folder}/rules.yml"]',
            SPANLOOM_ALERTING__PLAYBOOKS=f'["{folder}/playbooks.yml"]',
            **QUICK,
        )
        up.start()
        stack.callback(up.stop)
        shop = await stack.enter_async_context(
            ShopProcess(folder / "shop", 0, up.environment["SPANLOOM_OTLP_GRPC"], urlsplit(up.otlp).netloc)
        )
        await asyncio.to_thread(up.wait_ready)
        await send_history(up.otlp)
        await shop.ready()
        await shop.put_fault("inventory", {"kind": "errors", "ratio": 0.5})
        await stack.enter_async_context(shop.users(rate=4, seed=1))
        await until_all_is_there(elasticsearch, namespace, folder)


async def send_history(otlp_url: str) -> None:
    """What a collector would have sent, in its order, as quickly as it is taken."""
    waiting: list[Span] = []
    async with httpx2.AsyncClient(timeout=60) as client:
        for spans in history():
            waiting += spans
            if len(waiting) >= BATCH:
                await send(client, otlp_url, waiting)
                waiting.clear()
        await send(client, otlp_url, waiting)


async def send(client: httpx2.AsyncClient, otlp_url: str, spans: list[Span]) -> None:
    headers = {"content-type": "application/x-protobuf"}
    answer = await client.post(f"{otlp_url}/v1/traces", content=otlp.encode_spans(spans), headers=headers)
    assert answer.is_success, answer.text


def history() -> Iterator[list[Span]]:
    """Two requests a second until now; at the end payment fails."""
    chance = random.Random(1)
    end = system()
    for half_second in range(2 * HISTORY):
        start = end - (HISTORY * SECOND) + half_second * SECOND // 2
        spans = trace(chance, start)
        faulty = start > end - FAULTY * SECOND
        yield [replace(span, status=StatusCode.ERROR) if faulty and span.name == "payment/call" else span for span in spans]


async def until_all_is_there(elasticsearch: str, namespace: str, folder: Path) -> None:
    store = open_elasticsearch(elasticsearch, namespace=namespace)
    wanted = [Query(kind, list(where)) for kind, where in WANTED.items()] + ENDS
    deadline = time.monotonic() + PATIENCE
    try:
        while wanted:
            with contextlib.suppress(StoreError):  # the first shard of a data stream is just being made
                await store.refresh(list(Kind))
                wanted = [query for query in wanted if not await store.count(query)]
            log = (folder / "up.log").read_text()[-2000:]
            assert time.monotonic() < deadline, f"still missing: {wanted}\n{log}"
            await asyncio.sleep(0.5)
    finally:
        await store.close()
