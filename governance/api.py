"""What the control plane answers over HTTP: its policies, their revisions, and its fleet."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from components.access.identity import identity_of
from components.http.request_body import read_body
from components.yaml_file import MAX_BYTES
from governance.approvals.api import DraftsApi
from governance.approvals.drafts import NotAllowedError
from governance.delivery.delivery import DeliveryAction
from telemetry.errors import ConfigError, InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from governance.approvals.drafts import Drafts
    from governance.control import ControlPlane
    from governance.fleet import Agent
    from governance.revisions import Revision
    from telemetry.json_object import JsonObject

MAX_NAME = 300
MOST = 1000
"""Revisions, agents' reasons or records of the trail in one answer."""


class GovernanceApi:
    """The routes over one control plane."""

    def __init__(self, control: ControlPlane, drafts: Drafts) -> None:
        self._control, self._drafts = control, drafts

    def routes(self) -> list[Route]:
        """For the console, or for the control plane's own port."""
        drafts = DraftsApi(self._drafts)
        answers: tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...] = (
            ("/api/v1/policies", "GET", self.history),
            ("/api/v1/policies", "POST", self.publish),
            ("/api/v1/policies/check", "POST", self.check),
            ("/api/v1/policies/rollback", "POST", self.roll_back),
            ("/api/v1/policies/deliveries", "POST", self.deliver),
            ("/api/v1/policies/audit", "GET", self.audit),
            ("/api/v1/policies/drafts", "GET", drafts.waiting),
            ("/api/v1/policies/{number}", "GET", self.document),
            ("/api/v1/policies/{number}/diff", "GET", drafts.difference),
            ("/api/v1/policies/{number}/approve", "POST", drafts.approve),
            ("/api/v1/policies/{number}/reject", "POST", drafts.reject),
            ("/api/v1/fleet", "GET", self.fleet),
        )
        return [Route(path, _answering(answer), methods=[method]) for path, method, answer in answers]

    async def history(self, request: Request) -> Response:
        """The newest revisions, which one is stable, and what is on its way."""
        found = await self._control.store.history(_limit(request))
        return JSONResponse({**self._state(), "revisions": [_said(each) for each in found]})

    def _state(self) -> JsonObject:
        rollout = self._control.rollout
        return {
            "stable": self._control.stable,
            "rollout": rollout.snapshot() if rollout is not None else None,
            "deliveries": self._control.deliveries.states(),
        }

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
        """Release a document; or, with `draft` or where others must approve, keep it until they have."""
        comment = request.query_params.get("comment", "")[:500]
        draft = request.query_params.get("draft", "false") == "true"
        return await self._release(request, await _text(request), _name(request), comment, draft=draft)

    async def _release(self, request: Request, text: str, name: str, comment: str, *, draft: bool = False) -> Response:
        author = identity_of(request).name
        if draft or self._drafts.config.required:
            return JSONResponse(_said(await self._drafts.keep(text, name, author, comment)), 202)
        return JSONResponse(_said(await self._control.publish(text, name, author, comment)), 201)

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
        return await self._release(request, found.text, f"revision {number}", comment)

    async def deliver(self, request: Request) -> Response:
        """Pause, resume, promote or abort the delivery of a `service`, as `do` says."""
        asked, author = request.query_params, identity_of(request).name
        try:
            action = DeliveryAction(asked.get("do", ""))
        except ValueError:
            raise InputError(f"do: one of {', '.join(DeliveryAction)}") from None
        found = await self._control.deliver(asked.get("service", "")[:MAX_NAME], action, author, asked.get("why", "")[:500])
        return JSONResponse(found.described())

    async def audit(self, request: Request) -> Response:
        """Records of the audit trail, in order, `after` a number."""
        after = request.query_params.get("after", "0")
        if not after.isdecimal() or len(after) > 15:
            raise InputError("after: a number of a record")
        return JSONResponse([asdict(each) for each in await self._control.store.audit(int(after), _limit(request))])

    def _wanted(self, agent: Agent) -> str:
        return self._control.revision_for(agent) if agent.elsewhere else agent.revision

    async def fleet(self, request: Request) -> Response:
        """Every agent that is known, and which revision it has."""
        del request
        agents = sorted(self._control.fleet.agents, key=lambda each: each.id)
        return JSONResponse({**self._state(), "agents": [_agent(each, self._wanted(each)) for each in agents]})


def _answering(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except NotAllowedError as error:
            return JSONResponse({"error": str(error)}, 403)
        except ConfigError as error:
            return JSONResponse({"error": str(error)}, 422)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400)
        except StoreError as error:
            return JSONResponse({"error": str(error)}, 503)

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


def _agent(agent: Agent, wanted: str) -> JsonObject:
    return {
        "id": agent.id,
        "service": agent.site.service,
        "labels": dict(agent.site.labels),
        "connected": agent.there,
        "wanted": wanted,
        "revision": agent.reached,
        "seen": agent.seen,
        "history": [asdict(each) for each in agent.history],
    }
