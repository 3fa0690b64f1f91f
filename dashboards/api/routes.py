"""The HTTP API: health, status, stored documents, whole traces, the service map, metrics. Read only; answers in JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable  # noqa: TC003  FastAPI reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request  # noqa: TC002  as above

from alerting.playbooks import child_output
from components.access.identity import identity_of
from components.access.roles import Right
from components.http.health import Health
from components.http.metrics_page import MetricsPage
from components.secrets import SECRETS
from dashboards.read_models.attribute_values import candidates
from dashboards.read_models.http_errors import headers_of, status_of
from dashboards.read_models.reader import within
from dashboards.read_models.service_map import service_map_body
from dashboards.search.trace_details import otlp_json, with_details
from stores.store import OneOf
from stores.store import Query as StoreQuery
from telemetry.documents import Kind
from telemetry.errors import InputError, SpanloomError
from telemetry.json_object import JsonObject
from telemetry.sentences import changed, parts_of, sentence_of

if TYPE_CHECKING:
    from fastapi import FastAPI
    from prometheus_client import CollectorRegistry

    from dashboards.read_models.reader import Reader
    from telemetry.documents import Body

MAX_FOUND = 10_000
"""Most documents in one answer. For more, ask again with the last `@timestamp` as `since`, and leave out what is known."""

MAX_CONDITIONS = 20
"""Most `where` in one request."""

Time = Annotated[int, Field(ge=0, lt=2**63, description="nanoseconds since the epoch")]


class Between(BaseModel):
    """A stretch of time: `since <= @timestamp < until`; without an end it is open there."""

    model_config = ConfigDict(extra="forbid")

    since: Time | None = None
    until: Time | None = None


class Within(Between):
    """A stretch of time, in one environment or in all."""

    environment: str = Field(default="", description="deployment.environment.name, `default` for what names none; empty: all")


class Find(Within):
    """Which documents."""

    kind: Kind
    where: list[str] = Field(default=[], max_length=MAX_CONDITIONS, description="field:value, all of which must hold")
    sort: str = Field(default="@timestamp", min_length=1)
    descending: bool = False
    limit: int = Field(default=1000, ge=1, le=MAX_FOUND)


class Probe(BaseModel):
    """The answer of a probe."""

    status: str
    reasons: list[str] = Field(description="why not; empty where all is well")


class Environments(BaseModel):
    """Names of environments."""

    environments: list[str]


_METRICS: dict[int | str, JsonObject] = {200: {"content": {"application/openmetrics-text": {}}}}


class Json(JSONResponse):
    """JSON by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return orjson.dumps(content)


