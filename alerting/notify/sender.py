"""Delivers notifications: one bounded queue and one task an integration, so that a slow receiver holds up no other."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from alerting.durations import SECOND
from alerting.notify.notification import DeliveryError
from telemetry.documents import notification_document

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from alerting.notify.notification import Notification, Notifier
    from telemetry.documents import Document

log = structlog.get_logger(__name__)

QUEUE = 256
"""Most notifications that wait for one integration."""
MAX_NAMED = 1_000
"""Most alerts that the document of a delivery names; it counts them all."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before the second try, doubled at each further one up to the longest."""


@dataclass(slots=True)
class Counts:
    """What became of notifications, since the start."""

    delivered: int = 0
    failed: int = 0
    refused: int = 0  # the queue was full
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a notification ended. `time` in nanoseconds."""

    notification: Notification
    delivered: bool
    attempts: int
    time: int
    error: str = ""

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
                "alerts": [alert.fingerprint for alert in sent.alerts[:MAX_NAMED]],
                "firing": len(sent.firing),
                "resolved": len(sent.resolved),
                "created": sent.time,
                "attempts": self.attempts,
                "error": self.error,
            },
            self.time,
        )


@dataclass(slots=True)
class Sender:
    """Sends what is submitted and keeps the outcomes until they are taken.

    Args:
        notifiers: by id of the integration.
        now: gives the time in nanoseconds.
        pause: waits for seconds; tests pass their own.
    """

    notifiers: Mapping[str, Notifier]
    now: Callable[[], int]
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    counts: Counts = field(default_factory=Counts)
    _queues: dict[str, asyncio.Queue[Notification]] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _finished: deque[Delivery] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Begin to send."""
        for name, notifier in self.notifiers.items():
            queue = self._queues.setdefault(name, asyncio.Queue(QUEUE))
            self._tasks.append(asyncio.create_task(self._serve(queue, notifier), name=f"notify-{name}"))

    async def stop(self) -> None:
        """Let go of what is under way; it was not settled, so the notification log sends it again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._queues.clear()
        for notifier in self.notifiers.values():
            await notifier.close()

    async def replace(self, notifiers: Mapping[str, Notifier]) -> None:
        """Go on with other notifiers. What was under way is given up, as by `stop`."""
        sending = bool(self._tasks)
        await self.stop()
        self.notifiers = notifiers
        if sending:
            await self.start()

    def submit(self, notification: Notification) -> None:
        """Queue a notification. One that finds the queue full has failed."""
        queue = self._queues.setdefault(notification.integration.id, asyncio.Queue(QUEUE))
        try:
            queue.put_nowait(notification)
        except asyncio.QueueFull:
            self.counts.refused += 1
            self._finish(Delivery(notification, delivered=False, attempts=0, time=self.now(), error="queue full"))

    def finished(self) -> list[Delivery]:
        """Take the outcomes so far; each is given once, to be settled with the groups and stored."""
        taken = list(self._finished)
        self._finished.clear()
        self._news.clear()
        return taken

    async def wait(self) -> None:
        """Return when there is an outcome to take."""
        await self._news.wait()

    def _finish(self, delivery: Delivery) -> None:
        self._finished.append(delivery)
        self._news.set()

    async def _serve(self, queue: asyncio.Queue[Notification], notifier: Notifier) -> None:
        while True:
            self._finish(await self._deliver(await queue.get(), notifier))

    async def _deliver(self, notification: Notification, notifier: Notifier) -> Delivery:
        wait, attempts = FIRST_WAIT, 0
        give_up_at = self.now() + notification.patience
        while True:
            attempts += 1
            try:
                await notifier.send(notification)
            except DeliveryError as error:
                pause = max(error.retry_after, wait)
                if not error.retry or self.now() + pause * SECOND > give_up_at:
                    return self._failed(notification, attempts, str(error))
            except Exception as error:  # a mistake of ours for one receiver must not silence the others, or this one for good
                log.exception("notifier_failed", integration=notification.integration.id, hint="please report this")
                return self._failed(notification, attempts, repr(error))
            else:
                self.counts.delivered += 1
                return Delivery(notification, delivered=True, attempts=attempts, time=self.now())
            self.counts.retries += 1
            await self.pause(pause)
            wait = min(wait * 2, LONGEST_WAIT)

    def _failed(self, notification: Notification, attempts: int, reason: str) -> Delivery:
        self.counts.failed += 1
        return Delivery(notification, delivered=False, attempts=attempts, time=self.now(), error=reason)
