"""What is kept of policies: every revision with its document, who wrote it, and what became of it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import orjson

from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from governance.fleet import AgentElsewhere, Reached
    from governance.waves.rollout import Rollout
    from telemetry.audit import AuditRecord
    from telemetry.json_object import JsonObject

EMPTY = "0"
"""The revision before the first: no policies."""


def digest_of(text: str) -> str:
    """By which a document is known again."""
    return hashlib.sha256(text.encode()).hexdigest()


class Status(StrEnum):
    """What became of a revision."""

    DRAFT = "draft"  # checked and kept, and not released
    REJECTED = "rejected"  # a person did not want it released
    EXPIRED = "expired"  # nobody decided in time
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


@dataclass(frozen=True, slots=True)
class Approval:
    """By whom, when, and what was stable then: whoever approves has seen the difference to that."""

    by: str
    at: int
    against: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of a revision that waits: until when, and who approved.

    Attributes:
        against: what was stable when it was pushed.
        expires: nanoseconds since the epoch.
    """

    against: str
    expires: int
    approvals: tuple[Approval, ...] = ()

    def encode(self) -> str:
        """As it is kept."""
        return orjson.dumps(asdict(self)).decode()


def draft_of(encoded: str) -> Draft:
    """A draft as it was kept."""
    data = orjson.loads(encoded)
    return Draft(data["against"], data["expires"], tuple(Approval(**each) for each in data["approvals"]))


@dataclass(frozen=True, slots=True)
class Look:
    """What is new in a store that several control planes share.

    Attributes:
        leads: whether this control plane decides how rollouts go on.
        changed: whether revisions or the rollout may have changed.
        agents: those that changed at others.
        alive: numbers of the others.
    """

    leads: bool
    changed: bool
    agents: tuple[AgentElsewhere, ...]
    alive: frozenset[int]


ALONE = Look(leads=True, changed=False, agents=(), alive=frozenset())
"""Of a store that nobody shares."""


class LostConnectionError(StoreError):
    """The store cannot be reached, and nothing was changed."""


class OutdatedError(StoreError):
    """Something else was kept since the caller looked."""


class RevisionStore(Protocol):
    """Where revisions are kept. Every change of it is one transaction with its record of the audit trail.

    Raises:
        StoreError: it cannot be reached, or refuses.
        OutdatedError: from changes that name what was `before`, where that is no longer so. Nothing was changed.
    """

    async def add(self, text: str, author: str, comment: str, now: int, draft: Draft | None = None) -> Revision:
        """Keep a revision; with `draft` it waits for somebody to decide."""
        ...

    async def mark(self, number: str, status: Status, why: str, author: str, now: int) -> None:
        """Note what becomes of a revision. Only a draft is released, rejected, or expires."""
        ...

    async def drafts(self) -> Sequence[tuple[Revision, Draft]]:
        """Revisions that wait, the oldest first."""
        ...

    async def keep_draft(self, number: str, before: Draft, draft: Draft, author: str, now: int) -> None:
        """Note an approval."""
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

    async def keep_rollout(
        self, rollout: Rollout, now: int, *, before: Rollout | None, status: Status | None = None, author: str = ""
    ) -> None:
        """Note how far a revision is, and with `status` what becomes of it."""
        ...

    async def rollout(self) -> Rollout | None:
        """How far a revision was when that was last noted."""
        ...

    async def keep_delivery(
        self, service: str, data: JsonObject | None, note: JsonObject, now: int, *, before: JsonObject | None
    ) -> None:
        """Keep how far a delivery is, nothing of it for None; `note` goes on the audit trail. `before` is None of a new one."""
        ...

    async def deliveries(self) -> Sequence[tuple[str, JsonObject]]:
        """The deliveries that are kept, by service."""
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

    async def look(self) -> Look:
        """What other control planes that share it did since the last look, and whether this one decides."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...
