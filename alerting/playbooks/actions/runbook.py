"""Point a human to a run-book."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from alerting.playbooks.actions.action import ActionComponent
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from collections.abc import Mapping


class RunbookArguments(BaseModel):
    """Where the run-book stands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://")


class Runbook:
    """Record the link to a run-book in the incident and its audit trail; it changes nothing."""

    name = "runbook"
    idempotent = True
    arguments = RunbookArguments

    async def run(self, arguments: RunbookArguments, key: str) -> Mapping[str, str]:  # noqa: ARG002  the protocol's
        """Give the link back as the step's result."""
        return {"url": arguments.url}


RUNBOOK = ActionComponent(
    kind=ComponentKind.ACTION,
    name=Runbook.name,
    build=lambda _, __: Runbook(),
    summary="Record the link to a run-book in the incident.",
    stability=Stability.STABLE,
)
