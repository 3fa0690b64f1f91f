"""What the control plane answers about drafts over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from components.access.identity import identity_of
from components.access.roles import Right
from governance.approvals.drafts import NotAllowedError
from telemetry.errors import InputError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from governance.approvals.drafts import Drafts
    from governance.revisions import Draft, Revision
    from telemetry.json_object import JsonObject


class DraftsApi:
    """Answers of `GovernanceApi` that are about drafts."""

    def __init__(self, drafts: Drafts) -> None:
        self._drafts = drafts

    async def waiting(self, request: Request) -> Response:
        """Drafts that wait, who approved them, and how many more must."""
        del request
        found = [self.said(*each) for each in await self._drafts.waiting()]
        config = self._drafts.config
        return JSONResponse({"required": config.required, "role": config.role, "drafts": found})

    def said(self, revision: Revision, draft: Draft) -> JsonObject:
        """A draft as JSON."""
        return {
            "number": revision.number,
            "author": revision.author,
            "comment": revision.comment,
            "created": revision.created,
            "expires": draft.expires,
            "against": draft.against,
            "missing": self._drafts.missing(draft),
            "approvals": [{"by": each.by, "at": each.at, "against": each.against} for each in draft.approvals],
        }

    async def difference(self, request: Request) -> Response:
        """What a revision would change of the one that is stable."""
        found = await self._drafts.difference(request.path_params["number"])
        return JSONResponse({"against": found.against, "lines": list(found.lines)})

    async def approve(self, request: Request) -> Response:
        """Approve a draft; `against` is the revision that the difference was to."""
        self._refuse_lesser_roles(request)
        if (against := request.query_params.get("against")) is None:
            raise InputError("against: the revision that you saw the difference to")
        number = request.path_params["number"]
        _, missing = await self._drafts.approve(number, identity_of(request).name, against)
        return JSONResponse({"number": number, "released": not missing, "missing": missing})

    async def reject(self, request: Request) -> Response:
        """End a draft; `why` is for its author."""
        self._refuse_lesser_roles(request)
        number, why = request.path_params["number"], request.query_params.get("why", "")
        await self._drafts.reject(number, identity_of(request).name, why)
        return JSONResponse({"number": number, "status": "rejected"})

    def _refuse_lesser_roles(self, request: Request) -> None:
        if self._drafts.config.role == "admin" and not identity_of(request).may(Right.ADMINISTER):
            raise NotAllowedError("drafts are decided on by administrators here: control.approvals.role")
