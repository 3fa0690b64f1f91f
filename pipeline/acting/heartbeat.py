"""A dead man's switch: notifies an outside service at intervals that stage 4 lives; it raises the alarm when those stop.

An alert that always fires (a Watchdog) tells the same as long as receivers work; this needs no rule, receiver or route.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import httpx2
import structlog

from components.secrets import SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 10.0


class Heartbeat:
    """Asks for a URL once in a while, as healthchecks.io, Dead Man's Snitch or Uptime Kuma want it: any 2xx will do.

    Args:
        client: shared; it stays its giver's to close.
        url: of the check.
        every: nanoseconds between two.
        now: nanoseconds since the epoch.
    """

    def __init__(self, client: httpx2.AsyncClient, url: str, every: int, now: Callable[[], int]) -> None:
        self._client, self._url, self._every, self._now = client, url, every, now
        self._at = 0
        self._sending: asyncio.Task[None] | None = None
        self._failing = False
        self.counts: Counter[str] = Counter()

    def beat(self) -> None:
        """Stage 4 has just done all that was due. Waits for nothing; at most one request is under way."""
        if self._sending is not None and self._sending.done():
            self._sending.result()
            self._sending = None
        if self._sending is None and self._now() - self._at >= self._every:
            self._at = self._now()
            self._sending = asyncio.create_task(self._send(), name="heartbeat")

    async def close(self) -> None:
        """Return when none is under way."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})

    async def _send(self) -> None:
        reason = ""
        try:
            answer = await self._client.get(self._url, timeout=ANSWER_SECONDS)
            if not answer.is_success:
                reason = f"it answers {answer.status_code}"
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = str(error) or type(error).__name__
        self.counts["failed" if reason else "sent"] += 1
        if bool(reason) != self._failing:
            self._failing = bool(reason)
            if reason:
                log.warning(
                    "heartbeat_failed", reason=SECRETS.mask(reason), hint="see alerting.heartbeat_url; it is tried again"
                )
            else:
                log.info("heartbeat_recovered")
