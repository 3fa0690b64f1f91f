"""The page of a process's own metrics, made without holding up its event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client.exposition import choose_encoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric


class MetricsPage:
    """Reads a registry and writes it as text, once at a time however many ask.

    Args:
        registry: of the process. Its collectors are read on the event loop, a metric at a time: what they read may change
            between two metrics, but not within one.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._making = asyncio.Lock()

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type: Prometheus' text format or OpenMetrics, as asked."""
        encode, content_type = choose_encoder(accept)
        async with self._making:
            found = []
            for metric in self._registry.collect():
                found.append(metric)
                await asyncio.sleep(0)
            return await asyncio.to_thread(encode, _Collected(found)), content_type


class _Collected:
    """What was read, as the encoders read a registry."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)
