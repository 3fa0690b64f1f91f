"""Delivers notifications, a few at a time to each integration, so that a slow receiver holds up no other.

One that waits for a retry uses no slot: a group whose payload always fails does not hold up the others. Of each group at
most one notification an integration is in flight, which `AlertGroups` ensures; so their order is kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from alerting.notify.notification import DeliveryError
from components.durations import SECOND
from telemetry.documents import notification_document, timestamp
from telemetry.sentences import parts_of, sentence_of
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from alerting.notify.notification import Notification, Notifier
    from telemetry.documents import Document

log = structlog.get_logger(__name__)

QUEUE = 256
"""Most notifications in flight to one integration."""
PARALLEL = 4
"""Most requests to one integration at a time."""
MAX_NAMED = 1_000
"""Most alerts that the document of a delivery names; it counts them all."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before the second try, doubled at each further one up to the longest."""


@dataclass(slots=True)
class SenderCounts:
    """What became of notifications, since the start."""

    delivered: int = 0
    failed: int = 0
    refused: int = 0  # the queue was full
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a notification ended. Times in nanoseconds; `not_before` is when the receiver may be asked again, 0 for any time."""

    notification: Notification
    delivered: bool
    attempts: int
    time: int
    error: str = ""
    not_before: int = 0

    def document(self) -> Document:
        """What is stored of it."""
        sent = self.notification
        return notification_document(
            {
                "key": sent.key,
                "outcome": "delivered" if self.delivered else f"failed {sent.time}",
                "receiver": sent.integration.receiver,
                "integration": sent.integration.id,
                "group_key": sent.group_key,
                "group_labels": dict(sent.group_labels),
                "status": sent.status,
                "alerts": [alert.document_fingerprint for alert in sent.alerts[:MAX_NAMED]],
                "firing": len(sent.firing),
                "resolved": len(sent.resolved),
                "created": sent.time,
                "attempts": self.attempts,
                "error": self.error,
                **({"error_parts": parts} if (parts := parts_of(self.error)) else {}),
            },
            self.time,
        )


@dataclass(slots=True)
class _Line:
    """What the deliveries to one integration share."""

    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL))
    not_before: int = 0  # until when the receiver asked to be left alone, ns
    in_flight: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass(slots=True)
class Sender:
    """Sends what is submitted and keeps the outcomes until they are read.

    Args:
        notifiers: by id of the integration.
        now: returns the time in nanoseconds.
        pause: waits for seconds; tests pass their own.
    """

    notifiers: Mapping[str, Notifier]
    now: Callable[[], int]
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    counts: SenderCounts = field(default_factory=SenderCounts)
    _lines: dict[str, _Line] = field(default_factory=dict)
    _finished: deque[Delivery] = field(default_factory=deque)
    _wakeup: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop(self) -> None:
        """Abandon what is in flight; it was not settled, so the notification log sends it again. Safe twice."""
        tasks = [task for line in self._lines.values() for task in line.in_flight]
        self._lines.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for notifier in self.notifiers.values():
            await notifier.close()

    async def replace(self, notifiers: Mapping[str, Notifier]) -> None:
        """Go on with other notifiers. What was in flight is abandoned, as by `stop`."""
        await self.stop()
        self.notifiers = notifiers

    def submit(self, notification: Notification) -> None:
        """Begin to deliver a notification. One too many has failed."""
        line = self._lines.setdefault(notification.integration.id, _Line())
        if len(line.in_flight) >= QUEUE:
            self.counts.refused += 1
            self._finish(Delivery(notification, delivered=False, attempts=0, time=self.now(), error=Wording.QUEUE_FULL()))
            return
        task = asyncio.create_task(self._deliver(line, notification), name=f"notify-{notification.integration.id}")
        line.in_flight.add(task)
        task.add_done_callback(line.in_flight.discard)

    def finished(self) -> list[Delivery]:
        """Take the outcomes so far; each is given once, to be settled with the groups and stored."""
        finished = list(self._finished)
        self._finished.clear()
        self._wakeup.clear()
        return finished

    async def wait(self) -> None:
        """Return when there is an outcome to take."""
        await self._wakeup.wait()

    def _finish(self, delivery: Delivery) -> None:
        self._finished.append(delivery)
        self._wakeup.set()

    async def _deliver(self, line: _Line, notification: Notification) -> None:
        attempts, wait, deadline = 0, FIRST_WAIT, 0
        error: DeliveryError | None = DeliveryError("not tried", retry=True)
        while True:
            async with line.slots:
                deadline = deadline or self.now() + notification.retry_period
                while self.now() < line.not_before <= deadline:
                    await self.pause((line.not_before - self.now()) / SECOND)
                if line.not_before <= deadline:
                    attempts += 1
                    error = await self._send(line, notification)
            if error is None:
                self.counts.delivered += 1
                self._finish(Delivery(notification, delivered=True, attempts=attempts, time=self.now()))
                return
            retry_at = max(self.now() + int(wait * SECOND), line.not_before)
            if not error.retry or retry_at > deadline:
                self._finish(self._failed(notification, attempts, sentence_of(error), line.not_before))
                return
            self.counts.retries += 1
            await self.pause((retry_at - self.now()) / SECOND)
            wait = min(wait * 2, LONGEST_WAIT)

    async def _send(self, line: _Line, notification: Notification) -> DeliveryError | None:
        try:
            await self.notifiers[notification.integration.id].send(notification)
        except DeliveryError as error:
            if error.retry_after:
                line.not_before = max(line.not_before, self.now() + int(error.retry_after * SECOND))
            return error
        except Exception as error:  # a mistake of ours for one receiver must not silence the others, or this one for good
            log.exception("notifier_failed", integration=notification.integration.id, hint="please report this")
            return DeliveryError(repr(error), retry=False)
        return None

    def _failed(self, notification: Notification, attempts: int, reason: str, not_before: int) -> Delivery:
        self.counts.failed += 1
        now = self.now()
        if not_before > now:
            reason = Wording.ASKED_TO_PAUSE(reason=reason, until=timestamp(not_before))
        else:
            not_before = 0
        return Delivery(notification, delivered=False, attempts=attempts, time=now, error=reason, not_before=not_before)
