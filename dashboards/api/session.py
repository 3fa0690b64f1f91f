"""Who asks, and what they may do: so that a page can say beforehand why a button does nothing for them."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002  FastAPI reads annotations at run time

from components.access.identity import identity_of
from components.access.roles import Right


class OwnSession(BaseModel):
    """The identity of a request. It says nothing that its owner does not know."""

    name: str = Field(description="as the audit trail names it; `anonymous` for one who did not log in")
    role: str | None = Field(description="viewer, operator, admin or ingest; null: none")
    source: str = Field(description="how it was authenticated: token, oidc, proxy; else anonymous")
    rights: list[str] = Field(description="of read, operate, administer and ingest, those that its role gives")


def session_routes() -> APIRouter:
    """`GET /api/v1/session`."""
    router = APIRouter()

    @router.get("/api/v1/session", response_model=OwnSession)
    async def session(request: Request) -> OwnSession:
        """Who you are, and which rights you have."""
        identity = identity_of(request)
        rights = [right.value for right in Right if identity.may(right)]
        return OwnSession(name=identity.name, role=identity.role, source=identity.source, rights=rights)

    return router
