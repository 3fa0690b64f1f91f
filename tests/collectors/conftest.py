from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from collectors.metrics import CollectorMetrics
from components.sender import HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class FakeLog:
    """A log in memory, and a sink: may be told to fail, or to wait until `let_go` is set; `arrivals` says what waits."""

    max_record_bytes: int = 1_000_000
    records: list[tuple[str, bytes]] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    arrivals: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.let_go.set()

    async def send(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        self.arrivals.put_nowait(topic)
        await self.let_go.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.records.append((topic, value))
        self.senders.append(headers.get(HEADER, b"").decode())

    produce = send


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> CollectorMetrics:
    return CollectorMetrics(registry)
