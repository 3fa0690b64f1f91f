from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from collectors.errors import LogUnavailableError
from collectors.shipper import Shipper, ShipperConfig
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from collectors.metrics import CollectorMetrics
    from tests.collectors.conftest import FakeLog


def shed(registry: CollectorRegistry, reason: str) -> float | None:
    return registry.get_sample_value("spanloom_collector_shed_requests_total", {"topic": "otlp_spans", "reason": reason})


async def test_send_returns_only_when_the_log_has_the_record(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    log.let_go.clear()
    shipper = Shipper(log, ShipperConfig(), metrics)
    sending = asyncio.create_task(shipper.send("otlp_spans", b"four", {}))
    await log.arrivals.get()
    assert registry.get_sample_value("spanloom_collector_waiting_bytes") == 4
    assert not sending.done()
    log.let_go.set()
    await sending
    assert log.records == [("otlp_spans", b"four")]
    assert registry.get_sample_value("spanloom_collector_waiting_bytes") == 0


@pytest.mark.parametrize("config", [ShipperConfig(max_bytes=9), ShipperConfig(max_requests=2)])
async def test_what_does_not_fit_is_refused_at_once_and_counted(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry, config: ShipperConfig
) -> None:
    log.let_go.clear()
    shipper = Shipper(log, config, metrics)
    sending = [asyncio.create_task(shipper.send("otlp_spans", b"four", {})) for _ in range(2)]
    for _ in sending:
        await log.arrivals.get()
    with pytest.raises(OverloadedError) as caught:
        await shipper.send("otlp_spans", b"more", {})
    assert caught.value.retry_after == 1
    assert shed(registry, "full") == 1
    log.let_go.set()
    await asyncio.gather(*sending)
    await shipper.send("otlp_spans", b"more", {})
    assert len(log.records) == 3


async def test_a_log_that_fails_is_worth_another_try(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    log.errors.append(ConnectionError("broker gone"))
    shipper = Shipper(log, ShipperConfig(retry_after=3), metrics)
    with pytest.raises(LogUnavailableError, match="otlp_spans: the log did not accept the record: broker gone") as caught:
        await shipper.send("otlp_spans", b"x", {})
    assert caught.value.retry_after == 3
    assert shed(registry, "log") == 1
    await shipper.send("otlp_spans", b"x", {})
    assert log.records == [("otlp_spans", b"x")]


async def test_a_log_that_is_silent_is_given_up_on(
    log: FakeLog, metrics: CollectorMetrics, registry: CollectorRegistry
) -> None:
    log.let_go.clear()
    shipper = Shipper(log, ShipperConfig(log_seconds=0.01), metrics)
    with pytest.raises(LogUnavailableError, match="did not confirm"):
        await shipper.send("otlp_spans", b"x", {})
    assert registry.get_sample_value("spanloom_collector_waiting_requests") == 0
