"""`GET /api/v1/incidents/{id}`: what happened around one incident, lane by lane, with the ranking of that time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from alerting.playbooks.story import sentence
from components.durations import MINUTE
from dashboards.api.calls.service_graph import NodeRef
from dashboards.api.happenings.anomalies import Ranking, anomaly_body
from dashboards.api.happenings.incidents import (
    ACKNOWLEDGED,
    IncidentSummary,
    newest_of,
    ranking_of,
    rankings_around,
    summary,
)
from dashboards.read_models.alerts import standing
from dashboards.read_models.http_errors import NotFoundError
from stores.layout import ENVIRONMENT
from stores.store import Aggregation, AnyOf, Equals, Query
from telemetry.call_graph import NodeKind
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.json_object import JsonObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dashboards.read_models.bounded_reads import BoundedReads
    from stores.store import Filter
    from telemetry.documents import Body

AROUND = 15 * MINUTE
"""What began so long before it was opened, or after it ended, is shown beside an incident."""

MOST = 500
"""Documents of a kind that are read."""

MAX_TRACES = 50

Lane = Literal["metric", "alert", "repair", "notification"]


class LaneEvent(BaseModel):
    """Something that went on from `start` to `end`; without an end it was an instant, or goes on: `state` says."""

    start: int
    end: int | None
    kind: str
    title: str
    text: str
    state: str
    about: str = Field(description="fingerprint, or id of the anomaly, step or notification")


class SwimLane(BaseModel):
    """Events of one sort, in order."""

    lane: Lane
    events: list[LaneEvent]


class Step(BaseModel):
    """A step of the playbook and how it stands."""

    name: str
    phase: str
    action: str
    progress: str
    started: int | None
    ended: int | None
    detail: str
    undoes: str


class Verification(BaseModel):
    """What proves that it is over, and how that stands."""

    expression: str
    hold: int
    within: int
    deadline: int | None
    since: int | None
    settled: bool


class AuditRecord(BaseModel):
    """A record of the audit trail, in words and as it is."""

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
    ranking: Ranking | None = Field(description="the last one before it was opened, else the first one after")
    callers: list[NodeRef] = Field(description="who called its service around that time, the busiest first")
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
        raise NotFoundError(f"no incident {incident!r} is stored")
    body = shown(bodies[0])
    since, until = max(0, body["opened"] - AROUND), (body["ended"] or now) + AROUND
    where = (Equals(ENVIRONMENT, body.get("environment") or DEFAULT_ENVIRONMENT),)
    service, fingerprint = body["service"], body["fingerprint"]
    own_alerts = AnyOf((Equals("service", service), Equals("fingerprint", fingerprint)))
    anomalies, alerts, notifications, audit, ranked, calls = await asyncio.gather(
        _newest(reads, Kind.ANOMALY, [*where, Equals("service", service)], since, until),
        _newest(reads, Kind.ALERT, [*where, own_alerts], since, until),
        _newest(reads, Kind.NOTIFICATION, [Equals("alerts", fingerprint)], since, until),
        _newest(reads, Kind.AUDIT, [Equals("incident", incident)], None, None),
        rankings_around(reads, [body]),
        reads.totals(
            Aggregation(
                Query(Kind.EDGE, [*where, Equals("callee.name", service)], since, until),
                ("caller.kind", "caller.name"),
                sums=("calls",),
            )
        ),
    )
    ranking = ranking_of(body, ranked)
    seen = [record for record in audit if record["event"] == ACKNOWLEDGED]
    acknowledgement = (str(seen[-1]["data"].get("who", "")), seen[-1]["@timestamp"]) if seen else None
    traces = dict.fromkeys([*body["trace_ids"], *(trace_id for one in anomalies for trace_id in one["trace_ids"])])
    callers = sorted((group for group in calls if group.sums[0] > 0), key=lambda group: (-group.sums[0], group.key))
    return IncidentDetail(
        **dict(summary(body, ranking, acknowledgement)),
        labels=body["labels"],
        trace_ids=list(traces)[:MAX_TRACES],
        steps=[_step(step) for step in body["steps"]],
        check=_check(body["check"]),
        lanes=[
            SwimLane(lane="metric", events=sorted(_anomalies(anomalies), key=_start)),
            SwimLane(lane="alert", events=sorted(_alerts(alerts), key=_start)),
            SwimLane(lane="repair", events=sorted(_repairs(body), key=_start)),
            SwimLane(lane="notification", events=sorted(_notifications(notifications), key=_start)),
        ],
        ranking=ranking,
        callers=[NodeRef(kind=NodeKind(group.key[0]), name=group.key[1]) for group in callers],
        audit=[_record(shown(record)) for record in audit],
    )


async def _newest(reads: BoundedReads, kind: Kind, where: Sequence[Filter], since: int | None, until: int | None) -> list[Body]:
    """The newest documents, in order."""
    found, _ = await reads.as_many(Query(kind, where, since, until, descending=True, limit=MOST))
    return found[::-1]


def _start(event: LaneEvent) -> int:
    return event.start


def _anomalies(bodies: Iterable[Body]) -> Iterator[LaneEvent]:
    for one in map(anomaly_body, bodies):
        title = f"{one.kind.value} {one.operation or one.series.name}".strip()
        yield LaneEvent(
            start=one.start, end=one.end, kind=one.kind.value, title=title, text=one.why, state=f"{one.score:.2f}", about=one.id
        )


def _alerts(changes: Iterable[Body]) -> Iterator[LaneEvent]:
    for alert in standing(changes):
        yield LaneEvent(
            start=alert["active_at"],
            end=alert["ends_at"] or None,
            kind="alert",
            title=alert["labels"].get("alertname", ""),
            text=alert["annotations"].get("summary", ""),
            state=alert["state"],
            about=alert["fingerprint"],
        )


def _repairs(body: Body) -> Iterator[LaneEvent]:
    for step in map(_step, body["steps"]):
        if step.started is not None:
            yield LaneEvent(
                start=step.started,
                end=step.ended,
                kind=step.phase,
                title=step.name,
                text=step.detail or step.action,
                state=step.progress,
                about=step.name,
            )


def _notifications(bodies: Iterable[Body]) -> Iterator[LaneEvent]:
    for body in bodies:
        yield LaneEvent(
            start=body["@timestamp"],
            end=None,
            kind=body.get("integration") or "notification",
            title=body.get("receiver") or "",
            text=body.get("reason") or body.get("error") or "",
            state=body["outcome"],
            about=body["key"],
        )


def _step(step: Body) -> Step:
    return Step(
        name=step["name"],
        phase=step["phase"],
        action=step["call"]["action"],
        progress=step["progress"],
        started=step["started"] or None,
        ended=step["ended"] or None,
        detail=step["detail"],
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
        time=record["@timestamp"],
        sequence=record["sequence"],
        event=record["event"],
        sentence=sentence(record),
        who=str(data.get("who", "")),
        data=data,
    )
