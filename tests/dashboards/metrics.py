"""Samples for the page of metrics: requests of two services for a quarter of an hour, served as Prometheus' API does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.prometheus_api.routes import PrometheusApi
from alerting.rules.engine import AlertEngine
from telemetry.metrics import Point, Series
from tests.dashboards import shop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

STEPS, EVERY = 60, 15 * shop.SECOND


def routes() -> Sequence[BaseRoute]:
    """The API over `requests_total` of cart, which gets one a second, and payment, which gets four."""
    engine = AlertEngine([])
    for step in range(STEPS):
        time = shop.NOW - (STEPS - 1 - step) * EVERY
        engine.samples.add(
            Point(Series("requests_total", (("service", service),)), time, 15.0 * step * rate)
            for service, rate in (("cart", 1), ("payment", 4))
        )
    return PrometheusApi(lambda: {"default": engine}, lambda: shop.NOW, "1").routes()
