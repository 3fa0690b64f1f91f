"""`GET /api/v1/incidents`: repairs that are going on, and those that have ended."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from alerting.playbooks import child_output
from alerting.playbooks.model.incident import Incident, IncidentState, incident_from
from components.durations import HOUR, MINUTE
from dashboards.api.asked import Time
from dashboards.api.happenings.anomalies import Ranking, ranking_body
from dashboards.api.sentences import SentenceParts, parts_in
from dashboards.read_models.reader import within
from stores.store import Aggregation, Equals, OneOf, Query
from telemetry.documents import Kind, latest
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.read_models.bounded_reads import BoundedReads
    from telemetry.documents import Body

MAX_GROUPS = 20_000
"""States of incidents that are counted."""

MAX_REVISIONS = 5_000
"""Revisions that are read for one answer."""

MAX_RANKINGS = 500

RANKED_BEFORE, RANKED_AFTER = HOUR, 10 * MINUTE
"""A ranking is of an incident if it was made so long before its opening, or else after it."""

ACKNOWLEDGED = "acknowledged"
"""The event in the audit trail by which a person says that they look after an incident."""


class Choice(StrEnum):
    """Which incidents."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


class AskedIncidents(BaseModel):
    """Which incidents: those that changed in a time, without one all of them."""

    model_config = ConfigDict(extra="forbid")

    since: Time | None = None
    until: Time | None = None
    environment: str = Field(default="", max_length=1024)
    state: Choice = Choice.ALL
    fingerprint: str = Field(default="", max_length=256, description="of the alert or anomaly that they began with; empty: any")
    limit: int = Field(default=50, ge=1, le=200)


class Cause(BaseModel):
    """The first of the ranking of that time."""

    service: str
    instance: str
    score: float
    text: str = Field(description="its weightiest evidence in words; empty: there is none")
    text_parts: SentenceParts | None
    signal: str


class BlastRadius(BaseModel):
    """What a repair touches, as it was when it was admitted."""

    instances: int
    traffic_share: float = Field(description="of all calls, 0..1")


class IncidentSummary(BaseModel):
    """One run of a playbook on a target."""

    id: str
    revision: int
    environment: str
    playbook: str
    service: str
    instance: str
    state: IncidentState
    open: bool
    opened: int
    ended: int | None
    why: str
    why_parts: SentenceParts | None
    attempt: int
    source: str
    fingerprint: str = Field(description="of its alert or anomaly")
    can_approve: bool = Field(description="it waits for a person, whether or not you may decide")
    can_release: bool = Field(description="it has ended with its target isolated, and counts against the blast radius")
    approve_by: int | None
    approved_by: str
    acknowledged_by: str
    acknowledged_at: int | None
    cause: Cause | None
    blast_radius: BlastRadius


class Incidents(BaseModel):
    """The newest of so many as `total`: open ones first, the one opened last first."""

    total: int
    open: int = Field(description="of these, those that have not ended")
    incidents: list[IncidentSummary]


async def incidents(reads: BoundedReads, asked: AskedIncidents) -> Incidents:
    """Incidents by state.

    Raises:
        StoreError: the store does not answer.
    """
    where = [*within(asked.environment), *([Equals("fingerprint", asked.fingerprint)] if asked.fingerprint else [])]
    query = Query(Kind.INCIDENT, where, asked.since, asked.until, limit=MAX_GROUPS)
    seen: dict[str, int] = {}
    ended: set[str] = set()
    for group in await reads.totals(Aggregation(query, ("id", "state"))):
        incident, state = group.key
        seen[incident] = max(group.newest, seen.get(incident, 0))
        if IncidentState(state).ended:
            ended.add(incident)
    chosen = [
        incident for incident in seen if asked.state is Choice.ALL or (incident in ended) is (asked.state is Choice.CLOSED)
    ]
    chosen.sort(key=lambda incident: (incident in ended, -seen[incident], incident))
    # Who is no operator must not see what commands printed; a list can do without it for all.
    bodies = [child_output.without_output(body) for body in await newest_of(reads, chosen[: asked.limit])]
    ranked, known = await asyncio.gather(rankings_around(reads, bodies), acknowledged(reads, [body["id"] for body in bodies]))
    found = [summary(body, ranking_of(body, ranked), known.get(body["id"])) for body in bodies]
    found.sort(key=lambda one: (not one.open, -one.opened, one.id))
    return Incidents(total=len(chosen), open=len(set(chosen) - ended), incidents=found)


