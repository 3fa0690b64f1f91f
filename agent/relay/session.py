"""A stream of one Envoy: what it asked for, what it was sent, and what it has not answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from agent.relay.messages import TYPES, WHOLE, Response

if TYPE_CHECKING:
    from agent.relay.messages import Request
    from agent.relay.snapshots import EnvoyAnswer


class Sent(NamedTuple):
    """The newest response of a type."""

    nonce: str
    answer: EnvoyAnswer


class Reply(NamedTuple):
    """What a request means.

    `first_answer`: it accepts or refuses the newest response, which it had not answered before. `wants_answer`: it asks for
    resources that it did not have, or again.
    """

    first_answer: Sent | None
    wants_answer: bool


class Session:
    """State of a stream; the relay reads its requests, a task of the stream writes what `outgoing` has.

    At most one response of each type waits to be written: a newer one replaces it.
    """

    def __init__(self) -> None:
        self.names: dict[str, frozenset[str] | None] = {}
        self._sent: dict[str, Sent] = {}
        self._answered: set[str] = set()
        self._waiting: dict[str, Response] = {}
        self._wake = asyncio.Event()
        self._count = 0

    def read(self, request: Request) -> Reply:
        """Take a request in.

        A nonce that is not the newest belongs to a response that has been replaced since: such a request changes only what is
        subscribed to. One with a nonce that was answered before asks again: a changed cluster waits for its endpoints by it, a
        changed listener for its routes.
        """
        type_url = request.type_url
        names = None if type_url in WHOLE and not request.names else frozenset(request.names)
        changed = type_url not in self.names or self.names[type_url] != names
        self.names[type_url] = names
        sent = self._sent.get(type_url)
        if sent is None or not request.nonce:
            return Reply(None, wants_answer=True)
        if request.nonce != sent.nonce:
            return Reply(None, wants_answer=changed)
        if type_url in self._answered:
            return Reply(None, wants_answer=not request.error)
        self._answered.add(type_url)
        return Reply(sent, wants_answer=changed)

    def send(self, type_url: str, answer: EnvoyAnswer) -> None:
        """Queue the answer; it replaces one of the same type that waits."""
        self._count += 1
        nonce = str(self._count)
        self._sent[type_url] = Sent(nonce, answer)
        self._answered.discard(type_url)
        self._waiting[type_url] = Response(type_url, answer.version, nonce, answer.resources)
        self._wake.set()

    def has(self, type_url: str, answer: EnvoyAnswer) -> bool:
        """Whether exactly this was sent last."""
        sent = self._sent.get(type_url)
        return sent is not None and sent.answer.resources == answer.resources and sent.answer.offer is answer.offer

    def unanswered(self) -> list[Response]:
        """Offers of the centre that Envoy was sent and has neither accepted nor refused."""
        return [
            sent.answer.offer
            for type_url, sent in self._sent.items()
            if type_url not in self._answered and type_url not in self._waiting and sent.answer.offer is not None
        ]

    def incomplete(self, type_url: str) -> bool:
        """Whether it asked for resources that it was not given."""
        sent = self._sent.get(type_url)
        return sent is None or not sent.answer.complete

    async def outgoing(self) -> list[Response]:
        """Wait for responses, in the order in which they are to be sent."""
        await self._wake.wait()
        self._wake.clear()
        waiting, self._waiting = self._waiting, {}
        return [waiting[type_url] for type_url in TYPES if type_url in waiting]
