"""What stage 4 answers over HTTP: Alertmanager's API, rules, approvals, and the switches of self-healing.

One process answers for the environments that it owns. Silences, rules and receivers are the same in all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from alerting.alertmanager.api import AlertmanagerApi
from alerting.playbooks.api import approval, control, incidents
from alerting.prometheus_api.backtests import Backtests
from alerting.prometheus_api.routes import PrometheusApi
from alerting.rules import api as rules_api
from pipeline.acting import marking
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from alerting.prometheus_api.exemplars import MetricDocuments
    from alerting.rules.engine import AlertEngine
    from alerting.stored_samples.history import StoredHistory
    from pipeline.acting.settings import AlertingSettings


def routes(
    settings: AlertingSettings, now: Callable[[], int], version: str, lateness: int = 0, metrics: MetricDocuments | None = None
) -> list[Route]:
    """The routes over the environments of this process.

    Args:
        settings: have the environments.
        now: the clock, ns.
        version: of this software.
        lateness: how long a window waits for what comes late, ns: so much later rules see it.
        metrics: have the exemplars, and what is marked.
    """

    async def reload(_request: Request) -> Response:
        """`/-/reload` as Alertmanager has it: 200 when the files as they are now are in use, else 500 with the reasons."""
        await settings.reload()
        reasons = [files.reason for files in settings.files.values() if files.reason]
        return PlainTextResponse("".join(f"failed to reload: {reason}\n" for reason in reasons), 500 if reasons else 200)

    owned = settings.environments

    def engines() -> Mapping[str, AlertEngine]:
        return {name: each.engine for name, each in owned.items()}

    def histories() -> Mapping[str, StoredHistory]:
        return {name: each.history for name, each in owned.items() if each.history is not None}

    api = AlertmanagerApi(
        lambda: {name: each.alertmanager for name, each in owned.items()}, now, settings.save, version, note=settings.note
    )
    by_owner = [
        *api.routes(),
        *rules_api.routes(engines, settings.rules, settings.save_rules, settings.note),
        *PrometheusApi(engines, now, version, histories, metrics).routes(),
        *Backtests(engines, histories, now, lateness, settings.counts.backtests).routes(),
        *control.routes(lambda: {name: each.runner for name, each in owned.items()}, settings.switch),
        *incidents.routes(lambda: {name: each.runner for name, each in owned.items()}),
        *marking.routes(settings, metrics, now),
        Route("/-/reload", reload, methods=["POST", "PUT"]),
    ]
    return [
        *approval.routes(settings.approvals),
        *(
            Route(route.path, _by_owner(settings, route.endpoint), methods=sorted(route.methods or ()))
            for route in by_owner
        ),
    ]  # fmt: skip


def _by_owner(
    settings: AlertingSettings, handler: Callable[[Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if not settings.environments:
            text = "the environment's alerts belong to another process, or are being restored: ask there, or again"
            return JSONResponse({"error": text}, 503, {"Retry-After": "1"})
        try:
            return await handler(request)
        except OverloadedError as error:  # it was let go in between
            return JSONResponse({"error": str(error)}, 503, {"Retry-After": "1"})

    return answer