def routes(reader: Reader, status: Callable[[], Body], registry: CollectorRegistry, health: Health | None = None) -> APIRouter:
    """The API's routes.

    Args:
        reader: reads the store.
        status: returns the counters that `/api/v1/status` shows.
        registry: the metrics that `/metrics` shows.
        health: what `/healthz` and `/readyz` say.
    """
    asked_health = health or Health()
    router = APIRouter(default_response_class=Json)
    page = MetricsPage(registry)

    @router.get("/-/healthy", include_in_schema=False)  # Prometheus's and Alertmanager's name
    @router.get("/healthz", response_model=Probe)
    async def healthz() -> Response:
        """Whether the process lives: 200, or 503 with the reasons why not."""
        verdict = asked_health.healthz()
        return Json(verdict.body, verdict.status)

    @router.get("/-/ready", include_in_schema=False)
    @router.get("/readyz", response_model=Probe)
    async def readyz() -> Response:
        """Whether the process is ready: 200, or 503 with the reasons why not."""
        verdict = asked_health.readyz()
        return Json(verdict.body, verdict.status)

    @router.get("/api/v1/status", response_model=JsonObject)
    async def give_status() -> Response:
        """Counters of the pipeline."""
        return Json(status())

    @router.get("/api/v1/find", response_model=list[JsonObject])
    async def find(asked: Annotated[Find, Query()], request: Request) -> Response:
        """Stored documents with `_id` and `@timestamp`, traces and hops in their newest revision only.

        What commands of playbooks printed is there for operators only.
        """
        hides = asked.kind in child_output.KINDS and not identity_of(request).may(Right.OPERATE)
        if hides:
            child_output.check_fields([asked.sort, *(text.partition(":")[0] for text in asked.where)])
        query = StoreQuery(
            asked.kind,
            [*within(asked.environment), *map(_condition, asked.where)],
            asked.since,
            asked.until,
            asked.sort,
            asked.descending,
            asked.limit,
        )
        found = await reader.find(query)
        return await _json([child_output.without_output(body) for body in found] if hides else found)

    @router.get("/api/v1/traces/{trace_id}")
    async def trace(
        trace_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")],
        form: Annotated[Literal["documents", "otlp"], Query(alias="format")] = "documents",
    ) -> Response:
        """A trace with its spans, hops and logs; each span as recorded, and `adjusted` to the clock of the trace's root.

        Each span has its `usual` duration, where that is known, and `why` it made an edge or not. `format=otlp` downloads the
        spans as an OTLP/JSON `TracesData`.
        """
        found = await reader.trace(trace_id)
        if found is None:
            return Json({"error": f"trace {trace_id} not found: it may still be in progress, or past retention"}, 404)
        if form == "otlp":
            body = await asyncio.to_thread(otlp_json, found["spans"])
            return Response(
                body, media_type=Json.media_type, headers={"content-disposition": f'attachment; filename="{trace_id}.json"'}
            )
        return await _json(await with_details(reader.reads, found))

    @router.get("/metrics", response_class=PlainTextResponse, responses=_METRICS)
    async def metrics(request: Request) -> Response:
        """The process's own metrics, in Prometheus' text format or OpenMetrics, as asked."""
        text, content_type = await page.text(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": content_type})

    _add_overviews(router, reader)
    return router


def _add_overviews(router: APIRouter, reader: Reader) -> None:
    """What is read from many documents: the service map, and the environments that there are."""

    @router.get("/api/v1/service-map", response_model=JsonObject)
    async def service_map(asked: Annotated[Within, Query()]) -> Response:
        """Who calls whom, how often, how fast, and how often it fails."""
        return Json(service_map_body(await reader.service_map(asked.since, asked.until, asked.environment)))

    @router.get("/api/v1/environments", response_model=Environments)
    async def environments(asked: Annotated[Between, Query()]) -> Response:
        """The environments that there were traces, anomalies, alerts or repairs of."""
        return Json({"environments": await reader.environments(asked.since, asked.until)})


def answer_errors(app: FastAPI) -> None:
    """Make an app answer errors as `{"error": ...}`: 400 for what was asked wrongly, 503 for a store that does not answer."""

    async def answer(_: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            return Json({"error": SECRETS.mask(_wrong(error))}, 400)
        said = changed(sentence_of(error), SECRETS.mask)
        parts = {"parts": found} if (found := parts_of(said)) else {}
        return Json({"error": said, **parts}, status_of(error), headers_of(error))

    app.add_exception_handler(RequestValidationError, answer)
    app.add_exception_handler(SpanloomError, answer)


async def _json(content: Any) -> Response:
    """A large answer, made beside the event loop."""
    return Response(await asyncio.to_thread(orjson.dumps, content), media_type=Json.media_type)


def _wrong(error: RequestValidationError) -> str:
    """All that is wrong with a request, each with its place: `limit: Input should be less than or equal to 100000`."""
    return "; ".join(f"{'.'.join(map(str, item['loc'][1:]))}: {item['msg']}" for item in error.errors())


def _condition(text: str) -> OneOf:
    """`field:value` as a filter. A value that reads as a number or a truth value may be that or the text itself."""
    field, colon, value = text.partition(":")
    if not field or not colon:
        raise InputError(f"where: {text!r} is not field:value, as in where=root.service:checkout")
    return OneOf(field, candidates(value))
