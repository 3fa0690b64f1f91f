"""Everything that starts also stops: before it started, twice, and with nothing left over."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from collectors.metrics import CollectorMetrics
from collectors.receivers.otlp_grpc import OtlpGrpcConfig, OtlpGrpcReceiver
from collectors.receivers.otlp_http import OtlpHttpConfig, OtlpHttpReceiver
from collectors.shipper import Shipper, ShipperConfig
from dashboards.api.server import ConsoleServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Nowhere:
    """A log that takes everything."""

    async def produce(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Take it."""


def sink() -> tuple[Shipper, CollectorMetrics]:
    metrics = CollectorMetrics(CollectorRegistry())
    return Shipper(Nowhere(), ShipperConfig(), metrics), metrics


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """An application that answers nobody."""


PARTS: dict[str, Callable[[], Any]] = {
    "otlp_grpc": lambda: OtlpGrpcReceiver(OtlpGrpcConfig(port=0), *sink()),
    "otlp_http": lambda: OtlpHttpReceiver(OtlpHttpConfig(port=0), *sink()),
    "console": lambda: ConsoleServer(nothing, port=0),
}


@pytest.mark.parametrize("part", PARTS)
async def test_it_can_be_stopped_before_it_was_started(part: str) -> None:
    await PARTS[part]().stop()


@pytest.mark.parametrize("part", PARTS)
async def test_it_starts_and_stops_twice_and_leaves_no_task_and_no_thread(part: str) -> None:
    # The first start of gRPC in a process starts threads that it keeps for all servers to come.
    warm = PARTS[part]()
    await warm.start()
    await warm.stop()
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    made = PARTS[part]()
    await made.start()
    await made.stop()
    await made.stop()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == tasks
    assert {thread for thread in threading.enumerate() if not thread.daemon} <= threads