async def newest_of(reads: BoundedReads, ids: Sequence[str]) -> list[Body]:
    """The newest revisions of these incidents."""
    if not ids:
        return []
    found, _ = await reads.as_many(Query(Kind.INCIDENT, [OneOf("id", ids)], descending=True, limit=MAX_REVISIONS))
    return latest(found)


async def acknowledged(reads: BoundedReads, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Who acknowledged these incidents last, and when."""
    if not ids:
        return {}
    query = Query(Kind.AUDIT, [OneOf("incident", ids), Equals("event", ACKNOWLEDGED)], limit=MAX_REVISIONS)
    records, _ = await reads.as_many(query)
    return {record["incident"]: (str(record["data"].get("who", "")), record["@timestamp"]) for record in records}


async def rankings_around(reads: BoundedReads, bodies: Sequence[Body]) -> list[Ranking]:
    """The rankings of the times in which incidents were opened, the newest first."""
    if not bodies:
        return []
    opened = [body["opened"] for body in bodies]
    return await rankings_between(reads, max(0, min(opened) - RANKED_BEFORE), max(opened) + RANKED_AFTER)


async def rankings_between(reads: BoundedReads, since: int, until: int) -> list[Ranking]:
    """The rankings of a time, the newest first."""
    found, _ = await reads.as_many(Query(Kind.CULPRIT, (), since, until, descending=True, limit=MAX_RANKINGS))
    return [ranking_body(body) for body in found]


def ranking_of(body: Body, ranked: Sequence[Ranking]) -> Ranking | None:
    """The ranking of an incident's time: the last one before it was opened, else the first one after."""
    return ranking_at(body["opened"], _environment(body), ranked)


def ranking_at(began: int, environment: str, ranked: Sequence[Ranking]) -> Ranking | None:
    """The ranking of what began at a time: the last one before it, else the first one after."""
    own = [
        ranking
        for ranking in ranked
        if ranking.environment in {environment, "*"}
        and began - RANKED_BEFORE <= ranking.time <= began + RANKED_AFTER
        and ranking.suspects
    ]
    before = [ranking for ranking in own if ranking.time <= began]
    return before[0] if before else own[-1] if own else None


def summary(body: Body, ranking: Ranking | None, seen: tuple[str, int] | None) -> IncidentSummary:
    """An incident from its newest document."""
    state = IncidentState(body["state"])
    return IncidentSummary(
        id=body["id"],
        revision=body["revision"],
        environment=_environment(body),
        playbook=body["playbook"],
        service=body["service"],
        instance=body["instance"],
        state=state,
        open=not state.ended,
        opened=body["opened"],
        ended=body["ended"] or None,
        why=body["why"],
        why_parts=parts_in(body.get("why_parts")),
        attempt=body.get("attempt", 1),
        source=body["source"],
        fingerprint=body["fingerprint"],
        can_approve=state is IncidentState.APPROVING,
        can_release=state.ended and _kept(body).holds_target,
        approve_by=body["approve_by"] or None,
        approved_by=body["approved_by"],
        acknowledged_by=seen[0] if seen else "",
        acknowledged_at=seen[1] if seen else None,
        cause=_cause(ranking),
        blast_radius=BlastRadius(instances=body["instances"], traffic_share=body["traffic_share"] or 0.0),
    )


_FIELDS = frozenset(one.name for one in fields(Incident))


def _kept(body: Body) -> Incident:
    return incident_from({name: value for name, value in body.items() if name in _FIELDS})


def _cause(ranking: Ranking | None) -> Cause | None:
    if ranking is None:
        return None
    first = ranking.suspects[0]
    reason = max(first.evidence, key=lambda one: one.weight, default=None)
    return Cause(
        service=first.service,
        instance=first.instance,
        score=first.score,
        text=reason.text if reason else "",
        text_parts=reason.text_parts if reason else None,
        signal=reason.signal if reason else "",
    )


def _environment(body: Body) -> str:
    return body.get("environment") or DEFAULT_ENVIRONMENT
