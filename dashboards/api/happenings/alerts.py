"""`GET /api/v1/alerts`, `/api/v1/alerts/{fingerprint}` and `/api/v1/notifications`: how alerts went, and who heard of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from alerting.alert_state import AlertState
from dashboards.api.asked import Time
from dashboards.api.happenings.anomalies import Ranking
from dashboards.api.happenings.incidents import (
    RANKED_AFTER,
    RANKED_BEFORE,
    AskedIncidents,
    IncidentSummary,
    incidents,
    ranking_at,
    rankings_between,
)
from dashboards.api.happenings.lanes import (
    AROUND,
    MAX_TRACES,
    Caller,
    LaneEvent,
    SwimLane,
    alert_events,
    anomaly_events,
    callers_of,
    newest,
    notification_events,
    start_of,
)
from dashboards.api.sentences import SentenceParts, parts_in
from dashboards.read_models.http_errors import NotFoundError
from dashboards.read_models.reader import within
from stores.layout import ENVIRONMENT
from stores.store import Equals, Query
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from dashboards.read_models.bounded_reads import BoundedReads
    from stores.store import Filter
    from telemetry.documents import Body

MOST = 2000


class AskedChanges(BaseModel):
    """Which alerts or notifications: those of a time, without one the newest of all."""

    model_config = ConfigDict(extra="forbid")

    since: Time | None = None
    until: Time | None = None
    environment: str = Field(default="", max_length=1024)
    service: str = Field(default="", max_length=1024, description="of the alert; notifications are of all")
    limit: int = Field(default=200, ge=1, le=MOST)


class AlertChanged(BaseModel):
    """An alert that changed its state at `time`. Times in nanoseconds, 0 where it has not come to that."""

    id: str
    fingerprint: str
    state: AlertState
    environment: str
    service: str
    labels: dict[str, str]
    annotations: dict[str, str]
    value: float | None
    time: int
    active_at: int = Field(description="since when its expression holds")
    starts_at: int = Field(description="since when it fires")
    ends_at: int = Field(description="when it resolved")
    group: str
    expr: str


class NotificationBody(BaseModel):
    """What became of a notification, or why an alert was in none."""

    id: str
    time: int
    outcome: str = Field(description="delivered, suppressed, or failed with the time")
    alerts: list[str] = Field(description="fingerprints")
    receiver: str
    integration: str
    firing: int
    resolved: int
    attempts: int | None
    error: str
    error_parts: SentenceParts | None
    group_labels: dict[str, str]
    labels: dict[str, str] = Field(description="of the alert that was suppressed")
    by: str = Field(description="inhibition, silence or time interval")
    reason: str
    reason_parts: SentenceParts | None
    path: list[str] = Field(description="from the culprit to the service of the alert")


class AlertChanges(BaseModel):
    """The newest of so many as `total`, the newest first."""

    total: int
    alerts: list[AlertChanged]


class Notifications(BaseModel):
    """The newest of so many as `total`, the newest first."""

    total: int
    notifications: list[NotificationBody]


class AlertDetail(BaseModel):
    """What happened around the last time of an alert, lane by lane."""

    changes: list[AlertChanged] = Field(description="of its state, the newest first")
    since: int = Field(description="from when on what happened around it is here")
    until: int
    lanes: list[SwimLane]
    ranking: Ranking | None = Field(description="the last one before it began, else the first one after")
    incidents: list[IncidentSummary]
    notifications: list[NotificationBody]
    callers: list[Caller] = Field(description="who called its service around that time, the busiest first")
    trace_ids: list[str] = Field(description="of anomalies of its service around it")


async def alerts(reads: BoundedReads, asked: AskedChanges) -> AlertChanges:
    """How alerts changed.

    Raises:
        StoreError: the store does not answer.
    """
    query = _query(Kind.ALERT, asked, [Equals("service", asked.service)] if asked.service else [])
    (found, _), total = await asyncio.gather(reads.as_many(query), reads.count(query))
    return AlertChanges(total=total, alerts=[_change(body) for body in found])


async def notifications(reads: BoundedReads, asked: AskedChanges) -> Notifications:
    """What was sent, and what was not. Raises as above."""
    query = _query(Kind.NOTIFICATION, asked, [])
    (found, _), total = await asyncio.gather(reads.as_many(query), reads.count(query))
    return Notifications(total=total, notifications=[_sent(body) for body in found])


async def alert_detail(reads: BoundedReads, fingerprint: str, now: int) -> AlertDetail:
    """All about an alert.

    Raises:
        NotFoundError: none with this fingerprint is stored.
        StoreError: the store does not answer.
    """
    changes = await newest(reads, Kind.ALERT, [Equals("fingerprint", fingerprint)], None, None)
    if not changes:
        raise NotFoundError(Wording.NO_ALERT(fingerprint=fingerprint))
    last = changes[-1]
    service, environment = last["service"], last.get("environment") or DEFAULT_ENVIRONMENT
    started, ended = last["starts_at"] or last["active_at"], last["ends_at"]
    since, until = max(0, last["active_at"] - AROUND), (ended or now) + AROUND
    where = (Equals(ENVIRONMENT, environment),)
    of_service = (*where, Equals("service", service)) if service else None
    own = [Equals("alerts", fingerprint)]
    anomalies, notified, ranked, repairs, callers = await asyncio.gather(
        newest(reads, Kind.ANOMALY, of_service, since, until) if of_service else _nothing(),
        newest(reads, Kind.NOTIFICATION, own, None, None),
        rankings_between(reads, max(0, started - RANKED_BEFORE), started + RANKED_AFTER),
        incidents(reads, AskedIncidents(fingerprint=fingerprint, environment=environment)),
        callers_of(reads, service, where, since, until),
    )
    traces = dict.fromkeys(trace_id for one in anomalies for trace_id in one["trace_ids"])
    return AlertDetail(
        changes=[_change(body) for body in reversed(changes)],
        since=since,
        until=until,
        lanes=[
            SwimLane(lane="metric", events=sorted(anomaly_events(anomalies), key=start_of)),
            SwimLane(lane="alert", events=sorted(alert_events([one for one in changes if one["time"] >= since]), key=start_of)),
            SwimLane(lane="repair", events=[_repair(one) for one in repairs.incidents if since <= one.opened < until]),
            SwimLane(
                lane="notification",
                events=[one for one in notification_events(notified) if since <= one.start < until],
            ),
        ],
        ranking=ranking_at(started, environment, ranked),
        incidents=repairs.incidents,
        notifications=[_sent(body) for body in reversed(notified)],
        callers=callers,
        trace_ids=list(traces)[:MAX_TRACES],
    )


async def _nothing() -> list[Body]:
    return []


def _query(kind: Kind, asked: AskedChanges, where: list[Filter]) -> Query:
    where += within(asked.environment)
    return Query(kind, where, asked.since, asked.until, descending=True, limit=asked.limit)


def _change(body: Body) -> AlertChanged:
    environment = body.get("environment") or DEFAULT_ENVIRONMENT
    return AlertChanged.model_validate({"id": body["_id"], **body, "environment": environment})


def _sent(body: Body) -> NotificationBody:
    return NotificationBody(
        id=body["_id"],
        time=body["@timestamp"],
        outcome=body["outcome"],
        alerts=body["alerts"],
        receiver=body.get("receiver") or "",
        integration=body.get("integration") or "",
        firing=body.get("firing") or 0,
        resolved=body.get("resolved") or 0,
        attempts=body.get("attempts"),
        error=body.get("error") or "",
        error_parts=parts_in(body.get("error_parts")),
        group_labels=body.get("group_labels") or {},
        labels=body.get("labels") or {},
        by=body.get("by") or "",
        reason=body.get("reason") or "",
        reason_parts=parts_in(body.get("reason_parts")),
        path=body.get("path") or [],
    )


def _repair(incident: IncidentSummary) -> LaneEvent:
    return LaneEvent(
        start=incident.opened,
        end=incident.ended,
        kind="incident",
        title=incident.playbook,
        text=incident.why,
        text_parts=incident.why_parts,
        state=incident.state.value,
        about=incident.id,
    )
