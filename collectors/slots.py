"""Places for messages that gRPC is receiving: it says nothing of a message until all of it is there, but keeps what came.

When all places are in use, the newcomer waits, and who has held a place for too long has to leave it: a sender of half messages
so cannot keep honest ones out. The newest waiting comes first, for the oldest is the likeliest to have given up.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from collectors.errors import TooSlowError
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SAFE_SECONDS: Final = 0.5
"""Seconds in which a slot is never revoked: a message that is sent in whole is there by then."""


class _Occupant:
    def __init__(self, deadline: asyncio.Timeout, since: float) -> None:
        self.deadline = deadline
        self.since = since
        self.evicted = False


class Slots:
    """So many places, and so many that may wait for one.

    Args:
        slots: how many messages are received at a time.
        max_waiting: how many may wait.
        retry_after: what a refused sender is asked to wait, in seconds.
    """

    def __init__(self, slots: int, max_waiting: int, retry_after: float) -> None:
        self._free = slots
        self._max_waiting = max_waiting
        self._retry_after = retry_after
        self._occupants: OrderedDict[_Occupant, None] = OrderedDict()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def slot(self, seconds: float) -> AsyncIterator[None]:
        """A place, for so many seconds at most, waiting for it included.

        Raises:
            TooSlowError: the message was not there in time.
            OverloadedError: others needed the place, or there was none.
        """
        occupant = None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds) as deadline:
                await self._acquire()
                occupant = _Occupant(deadline, loop.time())
                self._occupants[occupant] = None
                try:
                    yield
                finally:
                    del self._occupants[occupant]
                    self._release()
        except TimeoutError as error:
            if occupant is None or occupant.evicted:
                raise self._overloaded() from error
            raise TooSlowError(f"the message was not there after {seconds} s") from error

    async def _acquire(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if len(self._waiting) > self._max_waiting:
            self._waiting.popleft().set_exception(self._overloaded())
        self._watch()
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif turn.done() and not turn.cancelled() and turn.exception() is None:
                self._release()
            raise

    def _release(self) -> None:
        while self._waiting:
            turn = self._waiting.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _watch(self) -> None:
        """While somebody waits, look when the oldest may be sent away."""
        if self._timer is None and self._waiting and self._occupants:
            oldest = next(iter(self._occupants))
            self._timer = asyncio.get_running_loop().call_at(oldest.since + SAFE_SECONDS, self._evict)

    def _evict(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for occupant in list(self._occupants)[: len(self._waiting)]:
            if now - occupant.since < SAFE_SECONDS:
                break
            if not occupant.evicted and not occupant.deadline.expired():
                occupant.evicted = True
                occupant.deadline.reschedule(now)
            self._occupants.move_to_end(occupant)  # it leaves in a moment
        self._watch()

    def _overloaded(self) -> OverloadedError:
        return OverloadedError("messages being received: others needed the room", self._retry_after)
