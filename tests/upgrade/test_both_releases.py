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
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stores.duckdb.store import DuckDbStore
from stores.elasticsearch.store import open_elasticsearch
from telemetry import otlp
from tests.generated import logs, traces
from tests.system.cluster import ALL, Cluster, Role
from tests.system.exactness import KINDS, QUICK, assert_same, documents
from tests.system.processes import Up
from tests.system.test_kafka_exact import wait_drained
from tests.system.test_kill import wait_settled
from tests.upgrade import moved

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]

TRACES, GROUP, PAUSE = 1200, 20, 0.6
"""Traces, of a request, and seconds between two: a minute and a half in all."""

SAME = {
    "spans": ("trace_id", "span_id", "parent_span_id", "name", "duration", "kind"),
    "logs": ("trace_id", "span_id", "body", "severity_text"),
    "traces": ("trace_id", "services", "span_count", "duration", "completeness", "errors"),
    "hops": ("trace_id", "caller", "callee", "operation", "duration"),
}
"""What both releases say alike of telemetry without databases, namespaces and environments; this one says more beside."""


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
    known = [[span for span in spans if span.name != "SELECT stock"] for spans in traces(TRACES)]
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
    """

    def __init__(self, url: str, pause: float) -> None:
        super().__init__(daemon=True)
        self._url, self._pause = url, pause
        self.share = 0.0

    def run(self) -> None:
        sent = bodies()
        with httpx2.Client(timeout=20) as client:
            for number, (path, body) in enumerate(sent, 1):
                while not self._sent(client, path, body):
                    time.sleep(0.1)
                self.share = number / len(sent)
                time.sleep(self._pause / 3)

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
    """What both releases say alike."""
    alike = {kind: {id_: {name: body.get(name) for name in SAME[kind]} for id_, body in found[kind].items()} for kind in SAME}
    return alike | {"edges": found["edges"]}


async def test_a_rolling_upgrade_and_the_way_back_change_no_result(tmp_path: Path, earlier: Path) -> None:
    expecting = asyncio.create_task(asyncio.to_thread(undisturbed, tmp_path / "undisturbed"))
    cluster = Cluster(tmp_path, ALL, ALL, **QUICK)
    for role in (cluster.collector, *cluster.workers):
        role.python, role.cwd = str(earlier), tmp_path
    await asyncio.to_thread(cluster.__enter__)
    try:
        sender = Sender(cluster.collector.otlp, PAUSE)
        sender.start()
        await asyncio.to_thread(roll, cluster, sender, earlier)
        await asyncio.to_thread(sender.join, 300)
        await wait_drained(cluster)
        store = open_elasticsearch(f"http://127.0.0.1:{cluster.elasticsearch.port}")
        try:
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


def roll(cluster: Cluster, sender: Sender, earlier: Path) -> None:
    """Upgrade one process after another while the other release's go on, then go back the same way."""
    first, second = cluster.workers
    until_sent(sender, 0.15)
    with_this(first)
    planned = outcomes(first)
    assert planned["spanloom-span"] == "changes", planned
    assert outcomes(first, dry_run=False)["spanloom-span"] == "changed"
    assert set(outcomes(first).values()) <= {"kept", "note", "relearned"}
    restart(first, sys.executable)
    until_sent(sender, 0.35)
    second.kill()
    restart(second, sys.executable)
    until_sent(sender, 0.5)
    restart(cluster.collector, sys.executable)
    until_sent(sender, 0.65)
    restart(first, str(earlier))
    until_sent(sender, 0.8)
    restart(cluster.collector, str(earlier))
    second.kill()
    restart(second, str(earlier))


def with_this(role: Role) -> None:
    """Commands with its settings are those of this release from now on."""
    role.python = sys.executable


def restart(role: Role, python: str) -> None:
    """Stop it and start it in another release."""
    role.stop()
    role.python = python
    role.start()
    role.wait_ready()


def until_sent(sender: Sender, share: float) -> None:
    deadline = time.monotonic() + 300
    while sender.share < share:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def outcomes(role: Role, *, dry_run: bool = True) -> dict[str, str]:
    """By what it is about what `spanloom upgrade` reports."""
    done = role.command("upgrade", "--json", *(["--dry-run"] if dry_run else []))
    assert not done.returncode, done.stdout + done.stderr
    return {each["name"]: each["outcome"] for each in json.loads(done.stdout)["findings"]}
