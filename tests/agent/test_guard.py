from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent import agent as module
from agent.errors import InterceptError
from tests.agent.traffic import backend, needs_envoy, running, until
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Refusing:
    """Rules that cannot be set the first time."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.tried: list[int] = []
        self.set = False

    async def begin(self, envoy: int) -> None:
        self.tried.append(envoy)
        if len(self.tried) == 1:
            raise InterceptError("Operation not permitted")
        self.set = True

    async def end(self) -> None:
        self.set = False


@needs_envoy
async def test_rules_that_could_not_be_set_are_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Refusing()
    monkeypatch.setattr(module.TrafficAgent, "_interception", lambda _: table)
    with backend("shop") as shop:
        inbound = {"port": free_port(), "application": f"127.0.0.1:{shop.server_port}"}
        async with running(tmp_path, inbound=inbound, envoy={"check_seconds": 0.5, "failed_checks": 60}) as agent:
            await until(lambda: table.set)
            assert table.tried == [agent.envoy, agent.envoy]
            assert agent.metric("spanloom_agent_intercepting") == 1
            assert agent.metric("spanloom_agent_intercept_failures_total") == 1
    assert not table.set
