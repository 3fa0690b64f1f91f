"""The operator's switches over HTTP: see what is being repaired, stop everything, go on, release what was left isolated.

GET  /api/v1/healing                        who stopped repairs, and the incidents that hold a target
POST /api/v1/healing/stop                   {}
POST /api/v1/healing/resume                 {}
POST /api/v1/incidents/{incident}/release   {}

The audit trail holds the name under which the request was authenticated, whatever its body says.
Only JSON is read, so that a page of another site cannot post here by a form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from components.access.identity import identity_of
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from alerting.playbooks.runner import PlaybookRunner


def routes(runner: PlaybookRunner) -> list[Route]:
    """The switches of one runner."""

    async def state(_: Request) -> JSONResponse:
        open_incidents = [
            {
                "id": incident.id,
                "playbook": incident.playbook,
                "service": incident.service,
                "instance": incident.instance,
                "state": incident.state.value,
                "why": incident.why,
            }
            for incident in runner.healer.incidents.values()
        ]
        return JSONResponse({"stopped_by": runner.healer.safety.stopped_by, "incidents": open_incidents})

    async def stop(request: Request) -> JSONResponse:
        who = _who(request)
        await runner.halt(who)
        return JSONResponse({"stopped_by": who})

    async def resume(request: Request) -> JSONResponse:
        await runner.resume(_who(request))
        return JSONResponse({"stopped_by": ""})

    async def release(request: Request) -> JSONResponse:
        incident = request.path_params["incident"]
        await runner.release(incident, _who(request))
        return JSONResponse({"released": incident})

    return [
        Route("/api/v1/healing", state, methods=["GET"]),
        *(
            Route(path, _reporting_errors(act), methods=["POST"])
            for path, act in (
                ("/api/v1/healing/stop", stop),
                ("/api/v1/healing/resume", resume),
                ("/api/v1/incidents/{incident}/release", release),
            )
        ),
    ]


def _who(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InputError("send JSON, such as {}, with the header Content-Type: application/json")
    return identity_of(request).name


def _reporting_errors(act: Callable[[Request], Awaitable[JSONResponse]]) -> Callable[[Request], Awaitable[JSONResponse]]:
    """The same, with an error of input as an answer."""

    async def answer(request: Request) -> JSONResponse:
        try:
            return await act(request)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400)

    return answer
