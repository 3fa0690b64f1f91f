"""What the control plane answers over HTTP: its policies, their revisions, and its fleet."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from components.access.identity import identity_of
from components.http.request_body import read_body
from components.yaml_file import MAX_BYTES
from telemetry.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from governance.control import ControlPlane
    from governance.fleet import Agent
    from governance.revisions import Revision
    from telemetry.json_object import JsonObject

MOST = 1000
"""Revisions, agents' reasons or records of the trail in one answer."""


class GovernanceApi:
    """The routes over one control plane."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def routes(self) -> list[Route]:
        """For the console, or for the control plane's own port."""
        answers: tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...] = (
            ("/api/v1/policies", "GET", self.history),
            ("/api/v1/policies", "POST", self.publish),
            ("/api/v1/policies/check", "POST", self.check),
            ("/api/v1/policies/rollback", "POST", self.roll_back),
            ("/api/v1/policies/audit", "GET", self.audit),
            ("/api/v1/policies/{number}", "GET", self.document),
            ("/api/v1/fleet", "GET", self.fleet),
        )
        return [Route(path, _answering(answer), methods=[method]) for path, method, answer in answers]

    async def history(self, request: Request) -> Response:
        """The newest revisions, which one is stable, and what is on its way."""
        found = await self._control.store.history(_limit(request))
        return JSONResponse({**self._state(), "revisions": [_said(each) for each in found]})

    def _state(self) -> JsonObject:
        rollout = self._control.rollout
        return {"stable": self._control.stable, "rollout": rollout.snapshot() if rollout is not None else None}

    async def document(self, request: Request) -> Response:
        """The text of a revision."""
        number = request.path_params["number"]
        found = await self._control.store.get(number)
        if found is None:
            return JSONResponse({"error": f"there is no revision {number[:20]}"}, 404)
        return PlainTextResponse(found.text, media_type="application/yaml")

    async def check(self, request: Request) -> Response:
        """What is wrong with a document; nothing is kept."""
        await self._control.check(await _text(request), _name(request))
        return JSONResponse({"ok": True})

    async def publish(self, request: Request) -> Response:
        """Release a document."""
        author, comment = identity_of(request).name, request.query_params.get("comment", "")[:500]
        found = await self._control.publish(await _text(request), _name(request), author, comment)
        return JSONResponse(_said(found), 201)

    async def roll_back(self, request: Request) -> Response:
        """Take back what is on its way, or with `to` release an earlier revision's document."""
        author, why = identity_of(request).name, request.query_params.get("why", "")[:500]
        number = request.query_params.get("to")
        if number is None:
            return JSONResponse({"stable": await self._control.roll_back(author, why or f"{author} asked for it")})
        found = await self._control.store.get(number)
        if found is None:
            return JSONResponse({"error": f"there is no revision {number[:20]}"}, 404)
        comment = why or f"back to revision {found.number}"
        return JSONResponse(_said(await self._control.publish(found.text, f"revision {number}", author, comment)), 201)

    async def audit(self, request: Request) -> Response:
        """Records of the audit trail, in order, `after` a number."""
        after = request.query_params.get("after", "0")
        if not after.isdecimal() or len(after) > 15:
            raise InputError("after: a number of a record")
        return JSONResponse([asdict(each) for each in await self._control.store.audit(int(after), _limit(request))])

    async def fleet(self, request: Request) -> Response:
        """Every agent that is known, and which revision it has."""
        del request
        agents = sorted(self._control.fleet.agents, key=lambda each: each.id)
        return JSONResponse({**self._state(), "agents": [_agent(each) for each in agents]})


def _answering(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except ConfigError as error:
            return JSONResponse({"error": str(error)}, 422)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400)

    return answered


async def _text(request: Request) -> str:
    try:
        return (await read_body(request, MAX_BYTES)).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"the document is not UTF-8: {error}") from None


def _name(request: Request) -> str:
    name = request.query_params.get("name", "policies.yml")[:200]
    return name if name.isprintable() else "policies.yml"


def _limit(request: Request) -> int:
    limit = request.query_params.get("limit", "100")
    if not limit.isdecimal() or not 1 <= int(limit[:10]) <= MOST:
        raise InputError(f"limit: 1 to {MOST}")
    return int(limit)


def _said(revision: Revision) -> JsonObject:
    return {key: value for key, value in asdict(revision).items() if key != "text"}


def _agent(agent: Agent) -> JsonObject:
    return {
        "id": agent.id,
        "service": agent.site.service,
        "labels": dict(agent.site.labels),
        "connected": agent.connected,
        "wanted": agent.revision,
        "revision": agent.reached,
        "seen": agent.seen,
        "history": [asdict(each) for each in agent.history],
    }
