"""What the earlier release was made to see before it was stopped, and what the tests go on with."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from telemetry import otlp
from telemetry.metrics import DataPoint, Metric, MetricType
from telemetry.resource import Resource
from tests.generated import RESOURCES, logs, traces
from tests.system.exactness import IN_NAMESPACE, sharing_ids

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from telemetry.spans import Span

SECOND = 1_000_000_000

BEGIN = int(datetime(2024, 11, 29, 12, tzinfo=UTC).timestamp()) * SECOND
"""When the recording begins. The processes' clock is moved there, so that nothing in it depends on the day."""

TRACES, EVERY = 60, 10 * SECOND
"""Traces of the ten minutes before."""

LATE = (7, 9)
"""Of these traces the database span is held back; it comes after the upgrade. The first has shared ids and a namespace."""

LATENCY, DEPTH = "request.latency.seconds", "queue.depth"
USUAL, POINTS = 0.2, 300
"""Of the latency, and how many points of it there are every two seconds before the beginning."""

RULES = """
groups:
- name: queue
  interval: 1s
  rules:
  - alert: QueueDeep
    expr: max by (service_name) (max_over_time(queue_depth[40s])) > 10
    labels: {severity: warning, service: "{{ $labels.service_name }}"}
"""

RULES_OVER_HTTP = """
name: latency
interval: 1s
rules:
- alert: Slow
  expr: max by (service_name) (max_over_time(request_latency_seconds[10s])) > 100
"""

PLAYBOOKS = """
playbooks:
- name: flush
  trigger: {alert: ['alertname="QueueDeep"', 'service="payment"']}
  approve: {human: 1h}
  cooldown: 1s
  steps:
  - {name: flush, action: command, with: {command: ["true"]}, timeout: 10s, inverse: none}
  verify: {expr: 'max(max_over_time(queue_depth{service_name="payment"}[3s])) < 10', for: 1s, within: 1m}
- name: ask
  trigger: {alert: ['alertname="QueueDeep"', 'service="cart"']}
  approve: {human: 1h}
  cooldown: 1s
  steps:
  - {name: ask, action: command, with: {command: ["true"]}, timeout: 10s, inverse: none}
  verify: {expr: 'max(max_over_time(queue_depth{service_name="cart"}[3s])) < 10', for: 1s, within: 1m}
"""

DEEP, SHALLOW = 50.0, 1.0
QUEUES = {"cart": SHALLOW, "mail": DEEP, "payment": DEEP, "shipping": SHALLOW}
"""Depth of each queue at first. `mail` is silenced, `payment` is repaired, then `cart` fires and waits for approval."""


def write_configuration(folder: Path) -> dict[str, str]:
    """The files of rules and playbooks, and settings that name them from there: alerts go on by the name of their file."""
    (folder / "rules.yml").write_text(RULES)
    (folder / "playbooks.yml").write_text(PLAYBOOKS)
    return {
        "SPANLOOM_ALERTING__RULES": '["rules.yml"]',
        "SPANLOOM_ALERTING__PLAYBOOKS": '["playbooks.yml"]',
        "SPANLOOM_TOPICS__RETENTION_HOURS": "100000",
        "SPANLOOM_ACT__IDLE": "1",
    }


def past_traces() -> list[list[Span]]:
    """Those of the ten minutes before: some in which both sides share span ids, some of services in a namespace."""
    found = []
    for number, spans in enumerate(traces(TRACES, every=0)):
        start = BEGIN - (TRACES - number) * EVERY - spans[-1].start
        moved = [replace(span, start=span.start + start, end=span.end + start) for span in spans]
        sent = sharing_ids(moved) if number % 3 == 1 else moved
        named = IN_NAMESPACE if number % 5 == 2 else RESOURCES
        found.append([replace(span, resource=named[span.service]) for span in sent])
    return found


def late_spans() -> list[Span]:
    """Those that were held back."""
    known = past_traces()
    return [span for number in LATE for span in known[number] if span.name == "SELECT stock"]


def past_requests() -> Iterator[tuple[str, bytes]]:
    """Export requests of ten traces each, but for the late spans, with their logs; then the latencies."""
    late = late_spans()
    known = past_traces()
    for start in range(0, TRACES, 10):
        some = [span for trace in known[start : start + 10] for span in trace if span not in late]
        yield "traces", otlp.encode_spans(some)
        yield "logs", otlp.encode_logs(logs(some))
    chance = random.Random(3)
    times = [BEGIN - (POINTS - number) * 2 * SECOND for number in range(POINTS)]
    yield "metrics", otlp.encode_metrics([gauge(LATENCY, "cart", {time: USUAL + chance.gauss(0, 0.01) for time in times})])


def open_traces(now: int) -> list[list[Span]]:
    """Two that began a moment ago."""
    found = []
    for spans in traces(2, seed=9, every=0):
        start = now - 2 * SECOND - spans[-1].start
        found.append([replace(span, start=span.start + start, end=span.end + start) for span in spans])
    return found


def present_requests(
    now: int, queues: Mapping[str, float], latency: float, chance: random.Random
) -> Iterator[tuple[str, bytes]]:
    """What services report at a moment."""
    metrics = [gauge(DEPTH, service, {now: depth}) for service, depth in queues.items()]
    metrics.append(gauge(LATENCY, "cart", {now: latency + chance.gauss(0, 0.01)}))
    yield "metrics", otlp.encode_metrics(metrics)


def gauge(name: str, service: str, values: Mapping[int, float]) -> Metric:
    """Values of a series by time."""
    points = tuple(DataPoint(time, value=value) for time, value in values.items())
    return Metric(name, MetricType.GAUGE, points, Resource({"service.name": service}))
