"""Approvals where several workers run: any of them takes an answer, the one that owns the environment decides.

A worker that does not own it sends the answer along the log of signals, unread: the owner checks its token. So a link
works at every worker behind one address, and goes on to work when the environment moves to another.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

import structlog

from alerting.playbooks.api.approval import KEY_BYTES, Answer, Approvals
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from alerting.playbooks.runner import PlaybookRunner
    from pipeline.state.table import StageTable
    from telemetry.documents import Body

log = structlog.get_logger(__name__)

VERSION = 1


class PassOn(Protocol):
    """Sends an answer to the worker that owns the environment."""

    def __call__(self, answer: Body, /) -> Awaitable[object]:
        """End when it is on the log."""
        ...


class StateApprovalService:
    """Takes answers for the environment that a runner repairs.

    Args:
        approvals: checks links.
        runner: decides.
        key: signs links; empty: one is made once and kept with the state of the environment.
        pass_on: reaches the owner.
    """

    def __init__(self, approvals: Approvals, runner: PlaybookRunner, key: bytes, pass_on: PassOn) -> None:
        self._approvals, self._runner, self._key, self._pass_on = approvals, runner, key, pass_on
        self._open = False

    async def open(self, state: StageTable, partition: int) -> None:
        """Decide here from now on."""
        self._approvals.sign_by(self._key or await _kept_key(state, partition))
        self._open = True

    def close(self) -> None:
        """Another worker decides from now on."""
        self._open = False

    def check(self, incident: str, expires: str, token: str) -> None:
        """See `ApprovalService.check`; only the owner can."""
        if self._open:
            self._approvals.check(incident, expires, token)

    async def answer(self, answer: Answer) -> bool:
        """See `ApprovalService.answer`."""
        if not self._open:
            await self._pass_on(asdict(answer))
            return False
        self._approvals.check(answer.incident, answer.expires, answer.token)
        await self._runner.decide(answer.incident, approved=answer.approved, who=answer.who)
        return True

    async def handle(self, body: Body) -> None:
        """Decide what another worker passed on. After a crash it comes again, and then nobody is asked any more."""
        try:
            await self.answer(Answer(**body))
        except InputError as error:
            log.warning("approval_rejected", incident=body["incident"], who=body["who"], reason=str(error))


async def _kept_key(state: StageTable, partition: int) -> bytes:
    kept = state.load(partition, "approvals")
    if kept is None:
        kept = {"version": VERSION, "key": secrets.token_hex(KEY_BYTES)}
        await state.save(partition, "approvals", kept)
    if kept.get("version") != VERSION:
        raise InputError(f"approvals: version {kept.get('version')!r}; this release reads {VERSION}")
    return bytes.fromhex(kept["key"])
