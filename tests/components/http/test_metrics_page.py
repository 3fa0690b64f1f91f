from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily

from components.http.metrics_page import MetricsPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric


class Many:
    """A collector of many metrics that notes how far it is."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.given = 0

    def collect(self) -> Iterator[Metric]:
        for number in range(self._count):
            self.given = number
            yield GaugeMetricFamily(f"metric_{number}", "one of many", value=number)


async def test_others_have_their_turn_while_the_page_is_made() -> None:
    registry, many = CollectorRegistry(), Many(1000)
    registry.register(many)
    page = asyncio.create_task(MetricsPage(registry).text(""))
    turns = set()
    while not page.done():
        turns.add(many.given)
        await asyncio.sleep(0)
    assert len(turns) > 100
    text, content_type = await page
    assert text.count(b"# TYPE") == 1000
    assert content_type.startswith("text/plain")


async def test_the_page_is_what_prometheus_and_openmetrics_read() -> None:
    registry = CollectorRegistry()
    Counter("things", "Things", registry=registry).inc(3)
    page = MetricsPage(registry)
    assert b"things_total 3.0" in (await page.text(""))[0]
    text, content_type = await page.text("application/openmetrics-text; version=1.0.0")
    assert text.endswith(b"# EOF\n")
    assert content_type.startswith("application/openmetrics-text")
