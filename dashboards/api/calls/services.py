"""`GET /api/v1/services`: every service there was anything of, the most unusual first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from components.durations import SECOND
from dashboards.api.calls.span_counts import SpanCounts, span_counts
from dashboards.api.calls.sums import CallsAnswer, CallSums, Stats
from dashboards.read_models.anomaly_scores import anomalies_by_service
from dashboards.read_models.edge_sums import MAX_KINDS, edges_by_kind
from stores.layout import ENVIRONMENT
from stores.store import Aggregation, Equals, Query
from telemetry.call_graph import NodeKind
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboards.api.asked import Asked, Covered
    from stores.store import Reads, Totals

BARS = 30
"""Steps of a sparkline, about."""

IS_SERVICE = Equals("callee.kind", NodeKind.SERVICE.value)


MAX_DEPLOYS = 50
"""The newest ones are answered."""

EDGE = 60
"""A version whose first span lies within this part of a range, at its beginning, was there before as far as one can see."""


class Sparkline(BaseModel):
    """Calls by step; null is a step in which nothing was stored."""

    start: int
    step: int
    calls: list[int | None]
    failures: list[int | None]


class Service(Stats):
    """A service: the calls that it received, and the spans that it sent."""

    name: str
    environment: str
    spans: int = Field(description="that it sent, of any kind: a service with internal spans only has no calls")
    error_spans: int
    instances: int | None = Field(description="null: no span names one")
    versions: list[str]
    last_seen: int | None = Field(description="start of its newest span, ns since the epoch")
    anomaly: float = Field(description="the highest score of its anomalies, 0..1; 0: none")
    anomalies: int
    sparkline: Sparkline


class Deploy(BaseModel):
    """A version of a service that came up while another one was there."""

    service: str
    environment: str
    version: str
    first_seen: int = Field(description="start of its first span in the range, ns since the epoch")


class Services(CallsAnswer):
    """The answer."""

    services: list[Service]
    deploys: list[Deploy] = Field(description=f"the newest first, at most {MAX_DEPLOYS}")


async def services(reads: Reads, asked: Asked, covered: Covered) -> Services:
    """All services of a time.

    Raises:
        StoreError: the store does not answer.
    """
    since, until, where = covered.since, covered.until, asked.where
    step = max(5, -(-(until - since) // (BARS * SECOND))) * SECOND
    received = (*where, IS_SERVICE)
    edges, bars, spans, anomalies = await asyncio.gather(
        edges_by_kind(reads, since, until, received, (ENVIRONMENT, "callee.name"), samples=False),
        reads.totals(
            Aggregation(
                Query(Kind.EDGE, received, since, until, limit=MAX_KINDS * 10),
                (ENVIRONMENT, "callee.name"),
                step,
                ("calls", "failures"),
            )
        ),
        span_counts(reads, since, until, where),
        anomalies_by_service(reads, since, until, where),
    )
    calls: dict[tuple[str, str], CallSums] = {}
    for group in edges:
        calls.setdefault((group.key[0], group.key[1]), CallSums()).add(group)
    lines: dict[tuple[str, str], list[Totals]] = {}
    for group in bars:
        lines.setdefault((group.key[0], group.key[1]), []).append(group)
    unusual = {(group.key[0], group.key[1]): group for group in anomalies}
    first = since - since % step
    found = [
        _service(
            place,
            calls.get(place, CallSums()).stats(covered.seconds),
            spans.get(place, SpanCounts()),
            unusual.get(place),
            _sparkline(lines.get(place, ()), first, until, step),
        )
        for place in {*calls, *spans}
    ]
    found.sort(key=lambda one: (-one.anomaly, -one.calls, -one.spans, one.name, one.environment))
    return Services(since=since, until=until, services=found, deploys=deploys(spans, since, until))


def deploys(spans: Mapping[tuple[str, str], SpanCounts], since: int, until: int) -> list[Deploy]:
    """Versions of services that came up in a range, from the spans of it by environment and service."""
    edge = since + (until - since) // EDGE
    found = [
        Deploy(service=service, environment=environment, version=version, first_seen=seen.first)
        for (environment, service), counts in spans.items()
        for version, seen in counts.versions.items()
        if seen.first >= edge and seen.first > min(one.first for one in counts.versions.values())
    ]
    found.sort(key=lambda one: (-one.first_seen, one.service, one.environment, one.version))
    return found[:MAX_DEPLOYS]


def _service(place: tuple[str, str], stats: Stats, spans: SpanCounts, unusual: Totals | None, sparkline: Sparkline) -> Service:
    environment, name = place
    return Service(
        **dict(stats),
        name=name,
        environment=environment,
        spans=spans.whole.spans,
        error_spans=spans.whole.errors,
        instances=len({instance for instance, _ in spans.instances}) or None,
        versions=sorted(spans.versions, key=lambda version: -spans.versions[version].last),
        last_seen=spans.whole.last or None,
        anomaly=unusual.peaks[0] if unusual else 0.0,
        anomalies=unusual.documents if unusual else 0,
        sparkline=sparkline,
    )


def _sparkline(groups: list[Totals] | tuple[()], first: int, until: int, step: int) -> Sparkline:
    calls: list[int | None] = [None] * -(-(until - first) // step)
    failures = list(calls)
    for group in groups:
        place = (group.start - first) // step
        calls[place], failures[place] = group.sums
    return Sparkline(start=first, step=step, calls=calls, failures=failures)
