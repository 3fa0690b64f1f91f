"""The work of the relay goes on, or the agent ends and is started again: without its stream it would never hear of a policy."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from agent.config import ControlConfig
from agent.metrics import AgentMetrics
from agent.relay import upstream as upstream_module
from agent.relay.last_good import LastGood
from agent.relay.relay import Relay
from agent.relay.upstream import Upstream
from spanloom import clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.relay.messages import Response


class Stream(Upstream):
    """Its streams end as they are told to, and then one stays open."""

    def __init__(self, *endings: BaseException) -> None:
        super().__init__(ControlConfig(address="127.0.0.1:9"), random.Random(1), AgentMetrics(CollectorRegistry()))
        self.node, self.endings, self.open = b"node", list(endings), asyncio.Event()

    async def _stream(self, offered: Callable[[Response], None]) -> bool:  # noqa: ARG002
        if self.endings:
            raise self.endings.pop(0)
        self.open.set()
        await asyncio.Event().wait()
        return True


def at_work(folder: Path, upstream: Upstream) -> Relay:
    """A relay that does what it does for the control plane, and serves no Envoy."""
    last_good = LastGood(folder / "last-good", keep_secrets=False, max_bytes=1 << 20)
    relay = Relay(folder / "relay", None, last_good, upstream, bytes, clock.system, AgentMetrics(CollectorRegistry()))
    relay._tasks = [asyncio.create_task(upstream.run(lambda _: None))]
    return relay


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(asyncio.CancelledError(), id="a call that gRPC cancelled"),
        pytest.param(asyncio.InvalidStateError("RPC already finished"), id="a call that is finished"),
        pytest.param(grpc.aio.UsageError("Channel is closed"), id="a channel that is closed"),
        pytest.param(OSError("no such file"), id="a certificate that is away"),
    ],
)
async def test_a_stream_is_opened_again_however_it_ended(ending: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "FIRST_BACKOFF", 0.001)
    stream = Stream(ending)
    running = asyncio.create_task(stream.run(lambda _: None))
    async with asyncio.timeout(60):
        await stream.open.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_nobody_expected_ends_the_agent(tmp_path: Path) -> None:
    working = at_work(tmp_path, Stream(KeyError("a mistake of ours")))
    async with asyncio.timeout(60):
        with pytest.raises(RuntimeError, match="stopped working") as raised:
            await working.run()
    assert isinstance(raised.value.__cause__, KeyError)


async def test_a_stop_is_no_failure(tmp_path: Path) -> None:
    working = at_work(tmp_path, Stream())
    running = asyncio.create_task(working.run())
    await asyncio.sleep(0)
    await working.stop()
    async with asyncio.timeout(60):
        await running
