"""Approvals where several workers run: any of them takes an answer, the one that owns the environment decides.

A worker that does not own it sends the answer along the log of signals, unread: the owner checks its token. So a link
works at every worker behind one address, and goes on to work when the environment moves to another.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

import structlog

from alerting.playbooks.api.approval import KEY_BYTES, Answer, ApprovalLinkError, Approvals
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from alerting.playbooks.runner import PlaybookRunner
    from pipeline.state.table import StageTable
    from telemetry.documents import Body

log = structlog.get_logger(__name__)

VERSION = 1


class PassOn(Protocol):
    """Sends an answer to the workers that own environments."""

    def __call__(self, answer: Body, /) -> Awaitable[object]:
        """End when it is on the log."""
        ...


class Deciding(Protocol):
    """What approvals need of an environment."""

    approvals: Approvals
    runner: PlaybookRunner


class EnvironmentApprovals:
    """Takes answers for the environments that this process owns.

    Args:
        environments: by name; changes as they are owned and let go.
        complete: whether these are all that there are.
        pass_on: reaches the owners of others.
    """

    def __init__(self, environments: Mapping[str, Deciding], complete: Callable[[], bool], pass_on: PassOn) -> None:
        self._environments, self._complete, self._pass_on = environments, complete, pass_on

    def _owner(self, incident: str, expires: str, token: str) -> Deciding | None:
        """Who decides on an incident, where that is of this process; the link has been checked then.

        Raises:
            ApprovalLinkError: the link is not valid, or has expired.
        """
        error: ApprovalLinkError | None = None
        mine = [each for each in self._environments.values() if incident in each.runner.healer.incidents]
        for owner in mine or (self._environments.values() if self._complete() else ()):  # it may be over
            try:
                owner.approvals.check(incident, expires, token)
            except ApprovalLinkError as invalid:
                error = invalid
            else:
                return owner
        if error is not None:
            raise error
        return None

    def check(self, incident: str, expires: str, token: str) -> None:
        """See `ApprovalService.check`; only the owner can."""
        self._owner(incident, expires, token)

    async def answer(self, answer: Answer) -> bool:
        """See `ApprovalService.answer`."""
        owner = self._owner(answer.incident, answer.expires, answer.token)
        if owner is None:
            await self._pass_on(asdict(answer))
            return False
        await owner.runner.decide(answer.incident, approved=answer.approved, who=answer.who)
        return True

    async def handle(self, body: Body) -> None:
        """Decide what another worker passed on. After a crash it comes again, and then nobody is asked any more."""
        answer = Answer(**body)
        try:
            owner = self._owner(answer.incident, answer.expires, answer.token)
            if owner is not None:  # else another worker decides, who has the answer too
                await owner.runner.decide(answer.incident, approved=answer.approved, who=answer.who)
        except InputError as error:
            log.warning("approval_rejected", incident=answer.incident, who=answer.who, reason=str(error))


async def sign_by_kept_key(approvals: Approvals, key: bytes, state: StageTable, partition: int) -> None:
    """Sign links by a key, or by one that is made once and kept with the state of the environment."""
    approvals.sign_by(key or await _kept_key(state, partition))


async def _kept_key(state: StageTable, partition: int) -> bytes:
    kept = state.load(partition, "approvals")
    if kept is None:
        kept = {"version": VERSION, "key": secrets.token_hex(KEY_BYTES)}
        await state.save(partition, "approvals", kept)
    if kept.get("version") != VERSION:
        raise InputError(f"approvals: version {kept.get('version')!r}; this release reads {VERSION}")
    return bytes.fromhex(kept["key"])
