"""Asks a store again while it is down, for as long as the answer is still wanted.

This is what makes consumption pause when the store is down: nobody's write or read ends, so offsets stay held, the
stream agents' in-flight limits fill and they stop taking records.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import structlog

from telemetry.errors import SpanloomError, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

FIRST_WAIT, LONGEST_WAIT = 0.25, 15.0
"""Seconds between tries while the store is down; doubled each time. A restart of a store takes seconds to a minute."""

GLANCE = 0.5
"""Seconds between two looks at whether the answer is still wanted."""


class RevokedError(SpanloomError):
    """The partition that wanted the answer was taken away: its new owner does the work."""


def always() -> bool:
    """For what is wanted by no partition."""
    return True


async def patiently(
    ask: Callable[[], Awaitable[Answer]], wanted: Callable[[], bool] = always, retried: Callable[[], None] = lambda: None
) -> Answer:
    """The store's answer, however long it takes.

    Args:
        ask: the request; it may be made many times.
        wanted: whether anybody still waits for the answer.
        retried: told of each further try.

    Raises:
        RevokedError: nobody wants it any more.
    """
    wait = FIRST_WAIT
    while True:
        if not wanted():
            raise RevokedError("the partition was taken away while the store was asked; its new owner asks again")
        try:
            return await ask()
        except StoreError as error:
            retried()
            log.warning("store_unavailable", retry_in_seconds=wait, reason=str(error))
            await _sleep(wait, wanted)
            wait = min(wait * 2, LONGEST_WAIT)


async def _sleep(seconds: float, wanted: Callable[[], bool]) -> None:
    while seconds > 0 and wanted():
        await asyncio.sleep(min(seconds, GLANCE))
        seconds -= GLANCE
