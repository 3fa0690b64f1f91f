"""Samples for the pages of metrics and rules: requests of two services for a quarter of an hour, with rules over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.prometheus_api.backtests import BacktestCounts, Backtests
from alerting.prometheus_api.routes import PrometheusApi
from alerting.rules import api as rules_api
from alerting.rules.book import RuleBook
from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from telemetry.documents.signals import metric_document
from telemetry.metrics import DataPoint, Exemplar, Metric, MetricType, Point, Series, Temporality
from tests.dashboards import shop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from alerting.prometheus_api.exemplars import MetricDocuments
    from telemetry.documents import Document
    from telemetry.spans import Span

STEPS, EVERY = 60, 15 * shop.SECOND


RULES = """
groups:
- name: traffic
  interval: 15s
  rules:
  - record: service:requests
    expr: sum by (service) (rate(requests_total[1m]))
  - alert: Busy
    expr: sum by (service) (rate(requests_total[1m])) > 3
    for: 1m
    annotations: {summary: "{{ $labels.service }} is busy"}
"""


EXEMPLAR = shop.trace(45)
"""The trace that a measurement of the requests of payment names."""


def measured() -> Span:
    """The span in which the exemplar was taken, at its start."""
    return next(span for span in EXEMPLAR.spans if span.resource.attributes["service.name"] == "payment")


def documents() -> list[Document]:
    """`requests_total` of payment as its SDK sends it, with an exemplar."""
    called = measured()
    taken = Exemplar(called.start, 1, EXEMPLAR.id, called.span_id)
    point = DataPoint(called.start, value=7, exemplars=(taken,))
    metric = Metric(
        "requests", MetricType.SUM, (point,), called.resource, temporality=Temporality.CUMULATIVE, monotonic=True
    )  # fmt: skip
    return [metric_document(metric, point)]


def routes(store: MetricDocuments) -> Sequence[BaseRoute]:
    """The API over `requests_total` of cart, which gets one a second, and payment, which gets four.

    Args:
        store: has the exemplars.
    """
    engine = AlertEngine(parse_rules(RULES, "traffic.yml"))
    for step in range(STEPS):
        time = shop.NOW - (STEPS - 1 - step) * EVERY
        engine.samples.add(
            Point(Series("requests_total", (("service", service),)), time, 15.0 * step * rate)
            for service, rate in (("cart", 1), ("payment", 4))
        )

    async def nothing(*_: object, **__: object) -> None:
        """Nobody writes rules here."""

    here = {"default": engine}
    return [
        *PrometheusApi(lambda: here, lambda: shop.NOW, "1", metrics=store).routes(),
        *rules_api.routes(lambda: here, RuleBook(files=engine.groups, now=lambda: shop.NOW), nothing, nothing),
        *Backtests(lambda: here, dict, lambda: shop.NOW, 0, BacktestCounts()).routes(),
    ]
