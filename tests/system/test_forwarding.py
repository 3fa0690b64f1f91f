"""Alerts of `spanloom up` at an Alertmanager that is away at first, and over a kill -9."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2
import orjson
import pytest

from tests.alerting.notify.test_forward import Peer
from tests.system.processes import Up
from tests.system.test_alerting import PATIENCE, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
RULES = """
groups:
- name: watch
  interval: 1s
  rules:
  - {alert: Watchdog, expr: vector(1), annotations: {where: "{{ $externalLabels.cluster }}"}}
"""


async def test_alerts_go_on_to_an_alertmanager_that_was_away_and_again_after_a_kill(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    async with Peer().open() as peer:
        peer.status = 503
        settings = {
            "SPANLOOM_ALERTING__RULES": orjson.dumps([str(tmp_path / "rules.yml")]).decode(),
            "SPANLOOM_ALERTING__ALERTMANAGERS": orjson.dumps([{"static_configs": [{"targets": [peer.address]}]}]).decode(),
            "SPANLOOM_ALERTING__EXTERNAL_LABELS": '{"cluster": "eu-1"}',
            "SPANLOOM_ACT__IDLE": "1",
        }
        up = Up(tmp_path, **settings)
        up.start()
        try:
            await asyncio.to_thread(up.wait_ready)
            await until(lambda: len(peer.posted) > 0, lambda: "nothing came", 2 * PATIENCE)  # rules begin 30 s behind the clock
            peer.status = 200
            refused = len(peer.posted)
            await until(lambda: len(peer.posted) > refused, lambda: peer.posted)
            (alert,) = peer.posted[-1]
            assert alert["labels"] == {"alertname": "Watchdog", "cluster": "eu-1"}
            assert alert["annotations"] == {"where": "eu-1"}
            metrics = await asyncio.to_thread(lambda: httpx2.get(f"{up.console}/metrics").text)
            (sent,) = (line for line in metrics.splitlines() if line.startswith("spanloom_alertmanager_sent_total"))
            assert f'alertmanager="http://{peer.address}/api/v2/alerts"' in sent
            await asyncio.to_thread(up.kill)
            before = len(peer.posted)
            await asyncio.to_thread(up.start)
            await asyncio.to_thread(up.wait_ready)
            await until(lambda: len(peer.posted) > before, lambda: peer.posted[-1:], 2 * PATIENCE)
            (again,) = peer.posted[-1]
            assert (again["labels"], again["startsAt"]) == (alert["labels"], alert["startsAt"])
        finally:
            await asyncio.to_thread(up.stop)
