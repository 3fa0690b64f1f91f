"""The console and the API as one ASGI app."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI

from dashboards.api import routes as api
from dashboards.api.answers import Answers
from dashboards.api.attributes import attribute_routes
from dashboards.api.calls.routes import call_routes
from dashboards.api.happenings.events import Events
from dashboards.api.happenings.routes import happening_routes
from dashboards.api.logs import log_routes
from dashboards.api.session import session_routes
from dashboards.api.system import SystemParts, system_routes
from dashboards.api.traces import answer_search_errors, trace_routes
from dashboards.console.single_page import SinglePage
from dashboards.jaeger_api.routes import JaegerApi
from dashboards.read_models.reader import Reader
from dashboards.search.log_tail import LogTail
from dashboards.tempo_api.routes import TempoApi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prometheus_client import CollectorRegistry
    from starlette.routing import BaseRoute

    from components.http.health import Health
    from dashboards.read_models.bounded_reads import QueryLimits
    from stores.store import Store
    from telemetry.documents import Body


def build_app(
    store: Store,
    status: Callable[[], Body],
    registry: CollectorRegistry,
    now: Callable[[], int],
    routes: Sequence[BaseRoute] = (),
    limits: QueryLimits | None = None,
    health: Health | None = None,
    configuration: Body | None = None,
    receivers: Callable[[], Mapping[str, str]] = dict,
) -> FastAPI:
    """The app.

    Args:
        store: what is shown.
        status: returns the counters of `/api/v1/status`.
        registry: the metrics of `/metrics`.
        now: nanoseconds since the epoch.
        routes: of other parts that answer on the same port, such as approvals and the Alertmanager's API.
        limits: of what is asked of the store.
        health: what `/healthz` and `/readyz` say.
        configuration: as operators may see it.
        receivers: the host and port of each receiver of telemetry, by name.
    """
    reader = Reader(store, limits, registry)
    app = build_api(reader, SystemParts(store, status, registry, configuration, receivers), now, health)
    apis = [*JaegerApi(reader, now).routes(), *TempoApi(reader, now, version("spanloom")).routes()]
    app.router.routes.extend([*apis, *SinglePage(now).routes(), *routes])
    return app


def build_api(reader: Reader, parts: SystemParts, now: Callable[[], int], health: Health | None = None) -> FastAPI:
    """The API alone, as `openapi.json` beside this file describes it."""
    status, registry = parts.status, parts.registry
    # The pages for the API's documentation would load their scripts from elsewhere; /openapi.json stays.
    app = FastAPI(title="Spanloom", version="1", docs_url=None, redoc_url=None)
    tail = LogTail(reader.reads, now, registry)
    for router in (trace_routes(reader, now), attribute_routes(reader), log_routes(reader, now, tail)):
        app.include_router(router)
    app.include_router(api.routes(reader, status, registry, health))
    app.include_router(session_routes())
    answers = Answers(now, registry)
    events = Events(reader, now, registry, changed=answers.drop)
    app.include_router(call_routes(reader.reads, answers, now))
    app.include_router(happening_routes(reader.reads, answers, events, now))
    app.include_router(system_routes(parts, reader.reads, answers, now))
    api.answer_errors(app)
    answer_search_errors(app)
    _describe_errors(app)
    return app


def _describe_errors(app: FastAPI) -> None:
    """What is asked wrongly is answered with 400 and its reason, so the 422 that FastAPI describes never comes."""
    described = app.openapi()
    for operations in described["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        described["components"]["schemas"].pop(name, None)
