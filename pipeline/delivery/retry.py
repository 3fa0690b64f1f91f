"""Asks a store again while it is down, for as long as the answer is still wanted.

This is what makes consumption pause when the store is down: nobody's write or read ends, so offsets stay uncommitted, the
stream agents' in-flight limits fill and they stop taking records.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

import structlog

from stores.store import AccessRefusedError, Query
from telemetry.documents import Kind
from telemetry.errors import SpanloomError, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from prometheus_client import Histogram

    from stores.store import Store

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0
"""Seconds before a request is made again that failed though the store answers others; doubled each time."""

PROBE_SECONDS = 1.0
"""Longest time between two probes of a store that is down, however long it has been: its return is noticed within it."""

PROBE_TIMEOUT = 2.0
"""Seconds that a probe may take. Slower than that, the store is too busy for those who wait for it."""

POLL_SECONDS = 0.5
"""Seconds between checks whether the answer is still wanted."""

REFUSED_SECONDS = 60.0
"""How long a store is asked again that refuses us. One that starts may; wrong credentials stay wrong."""

PROBED = (Kind.SPAN, Kind.LOG, Kind.TRACE, Kind.HOP)
"""What a probe counts. Elasticsearch may answer before the shards of its streams are up."""


class RevokedError(SpanloomError):
    """The partition that wanted the answer was revoked: its new owner does the work."""


def always() -> bool:
    """For what is wanted by no partition."""
    return True


class StoreAvailability:
    """Whether a store answers. While it does not, one task asks it, and whoever waits is woken by its answer.

    Args:
        store: that one.
        seconds: gets how long each request took, by operation.

    Attributes:
        down: why the store does not answer; empty while it does.
        retries: requests made again, by operation.
        probes: questions whether a store that was down is back.
    """

    def __init__(self, store: Store, seconds: Histogram | None = None) -> None:
        self._store, self._seconds = store, seconds
        self._back = asyncio.Event()
        self._back.set()
        self._probing: asyncio.Task[None] | None = None
        self._chance = random.Random()  # noqa: S311 - jitter, so that many processes do not ask at once
        self._returns = 0
        self.down = ""
        self.retries: Counter[str] = Counter()
        self.probes = 0

    async def ask(self, operation: str, ask: Callable[[], Awaitable[Answer]], wanted: Callable[[], bool] = always) -> Answer:
        """The store's answer, however long it takes.

        Args:
            operation: what is asked, for `retries`.
            ask: the request; it may be made many times.
            wanted: whether anybody still waits for the answer.

        Raises:
            RevokedError: nobody wants it any more.
            AccessRefusedError: the store has refused us for REFUSED_SECONDS.
        """
        wait, refused_at = FIRST_WAIT, 0.0
        clock = asyncio.get_running_loop().time
        while True:
            if not wanted():
                raise RevokedError("the partition was revoked while the store was asked; its new owner asks again")
            try:
                with nullcontext() if self._seconds is None else self._seconds.labels(operation).time():
                    return await ask()
            except StoreError as error:
                if isinstance(error, AccessRefusedError):
                    refused_at = refused_at or clock()
                    if clock() - refused_at >= REFUSED_SECONDS:
                        raise
                self.retries[operation] += 1
                log.warning("store_unavailable", operation=operation, reason=str(error))
                returns = self._returns
                await self._until_back(str(error), wanted)
                if self._returns > returns:  # it was down, and this may be the first request since
                    wait = FIRST_WAIT
                else:
                    await _sleep(wait, wanted)
                    wait = min(wait * 2, LONGEST_WAIT)

    async def close(self) -> None:
        """Stop asking."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    async def _until_back(self, reason: str, wanted: Callable[[], bool]) -> None:
        """Return when the store answers, at once if it does."""
        if self._probing is None or self._probing.done():
            self._back.clear()
            self._probing = asyncio.create_task(self._probe(reason), name="store-probe")
        back = asyncio.ensure_future(self._back.wait())
        try:
            while not back.done() and wanted():
                await asyncio.wait([back], timeout=POLL_SECONDS)
        finally:
            back.cancel()

    async def _probe(self, reason: str) -> None:
        """Ask until the store answers."""
        try:
            while absence := await self._absence():
                if not self.down:
                    log.error("store_down", reason=reason)
                self.down = absence
                await asyncio.sleep(PROBE_SECONDS * self._chance.uniform(0.5, 1.0))
            if self.down:
                self.down = ""
                self._returns += 1
                log.info("store_back", probes=self.probes)
        finally:
            self._back.set()

    async def _absence(self) -> str:
        """Why the store does not answer; empty if it does."""
        self.probes += 1
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await asyncio.gather(*(self._store.count(Query(kind)) for kind in PROBED))
        except AccessRefusedError:
            return ""  # it answers, and so will those who wait be answered
        except (StoreError, TimeoutError) as error:
            return str(error) or f"no answer in {PROBE_TIMEOUT:g} s"
        return ""


async def _sleep(seconds: float, wanted: Callable[[], bool]) -> None:
    while seconds > 0 and wanted():
        await asyncio.sleep(min(seconds, POLL_SECONDS))
        seconds -= POLL_SECONDS
