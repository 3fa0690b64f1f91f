"""Which revision is stable and which is on its way: as decided here, and as the store has it.

Another control plane may share the store. What is decided here is kept only where the store still has what was known
here; where it has something else, that holds, and is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from governance.revisions import EMPTY, OutdatedError, Status
from governance.waves.rollout import State
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from governance.revisions import Revision, RevisionStore
    from governance.waves.rollout import Rollout

log = structlog.get_logger(__name__)

AUTOMATIC = "automatic"
"""What the audit trail calls the control plane itself."""


class Releases:
    """Nothing before `load`.

    Attributes:
        stable: the revision that agents have where no rollout has reached them.
        rollout: the last one, ended or not.
        refused: digests of documents that an agent refused.
        stale: whether the store may have something else; then `load` it.
    """

    def __init__(self, store: RevisionStore, now: Callable[[], int]) -> None:
        self._store, self._now = store, now
        self.stable, self.refused, self.stale = EMPTY, frozenset[str](), False
        self.rollout: Rollout | None = None
        self._kept: Rollout | None = None

    @property
    def on_its_way(self) -> Rollout | None:
        """The rollout that has not ended."""
        return self.rollout if self.rollout is not None and not self.rollout.ended else None

    @property
    def busy(self) -> str:
        """Why nothing else may begin; empty if it may."""
        return f"revision {rollout.revision} is on its way" if (rollout := self.on_its_way) is not None else ""

    @property
    def unkept(self) -> Rollout | None:
        """A rollout that was taken back, which the store does not know yet."""
        undone = self.rollout is not None and self.rollout.state is State.ROLLED_BACK
        return self.rollout if undone and self.rollout is not self._kept else None

    async def load(self) -> list[Revision]:
        """Have what the store has; the revisions that are stable and on their way."""
        self.stale = False
        refused = await self._store.refused_digests()
        stable, rollout = await self._store.stable(), await self._store.rollout()
        found = [stable] if stable is not None else []
        self.stable = stable.number if stable is not None else EMPTY
        if rollout is not None and not rollout.ended and (revision := await self._store.get(rollout.revision)) is not None:
            found.append(revision)
        self.refused |= refused
        if self.unkept is None or rollout != self._kept:  # else an agent refused it meanwhile, which is kept next
            self.rollout = self._kept = rollout
        return found

    def refuse_while_one_is_on_its_way(self) -> None:
        """One at a time.

        Raises:
            ConfigError: a revision is on its way.
        """
        if self.busy:
            raise ConfigError(f"{self.busy}; wait for it, or roll it back first")

    async def begin(self, rollout: Rollout, author: str) -> None:
        """Release a revision's first wave.

        Raises:
            ConfigError: somebody else was first.
        """
        self.stale = True  # until both have it, whoever cancels this
        try:
            await self._store.keep_rollout(rollout, self._now(), before=self._kept, status=Status.RELEASED, author=author)
        except OutdatedError as error:
            raise ConfigError(f"revision {rollout.revision} is not released: {error}") from error
        self.rollout = self._kept = rollout
        self.stale = False

    async def become(self, rollout: Rollout, author: str, *, refused: bool) -> bool:
        """Note how a rollout goes on; false where another control plane went on before."""
        status = None
        if rollout.state is State.DONE:
            status = Status.STABLE
            self.stable = rollout.revision
        elif rollout.state is State.ROLLED_BACK:
            status = Status.REFUSED if refused else Status.ROLLED_BACK
        self.rollout = rollout  # at once: a refusal that comes meanwhile is of this one
        by = author or AUTOMATIC
        self.stale = True
        try:
            await self._store.keep_rollout(rollout, self._now(), before=self._kept, status=status, author=by)
        except OutdatedError as error:
            log.info("rollout_went_on_elsewhere", reason=str(error))
            return False
        self._kept, self.stale = rollout, False
        log.info("rollout", revision=rollout.revision, state=rollout.state.value, wave=rollout.wave + 1, why=rollout.why)
        return True
