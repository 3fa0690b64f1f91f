from __future__ import annotations

from typing import Any

import httpx2
import pytest

from spanloom.experiments.webhook import WebhookReceiver
from telemetry.errors import SpanloomError


async def test_a_notification_is_handed_on_and_anything_else_is_refused() -> None:
    taken: list[dict[str, Any]] = []
    payload = {"version": "4", "status": "firing", "alerts": []}
    async with WebhookReceiver(0, taken.append) as receiver, httpx2.AsyncClient() as client:
        assert (await client.post(receiver.url, json=payload)).status_code == 200
        assert (await client.post(receiver.url, json=["firing"])).status_code == 400
        assert (await client.post(receiver.url, content=b"{")).status_code == 400
    assert taken == [payload]


async def test_a_port_in_use_is_reported() -> None:
    async with WebhookReceiver(0, lambda _: None) as receiver:
        port = int(receiver.url.split(":")[2].split("/")[0])
        with pytest.raises(SpanloomError, match=str(port)):
            await WebhookReceiver(port, lambda _: None).__aenter__()
