"""What a person does to one incident over HTTP, under the name that was authenticated.

POST /api/v1/incidents/{incident}/decision      {"decision": "approve"}, or "deny": with a login instead of the link
POST /api/v1/incidents/{incident}/acknowledge   {"note": "..."}
POST /api/v1/incidents/{incident}/rerun         {"fingerprint": "..."}, of the alert that it answered

400 says what was asked wrongly, 409 why it cannot be done now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from alerting.playbooks.api.approval import read_fields
from alerting.playbooks.api.control import authenticated, reporting_errors
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from alerting.playbooks.runner import PlaybookRunner

    Runners = Callable[[], Mapping[str, PlaybookRunner]]

PATH = "/api/v1/incidents/{incident}"


def routes(runners: Runners) -> list[Route]:
    """The acts on incidents of the environments that are here."""

    async def decide(request: Request) -> JSONResponse:
        incident, who, fields = request.path_params["incident"], authenticated(request), await read_fields(request)
        decision = fields.get("decision")
        if decision not in {"approve", "deny"}:
            raise InputError("send `decision` as approve or deny")
        owner = _owner(runners, incident)
        try:
            await owner.decide(incident, approved=decision == "approve", who=who)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 409)
        return JSONResponse({"incident": incident, "decision": decision, "who": who})

    async def acknowledge(request: Request) -> JSONResponse:
        incident, who, fields = request.path_params["incident"], authenticated(request), await read_fields(request)
        await _owner(runners, incident).acknowledge(incident, who, str(fields.get("note", "")))
        return JSONResponse({"incident": incident, "who": who})

    async def rerun(request: Request) -> JSONResponse:
        incident, who, fields = request.path_params["incident"], authenticated(request), await read_fields(request)
        fingerprint = str(fields.get("fingerprint", ""))
        try:
            made = await _answering(runners, fingerprint).rerun(incident, fingerprint, who)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 409)
        return JSONResponse({"incident": made, "of": incident, "who": who})

    acts = (("decision", decide), ("acknowledge", acknowledge), ("rerun", rerun))
    return [Route(f"{PATH}/{name}", reporting_errors(act), methods=["POST"]) for name, act in acts]


def _owner(runners: Runners, incident: str) -> PlaybookRunner:
    for runner in runners().values():
        if incident in runner.healer.incidents:
            return runner
    raise InputError(f"no incident {incident!r} is open here")


def _answering(runners: Runners, fingerprint: str) -> PlaybookRunner:
    for runner in runners().values():
        if fingerprint in runner.healer.firing:
            return runner
    raise InputError(f"the alert {fingerprint[:100]!r} does not fire here: there is nothing to repair")
