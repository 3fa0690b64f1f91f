"""The whole path of an alert beside a real Prometheus with a real Alertmanager.

The same rules, the same configuration file, the same values, and the same receiver, which is away at first while we are killed.
Skipped where one of Debian's packages is missing.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest

from tests.services import free_port
from tests.system.processes import Up
from tests.system.test_alerting import Queues, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ALERTMANAGER = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
PROMETHEUS = shutil.which("prometheus")
pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not ALERTMANAGER or not PROMETHEUS, reason="no prometheus or alertmanager on the PATH (Debian's)"),
]

RULES = """
groups:
- name: queues
  interval: 1s
  rules:
  - {record: "service:queue_depth:max", expr: max by (service_name) (queue_depth)}
  - alert: QueueDeep
    expr: service:queue_depth:max > 10
    for: 3s
    labels: {severity: warning, service: "{{ $labels.service_name }}"}
    annotations: {summary: "{{ $labels.service_name }} has {{ $value | humanize }} waiting"}
  - alert: QueueFull
    expr: service:queue_depth:max > 100
    labels: {severity: critical, service: "{{ $labels.service_name }}"}
"""
ROUTES = """
route:
  receiver: tickets
  group_by: [service]
  group_wait: 2s
  group_interval: 3s
  repeat_interval: 1h
  routes:
  - {matchers: [severity="critical"], receiver: pager}
inhibit_rules:
- {source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [service]}
receivers:
- {name: tickets, webhook_configs: [{url: "URL"}]}
- {name: pager, webhook_configs: [{url: "URL"}]}
"""
PEER = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs: [{job_name: queues, static_configs: [{targets: ["SCRAPED"]}]}]
alerting: {alertmanagers: [{static_configs: [{targets: ["ALERTMANAGER"]}]}]}
"""

Told = tuple[str, str, list[tuple[str, dict[str, str], dict[str, str]]]]
"""A notification: receiver, status, and of each alert its status, labels and annotations."""


class OnCall:
    """A webhook, down until it is told otherwise, and the values to be scraped, on one port."""

    def __init__(self, depths: dict[str, float]) -> None:
        self._depths = depths
        self.up = False
        self.refused = {"theirs": 0, "ours": 0}
        self.told: dict[str, list[Told]] = {"theirs": [], "ours": []}
        self.address = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head.split("\r\n")[1:] if line)}
        status, body = "200 OK", ""
        if head.startswith("GET"):
            body = "".join(f'queue_depth{{service_name="{name}"}} {depth}\n' for name, depth in self._depths.items())
        else:
            who = "theirs" if headers["user-agent"].startswith("Alertmanager/") else "ours"
            payload = orjson.loads(await reader.readexactly(int(headers["content-length"])))
            if self.up:
                self.told[who].append(told(payload))
            else:
                self.refused[who] += 1
                status = "503 Service Unavailable"
        length = f"Content-Length: {len(body)}\r\nContent-Type: text/plain\r\nConnection: close"
        writer.write(f"HTTP/1.1 {status}\r\n{length}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()


def told(payload: dict[str, Any]) -> Told:
    alerts = [(alert["status"], alert["labels"], alert["annotations"]) for alert in payload["alerts"]]
    return payload["receiver"], payload["status"], sorted(alerts, key=lambda alert: sorted(alert[1].items()))


@asynccontextmanager
async def process(folder: Path, *command: str) -> AsyncIterator[None]:
    with (folder / "peers.log").open("ab") as log:
        running = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


@asynccontextmanager
async def peers(folder: Path, scraped: str) -> AsyncIterator[None]:
    """A Prometheus and its Alertmanager."""
    prometheus, alertmanager = (f"127.0.0.1:{free_port()}" for _ in range(2))
    (folder / "prometheus.yml").write_text(PEER.replace("SCRAPED", scraped).replace("ALERTMANAGER", alertmanager))
    async with (
        process(
            folder, str(ALERTMANAGER), "--config.file=alertmanager.yml", "--storage.path=alertmanager",
            f"--web.listen-address={alertmanager}", "--cluster.listen-address=",
        ),
        process(
            folder, str(PROMETHEUS), "--config.file=prometheus.yml", "--storage.tsdb.path=prometheus",
            f"--web.listen-address={prometheus}", "--rules.alert.resend-delay=1s",
        ),
    ):  # fmt: skip
        yield


async def test_the_same_notifications_as_from_prometheus_and_alertmanager(tmp_path: Path) -> None:
    up = Up(
        tmp_path,
        SPANLOOM_ALERTING__RULES=orjson.dumps([str(tmp_path / "rules.yml")]).decode(),
        SPANLOOM_ALERTING__RECEIVERS=str(tmp_path / "alertmanager.yml"),
        SPANLOOM_ACT__IDLE="1",
    )
    queues = Queues(up)
    on_call = OnCall(queues.depths)
    async with on_call.listening():
        (tmp_path / "rules.yml").write_text(RULES)
        (tmp_path / "alertmanager.yml").write_text(ROUTES.replace("URL", f"http://{on_call.address}/"))
        async with peers(tmp_path, on_call.address):
            up.start()
            await asyncio.to_thread(up.wait_ready)
            reporting = asyncio.create_task(queues.report())
            try:
                await _events(up, queues, on_call)
            finally:
                reporting.cancel()
                await asyncio.to_thread(up.stop)


async def _events(up: Up, queues: Queues, on_call: OnCall) -> None:
    def seen() -> str:
        log = (up.folder / "up.log").read_text()[-2000:]
        return f"{on_call.refused}\n{on_call.told}\n{log}\n{(up.folder / 'peers.log').read_text()[-2000:]}"

    async def both(count: int) -> None:
        await until(lambda: min(map(len, on_call.told.values())) >= count, seen, 120)

    await until(lambda: httpx2.get(f"{up.console}/api/v1/rules", timeout=30).is_success, seen)
    queues.depths["cart"] = 50.0
    await until(lambda: min(on_call.refused.values()) > 1, seen, 120)
    await asyncio.to_thread(up.kill)
    await asyncio.to_thread(up.start)
    await asyncio.to_thread(up.wait_ready)
    on_call.up = True
    await both(1)
    queues.depths["mail"] = 500.0
    await both(2)
    await asyncio.sleep(8)  # twice the group's interval: the deep queue, which the full one inhibits, would have been told
    queues.depths["cart"] = 1.0
    await both(3)
    queues.depths["mail"] = 1.0
    await both(4)
    await asyncio.sleep(4)  # the group's interval: nothing more comes
    assert on_call.told["ours"] == on_call.told["theirs"], seen()
    assert [(receiver, status) for receiver, status, _ in on_call.told["ours"]] == [
        ("tickets", "firing"),
        ("pager", "firing"),
        ("tickets", "resolved"),
        ("pager", "resolved"),
    ]
