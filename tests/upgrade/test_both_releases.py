"""Both releases as real processes: a rolling upgrade while telemetry arrives, and the way back. `make upgrade-check` runs it.

It needs a checkout of the earlier release with its `make setup` done, in SPANLOOM_UPGRADE_FROM; without one it skips.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from spanloom.experiments.webhook import WebhookReceiver
from stores.duckdb.store import DuckDbStore
from stores.elasticsearch.store import open_elasticsearch
from stores.elasticsearch.templates import data_stream
from telemetry import otlp
from telemetry.documents import Kind
from tests.generated import logs, traces
from tests.system.cluster import ALL, Cluster, Role
from tests.system.exactness import KINDS, QUICK, assert_same, documents
from tests.system.processes import Up
from tests.system.test_alerting import OnCall, until
from tests.system.test_kafka_exact import wait_drained
from tests.system.test_kill import wait_settled
from tests.upgrade import moved, scenario
from tests.upgrade.archives import unpack
from tests.upgrade.moved import MovedUp

if TYPE_CHECKING:
    from stores.elasticsearch.store import ElasticsearchStore
    from telemetry.spans import Span

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]

TRACES, GROUP, EVERY = 1200, 20, 100_000_000
"""Traces, of a request, and nanoseconds between two: two minutes of the telemetry's time."""

PAUSE = 0.1
"""Seconds between two requests."""

SAME = {
    "spans": ("trace_id", "span_id", "parent_span_id", "name", "duration", "kind"),
    "logs": ("trace_id", "span_id", "body", "severity_text"),
    "traces": ("trace_id", "services", "span_count", "duration", "completeness", "errors"),
    "hops": ("trace_id", "caller", "callee", "operation", "duration"),
}
"""What both releases say alike of telemetry without databases, namespaces and environments; this one says more beside."""


FIRING = {**scenario.QUEUES, "cart": scenario.DEEP, "payment": scenario.SHALLOW}
SECONDS_EACH = 12
"""For which each release runs: in ten of them, state is saved and what would be notified again is."""


@pytest.fixture
def earlier() -> Path:
    """The Python of the earlier release."""
    checkout = os.environ.get("SPANLOOM_UPGRADE_FROM", "")
    if not checkout:
        pytest.skip("NO EARLIER RELEASE: make upgrade-check FROM=REVISION runs this")
    return Path(checkout).resolve() / ".venv/bin/python"


def bodies() -> list[tuple[str, bytes]]:
    """Export requests in which the spans of twenty traces are mixed, so that the two halves of most meet different workers."""
    chance, found = random.Random(5), []
    known = [[span for span in spans if span.name != "SELECT stock"] for spans in traces(TRACES, every=EVERY)]
    for start in range(0, TRACES, GROUP):
        mixed = [span for spans in known[start : start + GROUP] for span in spans]
        chance.shuffle(mixed)
        found.append(("traces", otlp.encode_spans(mixed[::2])))
        found.append(("logs", otlp.encode_logs([record for spans in known[start : start + GROUP] for record in logs(spans)])))
        found.append(("traces", otlp.encode_spans(mixed[1::2])))
    return found


class Sender(threading.Thread):
    """Sends until acknowledged, over restarts.

    Attributes:
        share: of all that was acknowledged.
        limit: up to which share it goes on.
    """

    def __init__(self, url: str, pause: float, limit: float = 1.0) -> None:
        super().__init__(daemon=True)
        self._url, self._pause = url, pause
        self.share, self.limit = 0.0, limit

    def run(self) -> None:
        sent = bodies()
        with httpx2.Client(timeout=20) as client:
            for number, (path, body) in enumerate(sent, 1):
                while self.share >= self.limit or not self._sent(client, path, body):
                    time.sleep(0.1)
                self.share = number / len(sent)
                time.sleep(self._pause)

    def _sent(self, client: httpx2.Client, path: str, body: bytes) -> bool:
        try:
            return client.post(f"{self._url}/v1/{path}", content=body, headers=moved.PROTOBUF).is_success
        except httpx2.HTTPError:
            return False


def undisturbed(folder: Path) -> Path:
    """The file with what this release alone makes of it."""
    folder.mkdir()
    up = Up(folder, **QUICK)
    up.start()
    try:
        up.wait_ready()
        sender = Sender(up.otlp, 0.0)
        sender.start()
        sender.join()
        wait_settled(up)
    finally:
        up.stop()
    return up.store_file


def reduced(found: dict[str, Any]) -> dict[str, Any]:
    """What both releases say alike. The ids of spans of this one have the side of a call behind those of the other."""
    alike = {kind: {id_: {name: body.get(name) for name in SAME[kind]} for id_, body in found[kind].items()} for kind in SAME}
    spans = {id_.partition(".")[0]: body for id_, body in alike["spans"].items()}
    assert len(spans) == len(alike["spans"]), "a span is there under the ids of both releases"
    return alike | {"spans": spans, "edges": found["edges"]}


async def test_a_rolling_upgrade_and_the_way_back_change_no_result(tmp_path: Path, earlier: Path) -> None:
    expecting = asyncio.create_task(asyncio.to_thread(undisturbed, tmp_path / "undisturbed"))
    cluster = Cluster(tmp_path, ALL, ALL, **QUICK)
    for role in (cluster.collector, *cluster.workers):
        role.python, role.cwd = str(earlier), tmp_path
    await asyncio.to_thread(cluster.__enter__)
    try:
        sender = Sender(cluster.collector.otlp, PAUSE, 0.0)
        sender.start()
        store = open_elasticsearch(f"http://127.0.0.1:{cluster.elasticsearch.port}")
        try:
            await roll(cluster, sender, store, earlier)
            await wait_drained(cluster)
            await store.refresh(KINDS)
            found = await documents(store)
        finally:
            await store.close()
    finally:
        await asyncio.to_thread(cluster.__exit__, None, None, None)
    expected_store = DuckDbStore(await expecting)
    try:
        expected = await documents(expected_store)
    finally:
        await expected_store.close()
    assert len(expected["traces"]) == TRACES
    assert_same(reduced(expected), reduced(found))


