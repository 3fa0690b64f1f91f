"""The routes of what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response, StreamingResponse
from starlette.requests import Request  # noqa: TC002  FastAPI reads annotations at run time

from alerting.playbooks import child_output
from components.access.identity import identity_of
from components.access.roles import Right
from dashboards.api.errors import ERRORS
from dashboards.api.happenings.alerts import (
    AlertChanges,
    AlertDetail,
    AskedChanges,
    Notifications,
    alert_detail,
    alerts,
    notifications,
)
from dashboards.api.happenings.anomalies import Anomalies, AskedAnomalies, AskedRankings, Rankings, anomalies, rankings
from dashboards.api.happenings.freshness import AskedFreshness, Freshness, freshness
from dashboards.api.happenings.incident import IncidentDetail, incident_detail
from dashboards.api.happenings.incidents import AskedIncidents, Incidents, incidents

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboards.api.answers import Answers
    from dashboards.api.happenings.events import Events
    from dashboards.read_models.bounded_reads import BoundedReads
    from telemetry.documents import Body

_SECOND = 10**9


def happening_routes(reads: BoundedReads, answers: Answers, events: Events, now: Callable[[], int]) -> APIRouter:
    """`/api/v1/freshness`, `anomalies`, `rankings`, `incidents`, `alerts`, `notifications` and `events`."""
    router = APIRouter(responses=ERRORS)

    @router.get("/api/v1/freshness", response_model=Freshness)
    async def give_freshness(asked: Annotated[AskedFreshness, Query()]) -> Response:
        """The time of the newest stored document of each signal."""
        at = now()
        return await answers.give(
            ("freshness", asked.environment, at // _SECOND), at, lambda: freshness(reads, asked.environment, at)
        )

    @router.get("/api/v1/anomalies", response_model=Anomalies)
    async def give_anomalies(asked: Annotated[AskedAnomalies, Query()]) -> Response:
        """What deviated in a time, the newest first."""
        covered = asked.covered(now())
        question = "anomalies", covered.since, covered.until, asked.environment, asked.service, asked.kind, asked.limit
        return await answers.give(question, covered.until, lambda: anomalies(reads, asked, covered))

    @router.get("/api/v1/rankings", response_model=Rankings)
    async def give_rankings(asked: Annotated[AskedRankings, Query()]) -> Response:
        """Which services were suspected in a time, the newest ranking first."""
        covered = asked.covered(now())
        question = "rankings", covered.since, covered.until, asked.environment, asked.at, asked.limit
        return await answers.give(question, covered.until, lambda: rankings(reads, asked, covered))

    @router.get("/api/v1/incidents", response_model=Incidents)
    async def give_incidents(asked: Annotated[AskedIncidents, Query()]) -> Response:
        """Repairs, open ones first; without a time all that are stored."""
        at = now()
        question = "incidents", asked.since, asked.until, asked.environment, asked.state, asked.fingerprint, asked.limit
        return await answers.give(question, at, lambda: incidents(reads, asked))

    @router.get("/api/v1/incidents/{incident}", response_model=IncidentDetail)
    async def give_incident(incident: Annotated[str, Path(min_length=1, max_length=512)], request: Request) -> Response:
        """One repair: what was seen, done and said around it, and the ranking of that time.

        What commands printed is there for operators only.
        """
        at, operates = now(), identity_of(request).may(Right.OPERATE)

        def shown(body: Body) -> Body:
            return body if operates else child_output.without_output(body)

        return await answers.give(("incidents", incident, operates), at, lambda: incident_detail(reads, incident, at, shown))

    _add_alert_routes(router, reads, answers, now)

    @router.get("/api/v1/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
    async def give_events(asked: Annotated[AskedFreshness, Query()]) -> Response:
        """Server-sent events `freshness`, `alerts` and `incidents` when they change; `bye`: connect again."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(events.listen(asked.environment), media_type="text/event-stream", headers=headers)

    return router


def _add_alert_routes(router: APIRouter, reads: BoundedReads, answers: Answers, now: Callable[[], int]) -> None:
    @router.get("/api/v1/alerts", response_model=AlertChanges)
    async def give_alerts(asked: Annotated[AskedChanges, Query()]) -> Response:
        """How alerts changed their states, the newest first; without a time the newest of all."""
        question = "alerts", "changes", *asked.model_dump().values()
        return await answers.give(question, now(), lambda: alerts(reads, asked))

    @router.get("/api/v1/alerts/{fingerprint}", response_model=AlertDetail)
    async def give_alert(fingerprint: Annotated[str, Path(min_length=1, max_length=256)]) -> Response:
        """One alert: what was seen, sent and done around its last time, and the ranking of that time."""
        at = now()
        return await answers.give(("alerts", fingerprint), at, lambda: alert_detail(reads, fingerprint, at))

    @router.get("/api/v1/notifications", response_model=Notifications)
    async def give_notifications(asked: Annotated[AskedChanges, Query()]) -> Response:
        """What was sent and what was suppressed, with the reason, the newest first; without a time the newest of all."""
        question = "alerts", "notifications", *asked.model_dump().values()
        return await answers.give(question, now(), lambda: notifications(reads, asked))
