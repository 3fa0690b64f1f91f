"""The operator's switches over HTTP: see what is being repaired, stop everything, go on, release what was left isolated.

GET  /api/v1/healing                        who stopped repairs, and the incidents that hold a target
POST /api/v1/healing/stop                   {}
POST /api/v1/healing/resume                 {}
POST /api/v1/incidents/{incident}/release   {}

Stopping and going on hold for every environment, or for the one that `?environment=` names.
The audit trail holds the name under which the request was authenticated, whatever its body says.
Only JSON is read, so that a page of another site cannot post here by a form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from starlette.responses import JSONResponse
from starlette.routing import Route

from components.access.identity import identity_of
from telemetry.environment import foremost
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from alerting.playbooks.runner import PlaybookRunner


class Switch(Protocol):
    """Stops repairs, or lets them go on."""

    async def __call__(self, who: str, environment: str | None, *, stop: bool) -> None:
        """Return when it would survive a crash; None is every environment, here and elsewhere."""
        ...


def routes(runners: Callable[[], Mapping[str, PlaybookRunner]], switch: Switch) -> list[Route]:
    """The switches of repairs.

    Args:
        runners: those of the environments that are here, by name.
        switch: stops and resumes.
    """

    def chosen(request: Request) -> dict[str, PlaybookRunner]:
        here, environment = dict(runners()), request.query_params.get("environment")
        if environment is None:
            return here
        if environment not in here:
            raise InputError(f"no environment {environment!r} here; there are {', '.join(sorted(here))}")
        return {environment: here[environment]}

    async def state(request: Request) -> JSONResponse:
        of = chosen(request)
        stopped = {environment: runner.healer.safety.stopped_by for environment, runner in of.items()}
        open_incidents = [
            {
                "id": incident.id,
                "environment": environment,
                "playbook": incident.playbook,
                "service": incident.service,
                "instance": incident.instance,
                "state": incident.state.value,
                "why": incident.why,
            }
            for environment, runner in of.items()
            for incident in runner.healer.incidents.values()
        ]
        return JSONResponse(
            {"stopped_by": next(filter(None, stopped.values()), ""), "environments": stopped, "incidents": open_incidents}
        )

    async def stop(request: Request) -> JSONResponse:
        who = authenticated(request)
        await switch(who, request.query_params.get("environment"), stop=True)
        return JSONResponse({"stopped_by": who})

    async def resume(request: Request) -> JSONResponse:
        await switch(authenticated(request), request.query_params.get("environment"), stop=False)
        return JSONResponse({"stopped_by": ""})

    async def release(request: Request) -> JSONResponse:
        incident, who = request.path_params["incident"], authenticated(request)
        here = runners()
        owner = next((each for each in here.values() if incident in each.healer.incidents), None) or foremost(here)
        if owner is None:
            raise InputError(f"no incident {incident!r} is open here")
        await owner.release(incident, who)
        return JSONResponse({"released": incident})

    return [
        Route("/api/v1/healing", reporting_errors(state), methods=["GET"]),
        *(
            Route(path, reporting_errors(act), methods=["POST"])
            for path, act in (
                ("/api/v1/healing/stop", stop),
                ("/api/v1/healing/resume", resume),
                ("/api/v1/incidents/{incident}/release", release),
            )
        ),
    ]


def authenticated(request: Request) -> str:
    """Who sends a change; only JSON is read.

    Raises:
        InputError: it is something else.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InputError("send JSON, such as {}, with the header Content-Type: application/json")
    return identity_of(request).name


def reporting_errors(act: Callable[[Request], Awaitable[JSONResponse]]) -> Callable[[Request], Awaitable[JSONResponse]]:
    """The same, with an error of input as an answer."""

    async def answer(request: Request) -> JSONResponse:
        try:
            return await act(request)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400)

    return answer
