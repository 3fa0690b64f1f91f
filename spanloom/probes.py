"""What a role without a console answers over HTTP: that it lives, its counters and its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.http.health import Health
from components.http.metrics_page import MetricsPage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prometheus_client import CollectorRegistry
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from telemetry.json_object import JsonObject


def build_probes(
    status: Callable[[], JsonObject],
    registry: CollectorRegistry,
    more: Sequence[BaseRoute] = (),
    health: Health | None = None,
) -> Starlette:
    """The app: probes, `/metrics` and `/api/v1/status`, as the console has them, and the routes of other parts."""
    asked = health or Health()
    page = MetricsPage(registry)

    async def healthz(_: Request) -> Response:
        verdict = asked.healthz()
        return JSONResponse(verdict.body, verdict.status)

    async def readyz(_: Request) -> Response:
        verdict = asked.readyz()
        return JSONResponse(verdict.body, verdict.status)

    async def counters(_: Request) -> Response:
        return JSONResponse(status())

    async def metrics(request: Request) -> Response:
        text, content_type = await page.text(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": content_type})

    own = [
        *(Route(path, healthz) for path in ("/healthz", "/-/healthy")),  # the second is Prometheus's and Alertmanager's name
        *(Route(path, readyz) for path in ("/readyz", "/-/ready")),
        Route("/api/v1/status", counters),
        Route("/metrics", metrics),
    ]
    return Starlette(routes=[*own, *more])