async def roll(cluster: Cluster, sender: Sender, store: ElasticsearchStore, earlier: Path) -> None:
    """Upgrade one process after another while the other release's go on, then go back the same way.

    Telemetry comes all the time, and each release has stored some of it before the next step.
    """
    this = sys.executable
    first, second = cluster.workers
    await sent(sender, 0.2)
    await until_stored(store, of_this=False)
    first.python = this  # the worker goes on; commands with its settings are those of this release
    planned = await asyncio.to_thread(outcomes, first)
    assert planned["spanloom-span"] == "changes", planned
    assert (await asyncio.to_thread(outcomes, first, dry_run=False))["spanloom-span"] == "changed"
    assert set((await asyncio.to_thread(outcomes, first)).values()) <= {"kept", "note", "relearned"}
    sender.limit = 0.45
    await asyncio.to_thread(restart, first, this)
    await sent(sender, 0.45)
    sender.limit = 0.6
    second.kill()
    await asyncio.to_thread(restart, second, this)
    await asyncio.to_thread(restart, cluster.collector, this)
    await sent(sender, 0.6)
    await until_stored(store, of_this=True)
    sender.limit = 0.85
    await asyncio.to_thread(restart, first, str(earlier))
    await sent(sender, 0.85)
    sender.limit = 1.0
    await asyncio.to_thread(restart, cluster.collector, str(earlier))
    second.kill()
    await asyncio.to_thread(restart, second, str(earlier))
    await sent(sender, 1.0)


def restart(role: Role, python: str) -> None:
    """Stop it and start it in another release."""
    role.stop()
    role.python = python
    role.start()
    role.wait_ready()


async def sent(sender: Sender, share: float) -> None:
    """Return when so much has been acknowledged."""
    sender.limit = share
    await until(lambda: sender.share >= share, lambda: sender.share, 300)


async def until_stored(store: ElasticsearchStore, *, of_this: bool) -> None:
    """Return when traces of a release can be found: only those of this one say their environment."""
    has = {"exists": {"field": "environment"}}
    query = has if of_this else {"bool": {"must_not": [has]}}
    async with asyncio.timeout(120):
        while True:
            await store.refresh([Kind.TRACE])
            stream = data_stream(Kind.TRACE, "default")
            counted = await store._client.count(index=stream, query=query, ignore_unavailable=True)
            if counted["count"] > GROUP:
                return
            await asyncio.sleep(0.5)


def outcomes(role: Role, *, dry_run: bool = True) -> dict[str, str]:
    """By what it is about what `spanloom upgrade` reports."""
    done = role.command("upgrade", "--json", *(["--dry-run"] if dry_run else []))
    assert not done.returncode, done.stdout + done.stderr
    return {each["name"]: each["outcome"] for each in json.loads(done.stdout)["items"]}


async def test_the_release_before_goes_on_with_what_this_one_has_saved_and_this_one_after_it(
    tmp_path: Path, earlier: Path
) -> None:
    noted = unpack("0.2.0", tmp_path)
    on_call = OnCall()
    async with WebhookReceiver(0, on_call.got.append) as receiver, httpx2.AsyncClient(timeout=30) as client:
        settings = {"SPANLOOM_WEBHOOK_URL": receiver.url, **scenario.write_configuration(tmp_path)}
        time = moved.MovedClock(tmp_path / "site")
        time.stand_at(noted["ended"] + scenario.SECOND)
        for number, python in enumerate((Path(sys.executable), earlier, Path(sys.executable))):
            up = MovedUp(tmp_path, time, python, **settings)
            up.start()
            try:
                await asyncio.to_thread(up.wait_ready)
                time.run_on()
                reporting = asyncio.create_task(moved.report(client, up, FIRING, lambda: scenario.USUAL))
                await asyncio.sleep(SECONDS_EACH)
                reporting.cancel()
                await moved.post(client, up, "traces", otlp.encode_spans(trace_of(number, up.now())))
                await asyncio.to_thread(wait_settled, up)
                alerts = (await client.get(f"{up.console}/api/v2/alerts", headers=up.proof)).json()
                found = {each["labels"]["service"]: each for each in alerts if each["labels"]["alertname"] == "QueueDeep"}
                assert {name: [each["fingerprint"], each["startsAt"]] for name, each in found.items()} == noted["alerts"]
                assert found["mail"]["status"]["state"] == "suppressed"
                verified = up.command("audit", "verify", "--url", up.console)
                assert not verified.returncode, verified.stdout + verified.stderr
            finally:
                up.kill()
                await asyncio.sleep(1)
                time.stand_at(time.now())
    assert on_call.got == []
    store = DuckDbStore(up.store_file)
    try:
        stored = await documents(store)
    finally:
        await store.close()
    assert [stored["traces"][trace_of(number, 0)[0].trace_id.hex()]["span_count"] for number in range(3)] == [12] * 3


def trace_of(number: int, now: int) -> list[Span]:
    """The one that is sent to the release of a turn."""
    (spans,) = traces(1, seed=100 + number)
    start = now - spans[-1].start
    return [replace(span, start=span.start + start, end=span.end + start) for span in spans]
