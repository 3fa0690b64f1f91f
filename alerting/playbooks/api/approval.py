"""A human's answer by link or by API.

A link holds a token: HMAC-SHA256 over incident and expiry with a key that only this deployment knows. Opening the link
decides nothing, for mail scanners and chat previews open links too: it shows a page with two buttons. Every process of the
deployment may be asked; one that does not decide passes the answer on, with the token, to the one that does.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, quote, urlencode

import orjson
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from components.access.identity import identity_of, shown_name
from components.http.request_body import read_body
from telemetry.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

PATH = "/api/v1/incidents/{incident}/approval"
MAX_BODY = 4096
KEY_BYTES = 32

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Approve a repair</title>
<body><h1>Approve a repair</h1><p>Incident {incident}. The audit trail will hold your answer and your name.</p>
<form method="post">{who}
<button name="decision" value="approve">Approve</button> <button name="decision" value="deny">Deny</button></form>"""

_NAME = '<label>Your name <input name="who" required maxlength="100"></label>'


class ApprovalLinkError(InputError):
    """A link that is not ours, or has expired."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a human answered, with the parts of the link that prove that they were asked."""

    incident: str
    expires: str
    token: str
    approved: bool
    who: str


class ApprovalService(Protocol):
    """Handles answers."""

    def check(self, incident: str, expires: str, token: str) -> None:
        """Look at the parts of a link, where this process can.

        Raises:
            LinkError: it is not a link of ours, or it has expired.
        """
        ...

    async def answer(self, answer: Answer) -> bool:
        """Take an answer; False says that it was passed on to the process that decides.

        Raises:
            LinkError: as above.
            InputError: nobody is asked, or it is too late.
        """
        ...


class Approvals:
    """Makes and checks links.

    Args:
        base_url: where humans reach this API.
        now: nanoseconds since the epoch.
    """

    def __init__(self, base_url: str, now: Callable[[], int]) -> None:
        self._base, self._now = base_url.rstrip("/"), now
        self._key = b""

    def sign_by(self, key: bytes) -> None:
        """Take the key: at least 32 secret bytes, the same after a restart and in every process that decides.

        Raises:
            ConfigError: it is too short.
        """
        if len(key) < KEY_BYTES:
            raise ConfigError(f"the key for approvals has {len(key)} bytes; it needs at least {KEY_BYTES} random ones")
        self._key = key

    def link(self, incident: str, expires: int) -> str:
        """The link for a notice of kind `approval-requested`; `expires` is its `approve_by`."""
        query = urlencode({"expires": expires, "token": self._token(incident, expires)})
        return f"{self._base}{PATH.format(incident=quote(incident, safe=''))}?{query}"

    def check(self, incident: str, expires: str, token: str) -> None:
        """Accept the parts of a link.

        Raises:
            LinkError: it is not a link of ours, or it has expired.
        """
        good = expires.isascii() and expires.isdecimal() and len(expires) < 20
        if not good or not hmac.compare_digest(self._token(incident, int(expires)).encode(), token.encode()):
            raise ApprovalLinkError("this link is not valid; use the newest one that you were sent")
        if self._now() >= int(expires):
            raise ApprovalLinkError("this link has expired; the incident was escalated to on-call")

    def _token(self, incident: str, expires: int) -> str:
        if not self._key:
            raise ApprovalLinkError("approvals have no key yet: the environment is not owned")
        return hmac.new(self._key, f"{incident}\n{expires}".encode(), hashlib.sha256).hexdigest()


def routes(approvals: ApprovalService) -> list[Route]:
    """GET shows the page; POST accepts `decision` (approve or deny), as a form or as JSON.

    The link is the right to answer. Who answers is the authenticated name; of one who did not log in `who` is what they call
    themselves, and the audit trail says that it was by link.
    """

    async def page(request: Request) -> Response:
        incident, expires, token = _parts(request)
        try:
            approvals.check(incident, expires, token)
        except ApprovalLinkError as error:
            return HTMLResponse(f"<p>{escape(str(error))}</p>", 403)
        identity = identity_of(request)
        who = f"<p>You are {escape(identity.name)}.</p>" if identity.authenticated else _NAME
        return HTMLResponse(_PAGE.format(incident=escape(incident), who=who))

    async def decide(request: Request) -> Response:
        incident, expires, token = _parts(request)
        try:
            approvals.check(incident, expires, token)
            decision, who = await _answer(request)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 403 if isinstance(error, ApprovalLinkError) else 400)
        try:
            decided = await approvals.answer(Answer(incident, expires, token, decision == "approve", who))
        except InputError as error:
            return JSONResponse({"error": str(error)}, 409)
        answer = {"incident": incident, "decision": decision, "who": who}
        return JSONResponse(answer) if decided else JSONResponse(answer | {"passed_on": True}, 202)

    return [Route(PATH, page, methods=["GET"]), Route(PATH, decide, methods=["POST"])]


def _parts(request: Request) -> tuple[str, str, str]:
    query = request.query_params
    return request.path_params["incident"], query.get("expires", ""), query.get("token", "")


async def read_fields(request: Request) -> dict[str, object]:
    """The fields of a small form or JSON object.

    Raises:
        InputError: it is neither, or too large.
    """
    body = await read_body(request, MAX_BODY)
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            found = orjson.loads(body)
            return found if isinstance(found, dict) else {}
        return dict(parse_qsl(body.decode()))
    except ValueError as error:
        raise InputError(f"not readable: {error}") from error


async def _answer(request: Request) -> tuple[str, str]:
    fields = await read_fields(request)
    identity = identity_of(request)
    decision, named = str(fields.get("decision", "")), shown_name(str(fields.get("who", "")))
    who = identity.name if identity.authenticated else f"{named} (by link)" if named else ""
    if decision not in {"approve", "deny"} or not who:
        raise InputError("send `decision` as approve or deny, and `who` as your name")
    return decision, who
