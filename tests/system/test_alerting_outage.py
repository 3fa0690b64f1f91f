"""An outage of the receiver with kill -9 in its midst, of an alert whose rule was set over HTTP."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import yaml

from tests.system.processes import Up
from tests.system.test_alerting import Queues, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

GROUP = """
name: queue
interval: 1s
rules:
- alert: QueueDeep
  expr: max by (service_name) (max_over_time(queue_depth[5s])) > 10
  labels: {service: "{{ $labels.service_name }}"}
"""
YAML = {"content-type": "application/yaml"}


class Receiver:
    """A webhook that is down until it is told otherwise."""

    def __init__(self) -> None:
        self.up = False
        self.attempts: list[str] = []  # keys
        self.taken: list[tuple[str, str, dict[str, Any]]] = []  # key, status, payload

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head.split("\r\n")[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        key = headers["idempotency-key"]
        self.attempts.append(key)
        if self.up:
            self.taken.append((key, body["status"], body))
        status = "200 OK" if self.up else "503 Service Unavailable"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        finally:
            server.close()


async def test_each_notification_comes_once_though_receiver_and_process_go_down(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("groups: []\n")
    receiver = Receiver()
    async with receiver.listening() as url:
        up = Up(
            tmp_path,
            SPANLOOM_WEBHOOK_URL=url,
            SPANLOOM_ALERTING__RULES=json.dumps([str(tmp_path / "rules.yml")]),
            SPANLOOM_ACT__IDLE="1",
        )
        queues = Queues(up)
        up.start()
        await asyncio.to_thread(up.wait_ready)
        reporting = asyncio.create_task(queues.report())
        try:
            await _outage(up, queues, receiver)
        finally:
            reporting.cancel()
            await asyncio.to_thread(up.stop)


async def _outage(up: Up, queues: Queues, receiver: Receiver) -> None:
    def shown() -> str:
        return f"{receiver.attempts}\n{receiver.taken}\n{(up.folder / 'up.log').read_text()[-3000:]}"

    rules = f"{up.console}/api/v1/rules/shop"
    await until(lambda: httpx2.get(f"{up.console}/api/v1/rules").is_success, shown)
    refused = httpx2.post(rules, content=GROUP.replace("max by", "maxx by"), headers=YAML | up.proof, timeout=30)
    assert (refused.status_code, refused.json()["error"].partition(": ")[0]) == (400, "api:shop:6:14")
    assert httpx2.get(rules, timeout=30).status_code == 404
    assert httpx2.post(rules, content=GROUP, headers=YAML | up.proof, timeout=30).status_code == 202
    queues.depths["cart"] = 50.0
    await until(lambda: len(receiver.attempts) > 1, shown)
    before = len(receiver.attempts)
    up.kill()
    up.start()
    await asyncio.to_thread(up.wait_ready)
    await until(lambda: len(receiver.attempts) > before, shown)
    assert yaml.safe_load(httpx2.get(rules, timeout=30).text) == {"shop": [yaml.safe_load(GROUP)]}
    assert len(set(receiver.attempts)) == 1, "the key of a notification stays over a restart"
    receiver.up = True
    await until(lambda: bool(receiver.taken), shown)
    await asyncio.sleep(7)  # longer than the group's interval: a second one would have come
    assert [status for _, status, _ in receiver.taken] == ["firing"]
    assert httpx2.delete(rules, headers=up.proof, timeout=30).status_code == 202, "a rule that is gone resolves its alerts"
    await until(lambda: len(receiver.taken) > 1, shown)
    assert [status for _, status, _ in receiver.taken] == ["firing", "resolved"]
    assert len({key for key, _, _ in receiver.taken}) == 2
