"""`GET /api/v1/incidents/{id}`: what happened around one incident, lane by lane, with the ranking of that time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from alerting.playbooks.story import sentence
from dashboards.api.happenings.anomalies import Ranking  # noqa: TC001  pydantic reads it
from dashboards.api.happenings.incidents import (
    ACKNOWLEDGED,
    IncidentSummary,
    newest_of,
    ranking_of,
    rankings_around,
    summary,
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
from stores.layout import ENVIRONMENT
from stores.store import AnyOf, Equals
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.json_object import JsonObject
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dashboards.read_models.bounded_reads import BoundedReads
    from telemetry.documents import Body


class Step(BaseModel):
    """A step of the playbook and how it stands."""

    name: str
    phase: str
    action: str
    progress: str
    started: int | None
    ended: int | None
    detail: str
    detail_parts: SentenceParts | None
    undoes: str


class Verification(BaseModel):
    """What proves that it is over, and how that stands."""

    expression: str
    hold: int
    within: int
    deadline: int | None
    since: int | None
    settled: bool


class MeasuredAlert(BaseModel):
    """The alert that it began with: what its rule measures."""

    expression: str
    labels: dict[str, str]


class AuditRecord(BaseModel):
    """A record of the audit trail, in words and as it is."""

    id: str
    chain: str
    time: int
    sequence: int
    event: str
    sentence: str
    who: str
    data: JsonObject


class IncidentDetail(IncidentSummary):
    """The answer."""

    labels: dict[str, str]
    trace_ids: list[str] = Field(description="that it began with, and those of anomalies around it")
    steps: list[Step]
    check: Verification
    lanes: list[SwimLane]
    since: int = Field(description="from when on what happened around it is here")
    until: int
    alert: MeasuredAlert | None = Field(description="null where it began with an anomaly, or the alert is not stored")
    ranking: Ranking | None = Field(description="the last one before it was opened, else the first one after")
    callers: list[Caller] = Field(description="who called its service around that time, the busiest first")
    audit: list[AuditRecord]


async def incident_detail(reads: BoundedReads, incident: str, now: int, shown: Callable[[Body], Body]) -> IncidentDetail:
    """All about an incident.

    Args:
        reads: reads the store.
        incident: its id.
        now: nanoseconds since the epoch.
        shown: what of a document the one who asks may see.

    Raises:
        NotFoundError: there is none with this id.
        StoreError: the store does not answer.
    """
    bodies = await newest_of(reads, [incident])
    if not bodies:
        raise NotFoundError(Wording.NO_INCIDENT(incident=incident))
    body = shown(bodies[0])
    since, until = max(0, body["opened"] - AROUND), (body["ended"] or now) + AROUND
    where = (Equals(ENVIRONMENT, body.get("environment") or DEFAULT_ENVIRONMENT),)
    service, fingerprint = body["service"], body["fingerprint"]
    own_alerts = AnyOf((Equals("service", service), Equals("fingerprint", fingerprint)))
    anomalies, alerts, notifications, audit, ranked, callers = await asyncio.gather(
        newest(reads, Kind.ANOMALY, [*where, Equals("service", service)], since, until),
        newest(reads, Kind.ALERT, [*where, own_alerts], since, until),
        newest(reads, Kind.NOTIFICATION, [Equals("alerts", fingerprint)], since, until),
        newest(reads, Kind.AUDIT, [Equals("incident", incident)], None, None),
        rankings_around(reads, [body]),
        callers_of(reads, service, where, since, until),
    )
    ranking = ranking_of(body, ranked)
    seen = [record for record in audit if record["event"] == ACKNOWLEDGED]
    acknowledgement = (str(seen[-1]["data"].get("who", "")), seen[-1]["@timestamp"]) if seen else None
    traces = dict.fromkeys([*body["trace_ids"], *(trace_id for one in anomalies for trace_id in one["trace_ids"])])
    return IncidentDetail(
        **dict(summary(body, ranking, acknowledgement)),
        labels=body["labels"],
        trace_ids=list(traces)[:MAX_TRACES],
        steps=list(_steps(body)),
        check=_check(body["check"]),
        since=since,
        until=until,
        alert=next(
            (
                MeasuredAlert(expression=change["expr"], labels=change["labels"])
                for change in reversed(alerts)
                if change["fingerprint"] == fingerprint and change["expr"]
            ),
            None,
        ),
        lanes=[
            SwimLane(lane="metric", events=sorted(anomaly_events(anomalies), key=start_of)),
            SwimLane(lane="alert", events=sorted(alert_events(alerts), key=start_of)),
            SwimLane(lane="repair", events=sorted(_repairs(body), key=start_of)),
            SwimLane(lane="notification", events=sorted(notification_events(notifications), key=start_of)),
        ],
        ranking=ranking,
        callers=callers,
        # By time alone, what was decided in one moment would stand in any order.
        audit=[_record(shown(record)) for record in sorted(audit, key=lambda record: (record["chain"], record["sequence"]))],
    )


def _repairs(body: Body) -> Iterator[LaneEvent]:
    for step in _steps(body):
        if step.started is not None:
            yield LaneEvent(
                start=step.started,
                end=step.ended,
                kind=step.phase,
                title=step.name,
                text=step.detail or step.action,
                text_parts=step.detail_parts,
                state=step.progress,
                about=step.name,
            )


def _steps(body: Body) -> Iterator[Step]:
    parts = body.get("step_parts") or {}
    return (_step(step, parts.get(step["name"])) for step in body["steps"])


def _step(step: Body, parts: object) -> Step:
    return Step(
        name=step["name"],
        phase=step["phase"],
        action=step["call"]["action"],
        progress=step["progress"],
        started=step["started"] or None,
        ended=step["ended"] or None,
        detail=step["detail"],
        detail_parts=parts_in(parts),
        undoes=step["undoes"],
    )


def _check(check: Body) -> Verification:
    return Verification(
        expression=check["expression"],
        hold=check["hold"],
        within=check["within"],
        deadline=check["deadline"] or None,
        since=check["since"] or None,
        settled=check["settled"],
    )


def _record(record: Body) -> AuditRecord:
    data = record["data"]
    return AuditRecord(
        id=record["_id"],
        chain=record["chain"],
        time=record["@timestamp"],
        sequence=record["sequence"],
        event=record["event"],
        sentence=sentence(record),
        who=str(data.get("who", "")),
        data=data,
    )
