"""Revisions that wait: somebody pushes, others look at the difference, approve or reject, and the last approval releases."""

from __future__ import annotations

import asyncio
import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from components.durations import SECOND
from governance.releases import AUTOMATIC
from governance.revisions import Approval, Draft, LostConnectionError, OutdatedError, Revision, Status
from telemetry.errors import ConfigError, InputError, SpanloomError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from governance.config import ApprovalConfig
    from governance.control import ControlPlane
    from governance.metrics import ControlMetrics

log = structlog.get_logger(__name__)

EVERY_SECONDS = 5.0
"""Between two looks for drafts that expire."""
MAX_COMPARED_LINES = 20_000
"""Of both documents together: comparing takes time by the square of what differs."""
MAX_WHY = 500


class NotAllowedError(SpanloomError):
    """Who asks may not decide on this draft."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a revision would change: `lines` as of `diff -u`, to the revision `against`."""

    against: str
    lines: tuple[str, ...]


class Drafts:
    """Decisions on drafts of one control plane.

    Args:
        control: releases them.
        config: how many approvals they need.
        metrics: what is counted.
        now: nanoseconds since the epoch.
    """

    def __init__(self, control: ControlPlane, config: ApprovalConfig, metrics: ControlMetrics, now: Callable[[], int]) -> None:
        self._control, self._metrics, self._now = control, metrics, now
        self.config = config
        self._deciding = asyncio.Lock()

    async def keep(self, text: str, name: str, author: str, comment: str) -> Revision:
        """Check a document, and keep it until somebody decides.

        Raises:
            ConfigError: what is wrong with it, or too many wait.
        """
        await self._control.check(text, name)
        async with self._deciding:
            waiting = await self._control.store.drafts()
            if len(waiting) >= self.config.max_drafts:
                raise ConfigError(f"{len(waiting)} drafts wait already; decide on them first, see `spanloom policy drafts`")
            expires = self._now() + int(self.config.expire_seconds * SECOND)
            draft = Draft(self._control.stable, expires)
            revision = await self._control.store.add(text, author, comment[:MAX_WHY], self._now(), draft)
            self._metrics.drafts.set(len(waiting) + 1)
            return revision

    async def waiting(self) -> Sequence[tuple[Revision, Draft]]:
        """Drafts that nobody has decided on, the oldest first."""
        found = await self._control.store.drafts()
        self._metrics.drafts.set(len(found))
        return found

    def missing(self, draft: Draft) -> int:
        """How many more people must approve before it is released. Approvals of another difference do not count."""
        have = sum(each.against == self._control.stable for each in draft.approvals)
        return max(0, max(1, self.config.required) - have)

    async def difference(self, number: str) -> Difference:
        """What a revision would change of the one that is stable.

        Raises:
            InputError: there is none, or both are too long to be compared here.
        """
        store, against = self._control.store, self._control.stable
        revision, stable = await store.get(number), await store.get(against)
        if revision is None:
            raise InputError(f"there is no revision {number[:20]}")
        before, after = (each.text.splitlines() if each is not None else [] for each in (stable, revision))
        if len(before) + len(after) > MAX_COMPARED_LINES:
            raise InputError(f"more than {MAX_COMPARED_LINES} lines: compare the documents with a tool of yours")
        names = (f"revision {against}", f"revision {number}")
        lines = await asyncio.to_thread(lambda: tuple(difflib.unified_diff(before, after, *names, lineterm="")))
        return Difference(against, lines)

    async def approve(self, number: str, by: str, against: str) -> tuple[Revision, int]:
        """Approve a draft, and release it when that is the last approval it needs; how many more it needs.

        Args:
            number: of the revision.
            by: who approves.
            against: the revision that they were shown the difference to.

        Raises:
            NotAllowedError: they wrote it themselves.
            ConfigError: it does not wait, something else is stable by now, or it cannot be released now.
        """
        async with self._deciding:
            revision, draft = await self._find(number)
            if self.config.required and _same(by, revision.author):
                raise NotAllowedError(f"revision {number} is by {revision.author}: somebody else must approve it")
            self._control.releases.refuse_while_one_is_on_its_way()
            if against != self._control.stable:
                shown = f"you saw the difference to revision {against[:20]}, and {self._control.stable} is stable now"
                raise ConfigError(f"{shown}: look at `spanloom policy review {number}` again")
            if not any(_same(each.by, by) and each.against == against for each in draft.approvals):
                approved = replace(draft, approvals=(*draft.approvals, Approval(by, self._now(), against)))
                await self._kept(self._control.store.keep_draft(number, draft, approved, by, self._now()))
                self._metrics.draft_decisions.labels("approved").inc()
                draft = approved
            missing = self.missing(draft)
            if not missing:
                await self._control.release(revision, by, against)
                self._metrics.draft_decisions.labels("released").inc()
                await self.waiting()
            return revision, missing

    async def reject(self, number: str, by: str, why: str) -> Revision:
        """End a draft; its author may too.

        Raises:
            InputError: without a reason.
            ConfigError: it does not wait.
        """
        if not why.strip():
            raise InputError("why: say why it is rejected; its author reads it")
        async with self._deciding:
            revision, _ = await self._find(number)
            await self._kept(self._control.store.mark(number, Status.REJECTED, why[:MAX_WHY], by, self._now()))
            self._metrics.draft_decisions.labels("rejected").inc()
            await self.waiting()
            return revision

    async def expire(self) -> None:
        """End drafts whose time is over."""
        async with self._deciding:
            for revision, draft in await self.waiting():
                if draft.expires <= self._now():
                    why = f"nobody decided within {self.config.expire_seconds:g} s"
                    try:
                        await self._control.store.mark(revision.number, Status.EXPIRED, why, AUTOMATIC, self._now())
                    except OutdatedError:
                        continue  # another control plane did, or somebody decided
                    self._metrics.draft_decisions.labels("expired").inc()
                    log.info("draft_expired", revision=revision.number, author=revision.author)

    async def run(self) -> None:
        """Look for drafts that expire until it is cancelled."""
        while True:
            try:
                await self.expire()
            except LostConnectionError as error:
                log.warning("drafts_unknown", reason=str(error), retry_in_seconds=EVERY_SECONDS)
            await asyncio.sleep(EVERY_SECONDS)

    async def _find(self, number: str) -> tuple[Revision, Draft]:
        for revision, draft in await self._control.store.drafts():
            if revision.number == number and draft.expires > self._now():
                return revision, draft
        found = await self._control.store.get(number)
        state = f"it is {found.status.value}" if found is not None else "there is none"
        raise ConfigError(f"revision {number[:20]} does not wait for anybody: {state}")

    @staticmethod
    async def _kept(change: Awaitable[None]) -> None:
        try:
            await change
        except OutdatedError as error:
            raise ConfigError(str(error)) from error


def _same(one: str, other: str) -> bool:
    """Whether two names are of one person: logins that differ in case alone are no two people."""
    return one.casefold() == other.casefold()
