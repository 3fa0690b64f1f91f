"""What a role without a console answers over HTTP: that it lives, its counters and its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.metrics_page import MetricsPage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prometheus_client import CollectorRegistry
    from starlette.requests import Request
    from starlette.routing import BaseRoute


def build_probes(
    status: Callable[[], dict[str, Any]], registry: CollectorRegistry, more: Sequence[BaseRoute] = ()
) -> Starlette:
    """The app: `/healthz`, `/metrics`, `/api/v1/status`, as the console has them, and the routes of other parts."""
    page = MetricsPage(registry)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def counters(_: Request) -> Response:
        return JSONResponse(status())

    async def metrics(request: Request) -> Response:
        text, content_type = await page.text(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": content_type})

    own = [Route("/healthz", healthz), Route("/api/v1/status", counters), Route("/metrics", metrics)]
    return Starlette(routes=[*own, *more])
