"""`GET /api/v1/anomalies` and `/api/v1/rankings`: what deviated, and which services were suspected."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from dashboards.api.asked import Asked, Time
from dashboards.api.sentences import SentenceParts, parts_in
from stores.store import Equals, Query
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.findings import AnomalyKind

if TYPE_CHECKING:
    from dashboards.api.asked import Covered
    from dashboards.read_models.bounded_reads import BoundedReads
    from telemetry.documents import Body

MOST = 1000


class AskedAnomalies(Asked):
    """Which anomalies."""

    service: str = Field(default="", max_length=1024)
    kind: AnomalyKind | None = None
    limit: int = Field(default=200, ge=1, le=MOST)


class AskedRankings(Asked):
    """Which rankings."""

    at: Time | None = Field(default=None, description="nothing after it: the first one is that of this time")
    limit: int = Field(default=20, ge=1, le=200)


class AnomalySeries(BaseModel):
    """The series that deviated."""

    name: str
    labels: dict[str, str]


class AnomalyBody(BaseModel):
    """One deviation, from `start` to `end`: `seen` instead of `expected`, in `unit`."""

    id: str
    kind: AnomalyKind
    service: str
    operation: str
    instance: str
    environment: str
    start: int
    end: int
    score: float
    expected: float | None
    seen: float | None
    unit: str
    why: str
    why_parts: SentenceParts | None
    series: AnomalySeries
    trace_ids: list[str]


class Anomalies(BaseModel):
    """The newest of so many as `total`, the newest first."""

    since: int
    until: int
    total: int
    anomalies: list[AnomalyBody]


class EvidenceBody(BaseModel):
    """One reason for a rank."""

    signal: str
    weight: float
    text: str
    text_parts: SentenceParts | None = None
    trace_ids: list[str]
    series: str


class SuspectBody(BaseModel):
    """A service, or an instance of it, and how likely it is the cause."""

    service: str
    instance: str
    score: float
    evidence: list[EvidenceBody]


class Ranking(BaseModel):
    """Suspects at a time, the likeliest first."""

    id: str
    time: int
    environment: str
    opened_by: str = Field(description="id of the anomaly that asked")
    suspects: list[SuspectBody]


class Rankings(BaseModel):
    """The newest of so many as `total`, the newest first."""

    since: int
    until: int
    total: int
    rankings: list[Ranking]


async def anomalies(reads: BoundedReads, asked: AskedAnomalies, covered: Covered) -> Anomalies:
    """The anomalies that ended in a time.

    Raises:
        StoreError: the store does not answer.
    """
    where = [*asked.where]
    where += [Equals("service", asked.service)] if asked.service else []
    where += [Equals("kind", asked.kind.value)] if asked.kind else []
    query = Query(Kind.ANOMALY, where, covered.since, covered.until, descending=True, limit=asked.limit)
    (found, _), total = await asyncio.gather(reads.as_many(query), reads.count(query))
    return Anomalies(since=covered.since, until=covered.until, total=total, anomalies=[anomaly_body(body) for body in found])


async def rankings(reads: BoundedReads, asked: AskedRankings, covered: Covered) -> Rankings:
    """The rankings of a time. Raises as above."""
    until = covered.until if asked.at is None else min(covered.until, asked.at + 1)
    query = Query(Kind.CULPRIT, asked.where, covered.since, until, descending=True, limit=asked.limit)
    (found, _), total = await asyncio.gather(reads.as_many(query), reads.count(replace(query, until=covered.until)))
    return Rankings(since=covered.since, until=covered.until, total=total, rankings=[ranking_body(body) for body in found])


def anomaly_body(body: Body) -> AnomalyBody:
    """An anomaly from its document."""
    same = ("kind", "service", "operation", "instance", "start", "end", "score", "expected", "seen", "unit", "why", "trace_ids")
    return AnomalyBody(
        id=body["_id"],
        environment=body.get("environment") or DEFAULT_ENVIRONMENT,
        series=AnomalySeries(name=body["series"]["name"], labels=body["series"]["labels"]),
        why_parts=parts_in(body.get("why_parts")),
        **{name: body[name] for name in same},
    )


def ranking_body(body: Body) -> Ranking:
    """A ranking from its document."""
    return Ranking(
        id=body["_id"],
        time=body["@timestamp"],
        environment=body.get("environment") or DEFAULT_ENVIRONMENT,
        opened_by=body["opened_by"],
        suspects=[_suspect(suspect) for suspect in body["ranking"]],
    )


def _suspect(body: Body) -> SuspectBody:
    evidence = [one | {"text_parts": parts_in(one.get("text_parts"))} for one in body["evidence"]]
    return SuspectBody.model_validate(body | {"evidence": evidence})
