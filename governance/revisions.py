"""What is kept of policies: every revision with its document, who wrote it, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from governance.fleet import Reached
    from governance.waves.rollout import Rollout
    from telemetry.audit import AuditRecord
    from telemetry.json_object import JsonObject

EMPTY = "0"
"""The revision before the first: no policies."""


class Status(StrEnum):
    """What became of a revision."""

    DRAFT = "draft"  # checked and kept, and not released
    RELEASED = "released"  # on its way
    STABLE = "stable"  # it reached all agents; what has it now, or had it last
    ROLLED_BACK = "rolled-back"
    REFUSED = "refused"  # an agent could not read it: nothing equal is released again


@dataclass(frozen=True, slots=True)
class Revision:
    """A version of the document. `number` counts from 1; `digest` is of the text."""

    number: str
    text: str
    digest: str
    author: str
    comment: str
    created: int
    status: Status
    why: str = ""


class RevisionStore(Protocol):
    """Where revisions are kept. Every change of it is one transaction with its record of the audit trail."""

    async def add(self, text: str, author: str, comment: str, now: int) -> Revision:
        """Keep a draft."""
        ...

    async def mark(self, number: str, status: Status, why: str, author: str, now: int) -> None:
        """Note what becomes of a revision."""
        ...

    async def get(self, number: str) -> Revision | None:
        """One revision."""
        ...

    async def history(self, limit: int) -> Sequence[Revision]:
        """The newest revisions, the newest first."""
        ...

    async def stable(self) -> Revision | None:
        """The revision that became stable last."""
        ...

    async def refused_digests(self) -> frozenset[str]:
        """Of texts that an agent refused."""
        ...

    async def keep_rollout(self, rollout: Rollout | None, now: int) -> None:
        """Note how far a revision is."""
        ...

    async def rollout(self) -> Rollout | None:
        """How far a revision was when that was last noted."""
        ...

    async def keep_agents(self, reached: Iterable[tuple[str, JsonObject, Sequence[Reached]]]) -> None:
        """Note agents, and what became of revisions there."""
        ...

    async def remove_agents(self, ids: Iterable[str]) -> None:
        """Keep nothing of these agents."""
        ...

    async def agents(self) -> Sequence[tuple[str, JsonObject, Sequence[Reached]]]:
        """The agents that were noted."""
        ...

    async def audit(self, after: int, limit: int) -> Sequence[AuditRecord]:
        """Records of the audit trail with a higher number, in order."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...
